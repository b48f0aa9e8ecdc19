from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textlattice.data.splits import affordable_rows, slice_sizes, strata, stratified_folds, stratified_slices
from textlattice.errors import DataError


def counts(labels, rows):
    return dict(Counter(labels[row] for row in rows))


def assert_partition(parts, num_rows):
    assert sorted(np.concatenate(parts).tolist()) == list(range(num_rows))
    for part in parts:
        assert part.dtype == np.int64
        assert (np.diff(part) > 0).all()


@pytest.mark.parametrize(
    ("num_rows", "size"),
    [(0, 200), (2_000, 200), (4_019, 200), (4_020, 201), (25_000, 1_250), (40_000, 2_000), (10**7, 2_000)],
)
def test_slice_sizes(num_rows, size):
    assert slice_sizes(num_rows) == size


@pytest.mark.parametrize(
    ("class_counts", "sizes", "expected"),
    [
        ({"a": 60, "b": 30, "c": 10}, [10, 20], [{"a": 6, "b": 3, "c": 1}, {"a": 12, "b": 6, "c": 2}]),
        ({"a": 50, "b": 50}, [3], [{"a": 2, "b": 1}]),  # a tie goes to the first name
        ({"a": 99, "b": 1}, [50], [{"a": 50}]),  # a class of one stays among the remaining rows
        ({"a": 98, "b": 2}, [50, 25], [{"a": 49, "b": 1}, {"a": 25}]),
        ({"a": 1, "b": 1, "c": 1}, [2], [{"a": 1, "b": 1}]),  # no other way
        ({"a": 3, "b": 1}, [4], [{"a": 3, "b": 1}]),
        ({"a": 3}, [0], [{}]),
        ({}, [0], [{}]),
        ({"a": 2}, [], []),
    ],
)
def test_slices(class_counts, sizes, expected):
    labels = [label for label, count in class_counts.items() for _ in range(count)]
    parts = stratified_slices(labels, sizes, seed=0)
    assert_partition(parts, len(labels))
    assert [counts(labels, part) for part in parts[:-1]] == expected


@given(
    labels=st.lists(st.sampled_from("abcdefgh"), max_size=60),
    shares=st.lists(st.floats(0, 1), max_size=3),
    seed=st.integers(0, 99),
)
def test_slices_have_their_sizes(labels, shares, seed):
    sizes = [int(share * len(labels) / max(len(shares), 1)) for share in shares]
    parts = stratified_slices(labels, sizes, seed=seed)
    assert_partition(parts, len(labels))
    assert [len(part) for part in parts[:-1]] == sizes
    if len(labels) - sum(sizes) >= len(set(labels)):
        assert set(counts(labels, parts[-1])) == set(labels)
    assert all(map(np.array_equal, parts, stratified_slices(labels, sizes, seed=seed)))


def test_seeds_give_other_rows():
    labels = ["a", "b"] * 100
    first, second = (stratified_slices(labels, [40], seed=seed)[0] for seed in (0, 1))
    assert 0 < np.isin(first, second).sum() < 40


def test_slices_of_groups():
    rng = np.random.default_rng(5)
    groups = [f"g{g}" for g in rng.integers(0, 300, 3_000)]
    labels = ["abc"[int(x)] for x in np.searchsorted([0.6, 0.9], rng.random(3_000))]
    parts = stratified_slices(labels, [200, 300], seed=0, groups=groups)
    assert_partition(parts, 3_000)
    owners = [{groups[row] for row in part} for part in parts]
    assert sum(map(len, owners)) == len(set(groups))
    for part, size in zip(parts, (200, 300), strict=False):
        assert size - 10 <= len(part) <= size
        shares = counts(labels, part)
        assert abs(shares["a"] / len(part) - 0.6) < 0.08
        assert abs(shares["c"] / len(part) - 0.1) < 0.05


@given(
    rows=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("12345")), max_size=30),
    size=st.integers(0, 30),
    seed=st.integers(0, 9),
)
def test_groups_stay_whole(rows, size, seed):
    labels, groups = [label for label, _ in rows], [group for _, group in rows]
    parts = stratified_slices(labels, [min(size, len(rows))], seed=seed, groups=groups)
    assert_partition(parts, len(rows))
    assert len(parts[0]) <= size
    assert not {groups[row] for row in parts[0]} & {groups[row] for row in parts[1]}
    assert set(counts(labels, parts[1])) == set(labels)


def test_folds():
    labels = ["a"] * 7 + ["b"] * 4 + ["c"]
    folds = stratified_folds(labels, 3, seed=0)
    assert_partition(folds, 12)
    assert [len(fold) for fold in folds] == [4, 4, 4]
    assert sorted(counts(labels, fold)["a"] for fold in folds) == [2, 2, 3]
    assert sorted(counts(labels, fold)["b"] for fold in folds) == [1, 1, 2]
    assert all(map(np.array_equal, folds, stratified_folds(labels, 3, seed=0)))
    assert not all(map(np.array_equal, folds, stratified_folds(labels, 3, seed=1)))


@settings(max_examples=50)
@given(labels=st.lists(st.sampled_from("abcde"), min_size=2, max_size=40), num_folds=st.integers(2, 5))
def test_folds_are_even(labels, num_folds):
    num_folds = min(num_folds, len(labels))
    folds = stratified_folds(labels, num_folds, seed=3)
    assert_partition(folds, len(labels))
    assert np.ptp([len(fold) for fold in folds]) <= 1
    for label in set(labels):
        assert np.ptp([counts(labels, fold).get(label, 0) for fold in folds]) <= 1


def test_folds_of_groups():
    groups = [f"g{i // 5}" for i in range(150)]
    labels = ["ab"[i // 5 % 2] for i in range(150)]
    folds = stratified_folds(labels, 3, seed=0, groups=groups)
    assert_partition(folds, 150)
    assert [counts(labels, fold) for fold in folds] == [{"a": 25, "b": 25}] * 3
    assert sum(len({groups[row] for row in fold}) for fold in folds) == 30


@pytest.mark.parametrize("sizes", [[2, 2], [-1]])
def test_sizes_that_cannot_be(sizes):
    with pytest.raises(DataError, match=r"sum to at most the number of rows, got .* for 3 rows"):
        stratified_slices(["a", "b", "c"], sizes, seed=0)


def test_other_errors():
    with pytest.raises(DataError, match="groups and labels must be equally long, got 1 and 2"):
        stratified_slices(["a", "b"], [1], seed=0, groups=["g"])
    with pytest.raises(DataError, match="between 2 and the number of rows, got 3 folds for 2 rows"):
        stratified_folds(["a", "b"], 3, seed=0)
    with pytest.raises(DataError, match="between 2 and the number of groups, got 2 folds for 1 groups"):
        stratified_folds(["a", "b"], 2, seed=0, groups=["g", "g"])
    with pytest.raises(DataError, match="got 1 folds"):
        stratified_folds(["a", "b"], 1, seed=0)


# Rows of several labels.


def test_rows_are_stratified_by_their_rarest_label():
    labels = [("a", "b"), ("a",), ("a", "c", "b"), ("b",), (), ("d", "c")]  # a 3, b 3, c 2, d 1
    assert strata(labels)[:4] == ["a", "a", "c", "b"]
    assert strata(labels)[5] == "d"
    assert strata(labels)[4] not in "abcd"
    assert strata(["x", "y", "x"]) == ["x", "y", "x"]
    assert strata([]) == []


def test_a_rare_label_is_in_every_fold():
    labels = [("common", "rare") if row % 20 == 0 else ("common",) for row in range(100)]
    for fold in stratified_folds(strata(labels), 5, seed=3):
        assert sum("rare" in labels[row] for row in fold) == 1


# What can be afforded.


def test_all_rows_where_they_may_cost_it():
    assert affordable_rows(np.array([3, 4]), 7, ["a", "b"], seed=0).tolist() == [0, 1]
    assert affordable_rows(np.empty(0, np.int64), 0, [], seed=0).tolist() == []


@settings(max_examples=50)
@given(
    costs=st.lists(st.integers(0, 50), min_size=20, max_size=60),
    most=st.integers(0, 500),
    seed=st.integers(0, 9),
)
def test_a_share_of_every_class_where_not(costs, most, seed):
    labels = ["a" if place % 4 else "b" for place in range(len(costs))]
    rows = affordable_rows(np.array(costs), most, labels, seed=seed)
    assert np.array(costs)[rows].sum() <= most or len(rows) == 1
    shares = Counter(labels[row] for row in rows)
    assert abs(shares["b"] - len(rows) / 4) <= 1
    assert rows.tolist() == affordable_rows(np.array(costs), most, labels, seed=seed).tolist()


def test_the_share_is_not_smaller_than_need_be():
    rows = affordable_rows(np.full(1_000, 3), 1_500, ["a", "b"] * 500, seed=1)
    assert len(rows) == 500
