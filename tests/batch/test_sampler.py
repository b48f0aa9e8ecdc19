import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textlattice.batch.sampler import balanced_batches, bounded_batches


def film_reviews(num_docs=25_000):
    """Lengths like those of IMDB: mean about 1,300 characters, a long tail."""
    draws = np.random.default_rng(0).lognormal(6.9, 0.68, num_docs)
    return np.clip(draws, 30, 14_000).astype(np.int64)


def assert_each_once(batches, num_docs, batch_size):
    assert np.array_equal(np.sort(np.concatenate(batches)), np.arange(num_docs))
    assert max(map(len, batches)) <= batch_size
    assert len(batches) == -(-num_docs // batch_size)


@pytest.mark.parametrize("epoch", [0, 1, 5])
def test_equal_loads(epoch):
    loads = film_reviews()
    batches = balanced_batches(loads, 64, seed=0, epoch=epoch)
    assert_each_once(batches, 25_000, 64)
    totals = np.array([loads[batch].sum() for batch in batches])
    assert totals.max() / totals.mean() <= 1.01
    assert totals.min() / totals.mean() >= 0.99


def test_order_is_a_function_of_seed_and_epoch():
    loads = film_reviews(500)

    def flat(seed, epoch):
        return np.concatenate(balanced_batches(loads, 16, seed=seed, epoch=epoch)).tolist()

    assert flat(1, 2) == flat(1, 2)
    orders = [flat(seed, epoch) for seed in range(3) for epoch in range(3)]
    assert len(set(map(tuple, orders))) == 9


def test_who_meets_whom_changes_from_epoch_to_epoch():
    loads = film_reviews(2_000)
    pairs = []
    for epoch in (1, 2):
        batches = balanced_batches(loads, 10, seed=0, epoch=epoch)
        pairs.append({(a, b) for batch in batches for a in batch for b in batch if a < b})
    assert len(pairs[0] & pairs[1]) < 0.05 * len(pairs[0])


def test_the_global_generator_is_left_alone():
    np.random.seed(0)  # noqa: NPY002
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    balanced_batches(film_reviews(50), 8, seed=0, epoch=1)
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002


@given(st.lists(st.integers(0, 1_000), max_size=40), st.integers(1, 9), st.integers(0, 2))
def test_any_loads(loads, batch_size, epoch):
    batches = balanced_batches(np.array(loads, np.int64), batch_size, seed=0, epoch=epoch)
    if loads:
        assert_each_once(batches, len(loads), batch_size)
    else:
        assert batches == []


@pytest.mark.parametrize(
    ("loads", "expected"),
    [
        ([], []),
        ([7], [[7]]),
        ([3, 3, 4, 1], [[3, 3, 4], [1]]),
        ([99, 1, 99], [[99], [1], [99]]),  # too heavy for company
        ([0, 0, 0, 0], [[0, 0, 0], [0]]),
        ([5, 5, 1], [[5, 5], [1]]),
    ],
)
def test_bounded_batches(loads, expected):
    assert list(bounded_batches(loads, loads, max_load=10, max_items=3)) == expected


@given(st.lists(st.integers(0, 30)), st.integers(1, 5))
def test_bounded_batches_keep_order_and_bounds(loads, max_items):
    batches = list(bounded_batches(loads, loads, max_load=20, max_items=max_items))
    assert [load for batch in batches for load in batch] == loads
    assert all(len(batch) == 1 or (sum(batch) <= 20 and len(batch) <= max_items) for batch in batches)


def test_bounded_batches_stream():
    taken = []

    def items():
        for number in range(100):
            taken.append(number)
            yield number

    next(bounded_batches(items(), iter([1] * 100), max_load=3, max_items=9))
    assert len(taken) == 4
