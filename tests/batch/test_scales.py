"""Units of the pyramid: sizes, parents, edges and windows, against readable twins."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textlattice.batch.scales import WHOLE, WIDTHS, WINDOW, make_scales, make_units
from textlattice.graph.neighbours import neighbour_table

LENGTHS = st.lists(st.integers(0, 40), min_size=1, max_size=5)


def bounds(lengths):
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)


def sizes(length, num_scales=4):
    """Units of each scale of one document."""
    found = [length]
    while len(found) < num_scales:
        found.append((found[-1] + 1) // 2 if found[-1] >= 2 else 0)
    return found


@pytest.mark.parametrize("length", [*range(10), 10_000])
def test_sizes_and_parents_of_one_document(length):
    scales = make_scales(bounds([length]), 4)
    assert [len(scale.parent) for scale in scales] == sizes(length)
    for below, above in pairwise(scales):
        num_above = len(above.parent)
        expected = np.arange(len(below.parent)) // 2 if num_above else np.zeros(len(below.parent))
        np.testing.assert_array_equal(below.parent, expected)
        np.testing.assert_array_equal(
            above.num_children, np.bincount(below.parent, minlength=num_above)[:num_above]
        )
    for number, scale in enumerate(scales):
        assert scale.num_tokens.sum() == (length if len(scale.parent) else 0)
        np.testing.assert_array_equal(
            scale.token_unit, np.minimum(np.arange(length) // 2**number, len(scale.parent))
        )
    assert (scales[-1].parent == 0).all()  # one past the last of the scale above, which there is not


@given(LENGTHS, st.integers(1, 5))
def test_documents_of_a_batch_have_the_units_they_have_alone(lengths, num_scales):
    scales = make_scales(bounds(lengths), num_scales)
    for number, scale in enumerate(scales):
        expected = [sizes(length, num_scales)[number] for length in lengths]
        np.testing.assert_array_equal(np.diff(scale.documents.doc_ptr), expected)
        np.testing.assert_array_equal(scale.documents.doc_index, np.repeat(np.arange(len(lengths)), expected))
        if number + 1 < num_scales:
            above = scales[number + 1].documents
            for unit, parent in enumerate(scale.parent.tolist()):
                if parent < len(above.doc_index):
                    assert above.doc_index[parent] == scale.documents.doc_index[unit]
                else:
                    assert lengths[scale.documents.doc_index[unit]] <= 2**number


@given(st.lists(st.lists(st.integers(1, 12), max_size=4), min_size=1, max_size=3), st.integers(2, 5))
def test_no_unit_is_part_of_two_sentences(documents, num_scales):
    lengths = [sum(document) for document in documents]
    sentences = np.repeat(np.arange(sum(map(len, documents))), [n for d in documents for n in d])
    scales = make_scales(bounds(lengths), num_scales, sentences.astype(np.int32))
    for scale in scales:
        known = scale.token_unit < len(scale.parent)
        owners = {}
        for unit, sentence in zip(scale.token_unit[known].tolist(), sentences[known].tolist(), strict=True):
            assert owners.setdefault(unit, sentence) == sentence
    top = scales[-1]
    for place, document in enumerate(documents):
        below = np.diff(scales[-2].documents.doc_ptr)[place]
        assert np.diff(top.documents.doc_ptr)[place] == (len(document) if below >= 2 else 0)


def slow_neighbours(lengths, num_scales):
    """Of each unit, named (document, scale, place): those it hears, in the order of the slots."""
    heard = {}
    for doc, length in enumerate(lengths):
        counts = sizes(length, num_scales)
        for scale, count in enumerate(counts):
            for place in range(count):
                beside = [place - 1, place + 1, place - 2, place + 2]
                slots = [(scale, place)]
                slots += [(scale, other) if 0 <= other < count else None for other in beside]
                has_parent = scale + 1 < num_scales and counts[scale + 1] > 0
                slots.append((scale + 1, place // 2) if has_parent else None)
                children = [
                    child for child in (2 * place, 2 * place + 1) if scale and child < counts[scale - 1]
                ]
                slots += [(scale - 1, child) for child in children] + [None] * (2 - len(children))
                heard[doc, scale, place] = [slot and (doc, *slot) for slot in slots]
    return heard


@settings(deadline=None)
@given(LENGTHS, st.integers(1, 4))
def test_neighbours_are_those_of_the_slow_twin(lengths, num_scales):
    scales = make_scales(bounds(lengths), num_scales)
    units = make_units(scales)
    names = [
        (doc, number, place)
        for number, scale in enumerate(scales)
        for doc, count in enumerate(np.diff(scale.documents.doc_ptr).tolist())
        for place in range(count)
    ]
    expected = slow_neighbours(lengths, num_scales)
    assert len(units.neighbours) == len(names) == len(expected)
    for row, name in enumerate(names):
        found = [
            names[other] if is_edge else None
            for other, is_edge in zip(units.neighbours[row], units.mask[row], strict=True)
        ]
        assert found == expected[name]
        assert all(names[other][0] == name[0] for other in units.neighbours[row])  # void slots too


def test_edges_that_are_left_out_have_no_slots():
    scales = make_scales(bounds([9, 1]), 4)
    full = make_units(scales)
    adjacent, tree, neither = (
        make_units(scales, **chosen)
        for chosen in ({"tree": False}, {"adjacent": False}, {"tree": False, "adjacent": False})
    )
    np.testing.assert_array_equal(adjacent.neighbours, full.neighbours[:, :5])
    np.testing.assert_array_equal(tree.mask, full.mask[:, [0, 5, 6, 7]])
    np.testing.assert_array_equal(neither.neighbours[:, 0], np.arange(len(full.mask)))


def test_of_many_children_as_many_are_heard_as_there_are_slots():
    sentences = np.zeros(24, np.int32)
    scales = make_scales(bounds([24]), 3, sentences)  # 24 tokens, 12 pairs, one sentence
    units = make_units(scales, num_children=4)
    assert units.neighbours[-1][units.mask[-1]].tolist() == [36, 24, 27, 30, 33]


def test_the_node_of_a_document_is_tied_to_the_units_of_its_highest_scale():
    scales = make_scales(bounds([3, 1, 0]), 2)  # tokens 0 to 2, token 3; units 4 and 5 of the first document
    units = make_units(scales, adjacent=False, tree=False, document=True)
    assert units.neighbours.tolist() == [
        *([0, 0], [1, 1], [2, 2], [3, 7], [4, 6], [5, 6]),  # units
        *([6, 6], [7, 7], [8, 8]),  # documents
    ]
    assert units.mask[:, 0].all()
    assert units.mask[:, 1].tolist() == [False, False, False, True, True, True, False, False, False]
    assert units.documents.doc_index.tolist() == [3, 3, 3, 1, 0, 0]
    assert units.documents.num_units.tolist() == [2, 1, 1]
    places = np.concatenate([window.units.ravel() for window in units.windows])
    np.testing.assert_array_equal(places[units.place], np.arange(9))
    assert make_units(scales).documents is None


def small_world(lengths, offsets=(3,), num_random=1):
    return neighbour_table(
        bounds(lengths),
        lattice_offsets=offsets,
        num_random_edges=num_random,
        random="affine",
        seed=0,
        block=0,
        self_slot=False,
    )


def test_tokens_hear_the_small_world_and_larger_units_do_not():
    scales = make_scales(bounds([9, 3, 1]), 2)
    table = small_world([9, 3, 1])
    units = make_units(scales, adjacent=False, tree=False, small_world=table)
    np.testing.assert_array_equal(units.neighbours[:13, 1:], table.neighbours)
    np.testing.assert_array_equal(units.mask[:13, 1:], table.mask)
    assert units.neighbours[:9, 1].tolist() == [3, 4, 5, 6, 7, 8, 0, 1, 2]
    assert units.neighbours[9:12, 1:3].tolist() == [[10, 11], [11, 9], [9, 10]]  # short: each other token
    assert not units.mask[12:, 1:].any()  # one token, then units of the second scale
    assert (units.neighbours[13:] == np.arange(13, len(units.mask))[:, None]).all()


@settings(deadline=None)
@given(LENGTHS)
def test_no_edge_is_there_twice(lengths):
    scales = make_scales(bounds(lengths), 3)
    without = make_units(scales, document=True)
    units = make_units(scales, document=True, small_world=small_world(lengths, (3, 4), 2))
    np.testing.assert_array_equal(units.neighbours[:, :9], without.neighbours)
    np.testing.assert_array_equal(units.mask[:, :9], without.mask)
    for heard, is_edge in zip(units.neighbours, units.mask, strict=True):
        assert len(set(heard[is_edge].tolist())) == is_edge.sum()


@given(st.lists(st.integers(0, 600), min_size=1, max_size=3))
@settings(deadline=None, max_examples=30)
def test_windows_hold_each_unit_once_and_no_two_documents(lengths):
    scales = make_scales(bounds(lengths), 3)
    units = make_units(scales)
    inside = np.concatenate([window.units[window.filled] for window in units.windows])
    np.testing.assert_array_equal(np.sort(inside), np.arange(len(units.mask)))
    places = np.concatenate([window.units.ravel() for window in units.windows])
    np.testing.assert_array_equal(places[units.place], np.arange(len(units.mask)))
    owner = np.concatenate([s.documents.doc_index + 10 * n for n, s in enumerate(scales)])
    for window, width in zip(units.windows, WIDTHS, strict=True):
        assert window.units.shape[1] <= width
        assert window.filled.sum() * 2 >= window.filled.size - window.units.shape[1]  # half full or more
        for row in owner[window.units] if len(window.units) else []:
            assert len(set(row.tolist())) == 1


@pytest.mark.parametrize(("length", "expected"), [(WHOLE, [WHOLE]), (WHOLE + 1, [WINDOW, WINDOW, 1])])
def test_a_document_of_more_units_than_one_window_holds_is_cut(length, expected):
    units = make_units(make_scales(bounds([length]), 1))
    sizes = [size for window in units.windows for size in window.filled.sum(1).tolist()]
    assert sorted(sizes) == sorted(expected)


@pytest.mark.parametrize("length", [18, 1_000, 100_000])
def test_units_and_edges_grow_with_the_tokens(length):
    scales = make_scales(bounds([length]), 4)
    num_units = sum(len(scale.parent) for scale in scales)
    assert num_units <= 15 * length / 8 + 17 / 8 < 2 * length + 17
    units = make_units(scales, document=True, small_world=small_world([length], (3, 4), 2))
    assert units.mask.sum() <= 8 * num_units + 6 * length + len(scales[-1].parent) + 1
    assert sum(window.filled.size for window in units.windows) <= 2 * num_units + 4 * WHOLE
