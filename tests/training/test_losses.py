import pytest
import torch

import reference
from textlattice.training.losses import cross_entropy, row_weights

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.0, 0.0, 0.0], [-3.0, 4.0, 1.0], [1.0, 1.0, -2.0]])
TARGETS = torch.tensor([0, 2, 1, 2])


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [[1.0, 1.0, 1.0, 1.0], [2.0, 0.0, 0.5, 1.5]])
def test_equals_the_slow_twin(label_smoothing, weights):
    found = cross_entropy(LOGITS, TARGETS, torch.tensor(weights), label_smoothing=label_smoothing)
    expected = reference.cross_entropy(LOGITS.tolist(), TARGETS.tolist(), weights, label_smoothing)
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_a_batch_of_weight_zero_has_no_loss_and_no_gradient():
    logits = LOGITS.clone().requires_grad_()
    loss = cross_entropy(logits, TARGETS, torch.zeros(4), label_smoothing=0.0)
    loss.backward()
    assert loss.item() == 0
    assert (logits.grad == 0).all()


@pytest.mark.parametrize(
    ("balanced", "sample_weight", "expected"),
    [
        (False, None, [1, 1, 1, 1]),
        (False, [1.0, 3.0, 0.0, 4.0], [0.5, 1.5, 0, 2]),
        (True, None, [4 / 3, 2 / 3, 4 / 3, 2 / 3]),  # classes 0 and 1 once, class 2 twice
        (True, [1.0, 3.0, 2.0, 1.0], [4 / 3, 1, 4 / 3, 1 / 3]),  # each class has the same mass
    ],
)
def test_row_weights(balanced, sample_weight, expected):
    given = None if sample_weight is None else torch.tensor(sample_weight)
    found = row_weights(TARGETS, 3, balanced=balanced, sample_weight=given)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float32))


def test_a_label_without_rows_weighs_nothing():
    found = row_weights(torch.tensor([0, 0]), 3, balanced=True, sample_weight=None)
    assert found.tolist() == [1, 1]
