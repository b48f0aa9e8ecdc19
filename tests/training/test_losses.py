import math

import numpy as np
import pytest
import torch

import reference
from textlattice.task import ordinal_probabilities
from textlattice.training.losses import (
    binary_cross_entropy,
    cross_entropy,
    cumulative_link,
    label_weights,
    row_weights,
)

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


# Any number of labels.


@pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
def test_binary_cross_entropy_equals_the_sum_written_out(label_smoothing):
    targets = torch.tensor([[True, False, True], [False] * 3, [True] * 3, [False, True, False]])
    weights = torch.tensor([[1.0, 2, 0], [1, 1, 1], [0.5, 0, 3], [1, 1, 1]])
    found = binary_cross_entropy(LOGITS, targets, weights, label_smoothing=label_smoothing)
    total = 0.0
    for row in range(4):
        for label in range(3):
            share = (1 - label_smoothing) * targets[row, label] + label_smoothing / 2
            p = 1 / (1 + math.exp(-LOGITS[row, label]))
            total += weights[row, label] * -(share * math.log(p) + (1 - share) * math.log(1 - p))
    assert found.item() == pytest.approx(float(total / weights.sum()), rel=1e-5)


@pytest.mark.parametrize(
    ("balanced", "sample_weight", "expected"),
    [
        (False, None, [[1, 1], [1, 1], [1, 1], [1, 1]]),
        (False, [1.0, 3.0, 0.0, 4.0], [[0.5, 0.5], [1.5, 1.5], [0, 0], [2, 2]]),
        (True, None, [[2, 1], [2 / 3, 1], [2 / 3, 1], [2 / 3, 1]]),  # the first label once, the second always
    ],
)
def test_label_weights(balanced, sample_weight, expected):
    targets = torch.tensor([[True, True], [False, True], [False, True], [False, True]])
    given = None if sample_weight is None else torch.tensor(sample_weight)
    found = label_weights(targets, balanced=balanced, sample_weight=given)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float32))


# Labels in an order.

CUTS = torch.tensor([-1.0, 0.5])


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_cumulative_link_equals_the_shares_written_out(label_smoothing):
    scores, weights = torch.tensor([[0.3], [-2.0], [4.0], [0.0]]), torch.tensor([1.0, 2.0, 0.5, 0.0])
    found = cumulative_link(scores, TARGETS, weights, CUTS, label_smoothing=label_smoothing)
    log_shares = np.log(ordinal_probabilities(scores[:, 0].numpy(), CUTS.tolist()))
    rows = (1 - label_smoothing) * log_shares[range(4), TARGETS] + label_smoothing * log_shares.mean(1)
    assert found.item() == pytest.approx(-(rows * weights.numpy()).sum() / 3.5, rel=1e-5)


@pytest.mark.parametrize("score", [-1e4, 1e4])
@pytest.mark.parametrize("target", [0, 1, 2])
def test_cumulative_link_stays_finite_far_out(score, target):
    scores, cuts = torch.tensor([[score]], requires_grad=True), CUTS.clone().requires_grad_()
    loss = cumulative_link(scores, torch.tensor([target]), torch.ones(1), cuts, label_smoothing=0.0)
    loss.backward()
    assert loss.isfinite()
    assert scores.grad.isfinite().all()
    assert cuts.grad.isfinite().all()


def test_the_gradient_of_cumulative_link():
    draw = torch.Generator().manual_seed(0)
    scores = torch.randn(5, 1, generator=draw, dtype=torch.float64, requires_grad=True)
    cuts = torch.tensor([-1.0, 0.2, 0.9], dtype=torch.float64, requires_grad=True)

    def loss(scores, cuts):
        targets = torch.tensor([0, 1, 2, 3, 1])
        return cumulative_link(scores, targets, torch.ones(5), cuts, label_smoothing=0.1)

    assert torch.autograd.gradcheck(loss, (scores, cuts))


@pytest.mark.parametrize("focal", [0.5, 2.0])
def test_focal_losses_count_sure_rows_less(focal):
    shares = LOGITS.softmax(1)[torch.arange(4), TARGETS]
    expected = ((1 - shares) ** focal * -shares.log()).mean()
    found = cross_entropy(LOGITS, TARGETS, torch.ones(4), label_smoothing=0.0, focal=focal)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_a_focal_factor_is_of_the_label_not_of_the_smoothed_loss(label_smoothing):
    """Literal: (1 - p)^2 for p of .6, .9, .99, in each kind of task."""
    shares = [0.6, 0.9, 0.99]
    z = torch.tensor([math.log(p / (1 - p)) for p in shares])[:, None]

    def ratio(loss, *arguments):
        smoothed = {"label_smoothing": label_smoothing}
        return (loss(*arguments, **smoothed, focal=2.0) / loss(*arguments, **smoothed)).item()

    for score, expected in zip(z, [0.16, 0.01, 0.0001], strict=True):
        two = torch.stack([score, torch.zeros(1)], 1)
        assert ratio(cross_entropy, two, torch.tensor([0]), torch.ones(1)) == pytest.approx(
            expected, rel=1e-3
        )
        right = torch.tensor([[True]])
        assert ratio(binary_cross_entropy, score[None], right, torch.ones(1, 1)) == pytest.approx(
            expected, rel=1e-3
        )
        place = (score[None], torch.tensor([1]), torch.ones(1), torch.zeros(1))
        assert ratio(cumulative_link, *place) == pytest.approx(expected, rel=1e-3)


def test_a_focal_loss_of_an_answer_that_is_wholly_right_has_a_gradient():
    logits = torch.tensor([[200.0, -200.0]], requires_grad=True)
    cross_entropy(logits, torch.tensor([0]), torch.ones(1), label_smoothing=0.0, focal=0.5).backward()
    assert logits.grad.isfinite().all()
