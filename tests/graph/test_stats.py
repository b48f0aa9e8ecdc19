"""Figures of graphs, against networkx and by hand."""

import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textlattice.errors import ConfigError
from textlattice.graph import stats
from textlattice.graph.stats import graph_statistics, null_model, random_edge_index


def edges(*pairs):
    return np.array(pairs, np.int64).reshape(-1, 2).T


def assert_equals_networkx(edge_index, num_tokens):
    graph = networkx.DiGraph()
    graph.add_nodes_from(range(num_tokens))
    graph.add_edges_from((u, v) for u, v in edge_index.T.tolist() if u != v)
    figures = graph_statistics(edge_index, num_tokens)
    assert figures.num_edges == graph.number_of_edges()
    assert figures.density == pytest.approx(networkx.density(graph))
    assert figures.average_clustering == pytest.approx(networkx.average_clustering(graph))
    assert figures.strongly_connected == networkx.is_strongly_connected(graph)
    if figures.strongly_connected:
        assert figures.diameter == networkx.diameter(graph)
        assert figures.average_shortest_path == pytest.approx(networkx.average_shortest_path_length(graph))
    else:
        assert figures.diameter is None
        assert figures.average_shortest_path is None


def test_by_hand_a_one_way_triangle():
    figures = graph_statistics(edges((0, 1), (1, 2), (2, 0)), 3)
    assert (figures.num_tokens, figures.num_edges, figures.degree, figures.density) == (3, 3, 1.0, 0.5)
    assert (figures.diameter, figures.average_shortest_path) == (2, 1.5)
    assert figures.average_clustering == 0.5


def test_by_hand_a_ring():
    ring = np.stack([np.arange(100), (np.arange(100) + 1) % 100])
    figures = graph_statistics(ring, 100)
    assert (figures.diameter, figures.average_shortest_path, figures.average_clustering) == (99, 50.0, 0.0)


def test_self_loops_and_repeats_do_not_count():
    assert graph_statistics(edges((0, 1), (0, 1), (1, 1), (1, 0)), 2) == graph_statistics(
        edges((0, 1), (1, 0)), 2
    )


@pytest.mark.parametrize("num_tokens", [0, 1])
def test_no_pair_of_tokens(num_tokens):
    figures = graph_statistics(edges(*[(0, 0)] * num_tokens), num_tokens)
    assert (figures.num_edges, figures.density, figures.average_clustering) == (0, 0.0, 0.0)
    assert (figures.strongly_connected, figures.diameter, figures.average_shortest_path) == (True, 0, 0.0)


def test_no_edges():
    figures = graph_statistics(edges(), 5)
    assert (figures.strongly_connected, figures.diameter, figures.average_shortest_path) == (
        False,
        None,
        None,
    )


@settings(max_examples=60, deadline=None)
@given(num_tokens=st.integers(1, 20), data=st.data())
def test_equals_networkx_on_any_small_graph(num_tokens, data):
    token = st.integers(0, num_tokens - 1)
    pairs = data.draw(st.lists(st.tuples(token, token), max_size=120))
    assert_equals_networkx(edges(*pairs), num_tokens)


@pytest.mark.parametrize(("num_tokens", "num_edges"), [(70, 300), (70, 900), (130, 1500), (200, 350)])
def test_equals_networkx_on_the_null_model(num_tokens, num_edges):
    assert_equals_networkx(random_edge_index(num_tokens, num_edges, seed=1), num_tokens)


def test_blocks_of_words_and_edges_change_nothing(monkeypatch):
    edge_index = random_edge_index(200, 2000, seed=1)
    whole = graph_statistics(edge_index, 200)
    monkeypatch.setattr(stats, "WORDS", 1)
    monkeypatch.setattr(stats, "EDGES", 7)
    assert graph_statistics(edge_index, 200) == whole


def test_random_edges_are_distinct_and_no_self_loops():
    for num_tokens, num_edges in ((0, 0), (1, 0), (2, 2), (30, 870), (30, 200)):
        source, target = random_edge_index(num_tokens, num_edges, seed=3)
        assert len(set(zip(source.tolist(), target.tolist(), strict=True))) == num_edges
        assert (source != target).all()
    assert np.array_equal(random_edge_index(30, 9, seed=3), random_edge_index(30, 9, seed=3))
    assert not np.array_equal(random_edge_index(30, 9, seed=3), random_edge_index(30, 9, seed=4))


def test_null_model_keeps_the_counts():
    figures = null_model(360, 7128, seed=0)
    assert (figures.num_tokens, figures.num_edges) == (360, 7128)
    assert figures.average_clustering == pytest.approx(figures.density, rel=0.05)


def test_too_many_edges_are_refused():
    with pytest.raises(ConfigError, match=r"in 0\.\.6 \(ordered pairs of 3 tokens\), got 7\."):
        random_edge_index(3, 7, seed=0)
