"""The neighbour table: its edges, voids and inverse, against literal tables and a slow twin."""

import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textlattice.graph.neighbours import edge_index, neighbour_table
from textlattice.graph.small_world import affine_maps, graph_key
from textlattice.graph.stats import graph_statistics
from textlattice.hashing import splitmix64

PAPER = {"lattice_offsets": (2, 4, 6, 8, 10, 12, 14, 16), "num_random_edges": 4, "self_slot": False}
PRODUCT = [
    {"lattice_offsets": (2, 4, 6, 8), "num_random_edges": 4, "random": "affine"},
    {"lattice_offsets": (3, 5, 7, 9), "num_random_edges": 4, "random": "affine"},
    {"lattice_offsets": (1, 2, 3, 4), "num_random_edges": 2, "random": "affine"},
    {"lattice_offsets": (2, 4, 6, 8), "num_random_edges": 2, "random": "affine"},
    {"lattice_offsets": (2, 4), "num_random_edges": 2, "random": "affine"},
    {"lattice_offsets": (3, 5), "num_random_edges": 2, "random": "affine"},
]
OTHERS = [
    {"lattice_offsets": (2, 4, 6, 8), "num_random_edges": 4, "random": "uniform"},
    {"lattice_offsets": (5,), "num_random_edges": 3, "random": "affine", "self_slot": False},
    {"lattice_offsets": (4, 8), "num_random_edges": 0, "random": "uniform", "self_slot": False},
    {"lattice_offsets": (), "num_random_edges": 2, "random": "uniform"},
    {"lattice_offsets": (), "num_random_edges": 0, "random": "affine"},
    {"lattice_offsets": (), "num_random_edges": 0, "random": "affine", "self_slot": False},
]


def bounds(lengths):
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def table_of(lengths, *, seed=0, block=0, **setting):
    setting = {"with_inverse": True} | setting
    return neighbour_table(bounds(lengths), seed=seed, block=block, **setting)


def slow_table(
    lengths, *, lattice_offsets, num_random_edges, random, seed=0, block=0, salt=0, self_slot=True
):
    """The same rows one token at a time: neighbours, mask and inverse as lists."""
    rows, mask, inverse = [], [], []
    num_others = 2 * len(lattice_offsets) + num_random_edges
    start = 0
    for n in lengths:
        key = graph_key(seed, block, n, salt)
        maps = list(zip(*affine_maps(n, num_random_edges, key), strict=True))
        places = []
        for i in range(n):
            row = [i] if self_slot else []
            if n - 1 <= num_others:
                row += [(i + 1 + slot) % n for slot in range(num_others)]
            else:
                for distance in lattice_offsets:
                    row += [(i + distance) % n, (i - distance) % n]
                for slot, (a, b) in enumerate(maps):
                    if random == "uniform":
                        state = splitmix64(np.array([i * num_random_edges + slot], np.uint64))
                        draw = int(splitmix64(state ^ np.uint64(key))[0])
                        row.append((i + 1 + draw % (n - 1)) % n)
                    else:
                        row.append((int(a) * i + int(b)) % n if a else i)
            valid, seen = [], set()
            for slot, j in enumerate(row):
                valid.append((self_slot and slot == 0) or (j != i and j not in seen))
                seen.add(j)
            places.append(row)
            mask.append(valid)
        rows += [[start + j for j in row] for row in places]
        for j in range(n):
            sources = [[i for i in range(n) if places[i][k] == j] for k in range(len(places[j]))]
            inverse.append([start + found[0] if len(found) == 1 else -1 for found in sources])
        start += n
    return rows, mask, inverse


def test_literal_table_of_two_tiny_documents():
    table = table_of([5, 3], lattice_offsets=(2,), num_random_edges=0, random="affine")
    assert table.neighbours.tolist() == [
        [0, 2, 3],
        [1, 3, 4],
        [2, 4, 0],
        [3, 0, 1],
        [4, 1, 2],
        [5, 6, 7],  # 3 - 1 others fit into 2 slots: i + 1, i + 2
        [6, 7, 5],
        [7, 5, 6],
    ]
    assert table.mask.all()
    assert table.inverse.tolist() == [
        [0, 3, 2],
        [1, 4, 3],
        [2, 0, 4],
        [3, 1, 0],
        [4, 2, 1],
        [5, 7, 6],
        [6, 5, 7],
        [7, 6, 5],
    ]


def test_literal_voids():
    table = table_of([4, 2], lattice_offsets=(2,), num_random_edges=0, random="uniform", self_slot=False)
    assert table.neighbours.tolist() == [[2, 2], [3, 3], [0, 0], [1, 1], [5, 4], [4, 5]]
    assert table.mask.tolist() == [[True, False]] * 6  # 4 tokens: +2 is -2; 2 tokens: 1 other, then itself
    assert table.inverse.tolist() == [[2, 2], [3, 3], [0, 0], [1, 1], [5, 4], [4, 5]]
    assert edge_index(table).tolist() == [[2, 3, 0, 1, 5, 4], [0, 1, 2, 3, 4, 5]]


def test_literal_edges_of_the_paper_setting():
    table = table_of([40], random="uniform", **PAPER)
    offsets = [2, -2, 4, -4, 6, -6, 8, -8, 10, -10, 12, -12, 14, -14, 16, -16]
    assert table.neighbours[3, :16].tolist() == [(3 + d) % 40 for d in offsets]


@pytest.mark.parametrize("setting", PRODUCT + OTHERS)
def test_equals_the_slow_twin_for_lengths_0_to_60(setting):
    lengths = np.random.default_rng(0).permutation(61).tolist()
    for block, salt in ((0, 0), (1, 12345)):
        table = table_of(lengths, seed=7, block=block, salt=salt, **setting)
        rows, mask, inverse = slow_table(lengths, seed=7, block=block, salt=salt, **setting)
        shape = table.mask.shape
        assert np.array_equal(table.neighbours, np.array(rows).reshape(shape))
        assert np.array_equal(table.mask, np.array(mask).reshape(shape))
        num_mapped = shape[1] - (setting["num_random_edges"] if setting["random"] == "uniform" else 0)
        assert np.array_equal(table.inverse, np.array(inverse).reshape(shape)[:, :num_mapped])


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 90), max_size=8),
    offsets=st.lists(st.integers(1, 40), max_size=4, unique=True),
    num_random_edges=st.integers(0, 5),
    random=st.sampled_from(["affine", "uniform"]),
    self_slot=st.booleans(),
    salt=st.integers(-(2**63), 2**63),
)
def test_properties(lengths, offsets, num_random_edges, random, self_slot, salt):
    table = table_of(
        lengths,
        lattice_offsets=tuple(offsets),
        num_random_edges=num_random_edges,
        random=random,
        self_slot=self_slot,
        salt=salt,
    )
    degree = self_slot + 2 * len(offsets) + num_random_edges
    assert table.neighbours.shape == table.mask.shape == (sum(lengths), degree)
    doc_index = np.repeat(np.arange(len(lengths)), lengths)
    assert np.array_equal(doc_index[table.neighbours], np.repeat(doc_index[:, None], degree, axis=1))
    itself = table.neighbours == np.arange(sum(lengths))[:, None]
    assert table.mask[:, :1].all() or not self_slot
    assert not (itself & table.mask)[:, int(self_slot) :].any()
    edges = edge_index(table)
    assert edges.shape[1] == table.mask.sum() == len(set(map(tuple, edges.T.tolist())))
    num_mapped = degree - num_random_edges * (random == "uniform")  # independent draws have no inverse
    assert table.inverse.shape == (sum(lengths), num_mapped)
    back = np.take_along_axis(table.neighbours[:, :num_mapped], table.inverse, axis=0)
    assert (back == np.arange(sum(lengths))[:, None]).all()  # void slots included


@pytest.mark.parametrize("setting", PRODUCT)
def test_a_document_keeps_its_rows_in_any_batch(setting):
    alone = table_of([37], **setting)
    among = table_of([12, 0, 37, 50], **setting)
    rows = slice(12, 49)
    assert np.array_equal(among.neighbours[rows] - 12, alone.neighbours)
    assert np.array_equal(among.mask[rows], alone.mask)
    assert np.array_equal(among.inverse[rows] - 12, alone.inverse)


def test_seed_block_and_salt_move_random_edges_alone():
    for random in ("affine", "uniform"):
        setting = {"lattice_offsets": (2, 4), "num_random_edges": 2, "random": random}
        base = table_of([100], **setting).neighbours
        for change in ({"seed": 1}, {"block": 1}, {"salt": 1}):
            other = table_of([100], **setting, **change).neighbours
            assert np.array_equal(base[:, :5], other[:, :5])
            assert (base[:, 5:] != other[:, 5:]).mean() > 0.9
        assert np.array_equal(base, table_of([100], **setting).neighbours)


def test_blocks_of_tokens_join_without_a_seam():
    lengths = [20_000, 1, 30_000]
    for random in ("affine", "uniform"):
        setting = {"lattice_offsets": (2, 4), "num_random_edges": 2, "random": random}
        table = table_of(lengths, **setting)
        alone = table_of([30_000], **setting)
        assert np.array_equal(table.neighbours[20_001:] - 20_001, alone.neighbours)
        assert np.array_equal(table.mask[20_001:], alone.mask)


def test_products_of_places_do_not_overflow():
    table = table_of([1_000_000], lattice_offsets=(2, 4), num_random_edges=2, random="affine")
    multipliers, shifts = affine_maps(1_000_000, 2, graph_key(0, 0, 1_000_000))
    last = 999_999
    expected = [(int(a) * last + int(b)) % 1_000_000 for a, b in zip(multipliers, shifts, strict=True)]
    assert table.neighbours[last, 5:].tolist() == expected
    assert table.neighbours.dtype == table.inverse.dtype == np.int32
    assert (table.neighbours[table.inverse[::997, 6], 6] == np.arange(0, 1_000_000, 997)).all()


@pytest.mark.parametrize("lengths", [[], [0], [0, 0]])
def test_empty_batches(lengths):
    for setting in PRODUCT[:1] + OTHERS:
        table = table_of(lengths, **setting)
        assert table.neighbours.shape[0] == 0
        assert edge_index(table).shape == (2, 0)


def test_one_token():
    table = table_of([1], **PRODUCT[0])
    assert table.mask.tolist() == [[True] + [False] * 12]
    assert not table.neighbours.any()
    assert not table_of([1], random="uniform", **PAPER).mask.any()


@pytest.mark.parametrize("setting", [*PRODUCT, OTHERS[0]])
def test_short_documents_connect_all_tokens(setting):
    degree = 2 * len(setting["lattice_offsets"]) + setting["num_random_edges"]
    for n in range(1, degree + 2):
        table = table_of([n], **setting)
        assert table.mask.sum() == n * n
        assert (np.sort(table.neighbours[:, :n], axis=1) == np.arange(n)).all()


@pytest.mark.parametrize("n", [360, 361])
def test_number_of_edges_before_repeats_are_removed(n):
    table = table_of([n], random="uniform", **PAPER)
    assert table.neighbours.size == n * (2 * 8 + 4)
    lattice = table.mask[:, :16]
    assert lattice.all()
    steps = (table.neighbours[:, 16:] - np.arange(n)[:, None]) % n
    assert (steps != 0).all()  # 4 random edges at each token, none a self loop


@pytest.mark.parametrize("setting", PRODUCT)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_document_is_in_one_piece(setting, seed):
    for n in [*range(2, 41), 100, 101, 256, 1018]:
        graph = networkx.DiGraph(edge_index(table_of([n], seed=seed, **setting)).T.tolist())
        assert len(graph) == n
        assert networkx.is_strongly_connected(graph)


ACCEPTED_UNIFORM = {  # least and most: density, diameter, clustering, path
    360: ((0.0549, 0.0554), (4, 4), (0.459, 0.469), (2.539, 2.561)),
    1018: ((0.0195, 0.0197), (4, 5), (0.449, 0.453), (2.931, 2.951)),
    1709: ((0.0116, 0.0118), (5, 5), (0.446, 0.450), (3.165, 3.179)),
}
PUBLISHED = {360: (0.0551, 4, 0.463, 2.55), 1018: (0.0196, 4, 0.450, 2.94), 1709: (0.0117, 5, 0.447, 3.17)}


@pytest.mark.parametrize("n", [360, 1018, 1709])
@pytest.mark.parametrize("seed", range(5))
def test_independent_edges_have_the_published_figures(n, seed):
    figures = graph_statistics(edge_index(table_of([n], seed=seed, random="uniform", **PAPER)), n)
    values = (
        figures.density,
        figures.diameter,
        figures.average_clustering,
        figures.average_shortest_path,
    )
    for value, (least, most) in zip(values, ACCEPTED_UNIFORM[n], strict=True):
        assert least <= value <= most


@pytest.mark.parametrize("n", [360, 1018, 1709])
@pytest.mark.parametrize("seed", range(8))
def test_affine_edges_come_close_to_the_published_figures(n, seed):
    figures = graph_statistics(edge_index(table_of([n], seed=seed, random="affine", **PAPER)), n)
    density, diameter, clustering, path = PUBLISHED[n]
    assert figures.strongly_connected
    assert figures.density == pytest.approx(density, rel=0.025)
    assert abs(figures.diameter - diameter) <= 1
    assert figures.average_clustering == pytest.approx(clustering, rel=0.035)
    assert figures.average_shortest_path == pytest.approx(path, rel=0.03)
