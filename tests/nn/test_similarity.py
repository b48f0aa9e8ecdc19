import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from textlattice.nn.similarity import similar_units


def one_window(num_units):
    return torch.arange(num_units)[None].int(), torch.ones(1, num_units, dtype=torch.bool)


def test_the_nearest_by_cosine():
    features = torch.tensor([[1.0, 0], [2, 0.1], [0.9, 1], [0, 1], [-1, 0]])
    similar, openness = similar_units(
        features, *one_window(5), num_similar=2, threshold=0.3, temperature=0.05
    )
    assert similar[0].tolist() == [1, 2]
    assert openness[0].tolist() == [1, 1]  # cosines .999 and .669; the third is 0, below the threshold
    assert openness[4].tolist() == [0, 0]  # nothing is like it
    assert not openness.requires_grad


def test_a_tie_at_the_border_shuts_both():
    features = torch.tensor([[1.0, 0], [1, 1], [1, 1], [1, 1], [0, 1]])
    _, openness = similar_units(features, *one_window(5), num_similar=2, threshold=0.0, temperature=0.05)
    assert openness[0].tolist() == [0, 0]


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(1, 4), st.integers(0, 2**31))
def test_against_a_slow_twin(num_units, num_similar, seed):
    features = torch.randn(num_units, 3, generator=torch.Generator().manual_seed(seed))
    similar, openness = similar_units(
        features, *one_window(num_units), num_similar=num_similar, threshold=0.1, temperature=0.2
    )
    unit = features / features.norm(dim=1, keepdim=True)
    for row in range(num_units):
        cosines = sorted(((unit[row] @ unit[i]).item(), i) for i in range(num_units) if i != row)[::-1]
        least = max([0.1] + [cosine for cosine, _ in cosines[num_similar : num_similar + 1]])
        expected = {i: min(max((c - least) / 0.2, 0), 1) for c, i in cosines[:num_similar]}
        found = {i: w for i, w in zip(similar[row].tolist(), openness[row].tolist(), strict=True) if w > 0}
        assert set(found) == {i for i, w in expected.items() if w > 1e-5} or all(
            abs(expected.get(i, 0) - found.get(i, 0)) < 1e-4 for i in {*expected, *found}
        )
        for i, w in found.items():
            assert abs(w - expected[i]) < 1e-4


def test_units_of_other_windows_and_places_without_a_unit_are_never_heard():
    windows = torch.tensor([[0, 1, 2], [3, 4, 3]], dtype=torch.int32)
    filled = torch.tensor([[True, True, True], [True, True, False]])
    features = torch.tensor([[1.0, 0], [1, 0.1], [1, 0.5], [1, 0], [1, 0.3]])
    similar, openness = similar_units(
        features, windows, filled, num_similar=1, threshold=0.0, temperature=0.001
    )
    assert similar[:, 0].tolist()[:5] == [1, 0, 1, 4, 3]
    assert openness[:5, 0].tolist() == [1, 1, 1, 1, 1]
