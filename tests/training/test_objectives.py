import numpy as np
import pytest
import torch

from textlattice.config import TrainConfig
from textlattice.task import Task
from textlattice.training.losses import binary_cross_entropy, cross_entropy, cumulative_link
from textlattice.training.objectives import objective_of

PRIORS = {"single": (0.2, 0.3, 0.5), "multi": (0.2, 0.9, 1.0), "ordinal": (0.2, 0.3, 0.5)}
CUTS = (-1.5, 0.25)
TARGETS = {
    "single": np.array([2, 0, 1, 1]),
    "multi": np.array([[1, 0, 1], [0, 0, 1], [1, 1, 1], [0, 1, 1]], bool),
    "ordinal": np.array([2, 0, 1, 1]),
}
LOGITS = torch.tensor([[0.5, 1.0, -1.0], [2.0, 0.0, 1.0], [-3.0, 1.0, 0.5], [0.1, 0.2, 0.3]])


def objective(kind, num_labels=3, **settings):
    cuts = CUTS[: num_labels - 1] if kind == "ordinal" else ()
    priors = PRIORS[kind] if num_labels == 3 else (0.5, 0.5)
    task = Task(kind=kind, labels=("a", "b", "c")[:num_labels], priors=priors, cut_points=cuts)
    return objective_of(task, TrainConfig(**{"label_smoothing": 0.0} | settings))


@pytest.mark.parametrize("kind", TARGETS)
def test_the_loss_of_each_kind(kind):
    found = objective(kind, label_smoothing=0.1)
    targets = torch.from_numpy(TARGETS[kind])
    weights = found.weigh(targets, torch.tensor([1.0, 2.0, 0.0, 1.0]), balanced=False)
    logits = LOGITS[:, :1] if kind == "ordinal" else LOGITS
    expected = {
        "single": lambda: cross_entropy(logits, targets, weights, label_smoothing=0.1),
        "multi": lambda: binary_cross_entropy(logits, targets, weights, label_smoothing=0.1),
        "ordinal": lambda: cumulative_link(logits, targets, weights, torch.tensor(CUTS), label_smoothing=0.1),
    }[kind]()
    torch.testing.assert_close(found(logits, targets, weights), expected)
    assert found.task.num_outputs == logits.shape[1]


def test_a_single_label_may_be_learned_label_by_label():
    found = objective("single", loss="binary", label_smoothing=0.1)
    targets, weights = torch.from_numpy(TARGETS["single"]), torch.tensor([1.0, 2.0, 0.0, 1.0])
    one_hot = torch.eye(3, dtype=torch.bool)[targets]
    expected = binary_cross_entropy(LOGITS, one_hot, weights[:, None].repeat(1, 3), label_smoothing=0.1)
    torch.testing.assert_close(found(LOGITS, targets, weights), expected)
    for kind in ("multi", "ordinal"):
        assert type(objective(kind, loss="binary")) is type(objective(kind))


@pytest.mark.parametrize(("kind", "num_parameters"), [("single", 0), ("multi", 0), ("ordinal", 2)])
def test_only_an_order_has_parameters(kind, num_parameters):
    assert sum(p.numel() for p in objective(kind).parameters()) == num_parameters


def test_cut_points_begin_where_the_task_says_and_learn():
    found = objective("ordinal")
    np.testing.assert_allclose(found.cut_points.detach().numpy(), CUTS, atol=1e-6)
    optimiser = torch.optim.SGD(found.parameters(), lr=0.5)
    targets = torch.tensor([0] * 6 + [1] * 2 + [2] * 2)  # shares .6, .2, .2
    for _ in range(400):
        optimiser.zero_grad()
        found(torch.zeros(10, 1), targets, torch.ones(10)).backward()
        optimiser.step()
    expected = np.log([0.6 / 0.4, 0.8 / 0.2])
    np.testing.assert_allclose(found.cut_points.detach().numpy(), expected, atol=0.02)


def test_two_ordered_classes_have_one_cut_point():
    found = objective("ordinal", num_labels=2)
    loss = found(torch.zeros(2, 1), torch.tensor([0, 1]), torch.ones(2))
    loss.backward()
    assert found.cut_points.shape == (1,)
    assert found.first.grad.isfinite().all()


@pytest.mark.parametrize(
    ("kind", "num_labels", "positive", "shares"),
    [
        ("single", 3, [[0, 0, 1], [1, 0, 0], [0, 1, 0], [0, 1, 0]], np.eye(3)),
        ("single", 2, [[0], [1]], [[0.5, -0.5]]),
        ("multi", 3, TARGETS["multi"], np.eye(3)),
        ("ordinal", 3, [[1, 1], [0, 0], [1, 0], [1, 0]], [[0.5], [0.5]]),
        ("ordinal", 2, [[1], [0]], [[1.0]]),
    ],
)
def test_regressions_of_the_wide_branch(kind, num_labels, positive, shares):
    targets = TARGETS[kind] if num_labels == 3 else np.array([1, 0])
    weights = np.arange(len(targets), dtype=np.float64)
    if kind == "multi":
        weights = np.repeat(weights[:, None], 3, axis=1)
    found = objective(kind, num_labels).regressions(targets, weights)
    assert found.shares.toarray().tolist() == np.array(shares).tolist()
    for number, column in enumerate(np.array(positive, bool).T):
        said, weight = found.problem(number)
        assert said.tolist() == column.tolist()
        assert weight.tolist() == [*range(len(targets))]


def test_figures():
    logits = LOGITS.numpy()
    assert objective("single").figure(logits, np.array([1, 0, 0, 2])) == 0.75
    given = np.array([[1, 1, 0], [1, 1, 1], [0, 1, 1], [1, 1, 1]], bool)
    assert objective("multi").figure(logits, given) == 1.0
    assert objective("multi").figure(logits, ~given) == 0.0
    assert objective("multi").figure(-np.ones((2, 3)), np.zeros((2, 3), bool)) == 0.0
    scores = logits[:, :1]  # between -1.5 and .25: the last alone
    assert objective("ordinal").figure(scores, np.array([2, 2, 0, 1]), CUTS) == 1.0
    assert objective("ordinal").figure(scores, np.array([1, 2, 0, 0]), CUTS) == 0.5
