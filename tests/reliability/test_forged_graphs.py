"""Forged graphs of exported folders, digests agreeing: refused in time and memory, and never the end of a process."""

from collections import Counter
from pathlib import Path

import pytest

from reliability.crafted_graphs import crafted_graphs
from reliability.graph_trials import TEXTS, export, outcomes
from textlattice.app.loading import load

pytestmark = [
    pytest.mark.slow,  # the exporter alone takes ten seconds
    pytest.mark.skipif(
        not Path("/proc/self/clear_refs").exists(), reason="needs the memory figures of Linux"
    ),
]

NUM_MUTANTS = 300
MOST_BYTES = 100_000_000
"""What a forged folder may take while it is loaded and asked: the largest that is crafted has 33 MB."""


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "model"
    export(path)
    return path


def test_the_honest_folder_answers(exported):
    assert [answer.status for answer in load(exported).answers(TEXTS)] == ["ok", "empty", "ok"]


def test_crafted_graphs_never_reach_onnx_runtime(exported):
    seen = list(outcomes(exported, "crafted"))
    assert [case for case in seen if case["outcome"] != "refused"] == []
    assert [case for case in seen if case["seconds"] > 10 or case["peak"] > MOST_BYTES] == []
    names = [name for name, _, _ in crafted_graphs(exported)]
    assert [case["name"] for case in seen] == names
    assert len(set(names)) == len(names) >= 40


def test_mutated_graphs_are_refused_or_answered(exported):
    seen = list(outcomes(exported, "mutated", 0, NUM_MUTANTS))
    ends = Counter(case["outcome"].split()[0] for case in seen)
    assert ends.total() == NUM_MUTANTS
    assert set(ends) == {"refused", "answered"}
    assert [case for case in seen if case["seconds"] > 10 or case["peak"] > MOST_BYTES] == []
