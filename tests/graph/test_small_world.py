"""Formulas of the small world: which multipliers, which shifts, which maps."""

from math import gcd

import numpy as np
import pytest

from textlattice.graph.small_world import (
    affine_maps,
    graph_key,
    graph_keys,
    inverse_map,
    slot_maps,
    valid_multipliers,
)

PRODUCT = {"lattice_offsets": (2, 4, 6, 8), "num_random_edges": 4, "random": "affine", "self_slot": True}
PINNED_KEY = 13992795024326218362
PINNED_MAPS = ([191, 247, 83, 47], [5, 304, 281, 344])


def obeys_the_rules(multiplier: int, length: int) -> bool:
    distances = [abs(m * multiplier - length * round(m * multiplier / length)) for m in (1, 2, 3, 4)]
    return (
        gcd(multiplier, length) == 1
        and length / 8 <= multiplier <= 7 * length / 8
        and min(distances) > min(8, length // 40)
    )


def test_the_key_of_a_graph_is_the_same_on_every_machine():
    assert graph_key(0, 0, 360) == PINNED_KEY
    multipliers, shifts = affine_maps(360, 4, graph_key(0, 0, 360))
    assert (multipliers.tolist(), shifts.tolist()) == PINNED_MAPS


def test_each_part_of_the_key_changes_it():
    keys = {graph_key(0, 0, 9), graph_key(1, 0, 9), graph_key(0, 1, 9), graph_key(0, 0, 10)}
    keys |= {graph_key(0, 0, 9, salt=1), graph_key(-1, 0, 9), graph_key(2**64 - 2, 0, 9)}
    assert len(keys) == 7
    assert graph_keys(3, 1, np.array([9, 8]), 5).tolist() == [graph_key(3, 1, 9, 5), graph_key(3, 1, 8, 5)]


def test_valid_multipliers_are_those_that_obey_the_rules():
    for length in [*range(0, 130), 360, 1018]:
        expected = [a for a in range(1, length) if obeys_the_rules(a, length)]
        assert valid_multipliers(length).tolist() == expected


def test_where_multipliers_run_short():
    assert [n for n in range(1, 200) if len(valid_multipliers(n)) < 4] == [1, 2, 3, 4, 6, 10, 12]
    assert [n for n in range(13, 200) if len(valid_multipliers(n)) < 6] == [14, 18]


@pytest.mark.parametrize("length", [5, 14, 59, 60, 360, 4096, 4097, 10_007, 1_000_000])
def test_affine_maps_obey_the_rules(length):
    for salt in range(10):
        multipliers, shifts = affine_maps(length, 4, graph_key(0, 0, length, salt))
        chosen = multipliers.tolist()
        assert len(set(chosen)) == 4
        assert all(obeys_the_rules(a, length) for a in chosen)
        assert ((shifts >= 0) & (shifts < length)).all()


def test_shifts_alternate_in_parity_for_even_lengths():
    for length in (14, 60, 1018, 5000):
        for salt in range(10):
            _, shifts = affine_maps(length, 4, graph_key(0, 0, length, salt))
            assert (shifts % 2).tolist() == [1, 0, 1, 0]
            assert affine_maps(length, 1, salt)[1] % 2 == 1  # a single map must change parity


def test_draws_reach_every_multiplier_about_equally():
    drawn = np.concatenate([affine_maps(14, 2, key)[0] for key in range(2000)])
    counts = np.bincount(drawn, minlength=14)
    assert np.flatnonzero(counts).tolist() == [3, 5, 9, 11]
    assert counts[[3, 5, 9, 11]].min() > 900  # 1000 expected, deviation about 27


@pytest.mark.parametrize("length", [0, 1, 2, 3, 4])
def test_slots_without_a_map_are_void(length):
    multipliers, shifts = affine_maps(length, 4, 7)
    assert multipliers.tolist() == shifts.tolist() == [0, 0, 0, 0]


def test_too_few_multipliers_leave_the_last_slots_void():
    multipliers, _ = affine_maps(10, 4, 7)
    assert sorted(multipliers[:2].tolist()) == [3, 7]
    assert multipliers[2:].tolist() == [0, 0]


def test_no_random_edges():
    multipliers, shifts = affine_maps(30, 0, 7)
    assert multipliers.shape == shifts.shape == (0,)


def test_slot_maps_of_a_long_document():
    maps = slot_maps(60, 5, **PRODUCT)
    multipliers, shifts = affine_maps(60, 4, 5)
    assert maps[:9] == [(1, b) for b in (0, 2, 58, 4, 56, 6, 54, 8, 52)]
    assert maps[9:] == list(zip(multipliers.tolist(), shifts.tolist(), strict=True))


def test_slot_maps_of_short_documents_connect_everything():
    for length in range(14):
        maps = slot_maps(length, 5, **PRODUCT)
        assert maps == [(1, 0)] + [(1, s % max(length, 1)) for s in range(1, 13)]
    assert slot_maps(14, 5, **PRODUCT)[1:3] == [(1, 2), (1, 12)]


def test_inverse_maps_undo():
    for length in (1, 2, 9, 14, 61):
        for affine in slot_maps(length, 3, **PRODUCT):
            undo = inverse_map(affine, length)
            for i in range(length):
                j = (affine[0] * i + affine[1]) % length
                assert (undo[0] * j + undo[1]) % length == i
