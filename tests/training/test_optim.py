import pytest
import torch
from torch import nn

from textlattice.models.classifier import Classifier
from textlattice.training.optim import (
    WeightAverage,
    adamw,
    clip_gradients,
    keep_freed_memory,
    learned_state,
    one_cycle,
    rate_factor,
    restore_learned,
)


def test_matrices_and_tables_decay_biases_and_norms_do_not():
    model = nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 2), nn.LayerNorm(2))
    optimiser = adamw(model, learning_rate=0.1, weight_decay=0.05, betas=(0.9, 0.98))
    decay = {id(p): group["weight_decay"] for group in optimiser.param_groups for p in group["params"]}
    assert {name: decay[id(p)] for name, p in model.named_parameters()} == {
        "0.weight": 0.05,
        "1.weight": 0.05,
        "1.bias": 0,
        "2.weight": 0,
        "2.bias": 0,
    }
    assert optimiser.param_groups[0]["betas"] == (0.9, 0.98)


def test_one_cycle_goes_up_and_down():
    factors = [one_cycle(step, 100) for step in range(100)]
    assert factors[:3] == pytest.approx([0.5 / 15, 1.5 / 15, 2.5 / 15])
    assert max(factors) == factors[15] > 0.999
    assert factors[:16] == sorted(factors[:16])
    assert factors[15:] == sorted(factors[15:], reverse=True)
    assert factors[-1] < 0.001
    assert one_cycle(57, 100) == pytest.approx(0.5, abs=0.01)  # half way down


@pytest.mark.parametrize("total", [1, 2, 7])
def test_a_short_schedule_still_learns(total):
    factors = [one_cycle(step, total) for step in range(total)]
    assert all(0 <= factor <= 1 for factor in factors)
    assert max(factors) > 0.5


def test_one_cycle_past_its_end_stays_at_zero():
    assert one_cycle(200, 100) == 0


def test_average_follows_the_weights():
    layer = nn.Linear(1, 1, bias=False)
    layer.weight.data.fill_(0)
    average = WeightAverage(layer, decay=0.5)
    expected, decays = 0.0, [2 / 11, 3 / 12, 4 / 13, 5 / 14]  # below 0.5 all of them
    for value, decay in zip([1.0, 2.0, 3.0, 4.0], decays, strict=True):
        layer.weight.data.fill_(value)
        average.update()
        expected = decay * expected + (1 - decay) * value
    average.swap()
    assert layer.weight.item() == pytest.approx(expected)
    average.swap()
    assert layer.weight.item() == 4


def test_without_decay_the_average_is_the_newest():
    layer = nn.Linear(3, 2)
    average = WeightAverage(layer, decay=0.0)
    with torch.no_grad():
        layer.weight.add_(1)
    average.update()
    before = layer.weight.clone()
    average.swap()
    assert torch.equal(layer.weight, before)


def test_halvings():
    assert [rate_factor(step, 10, (0.5, 0.7, 0.75)) for step in range(10)] == [1] * 5 + [0.5] * 2 + [0.25] + [
        0.125
    ] * 2
    assert [rate_factor(step, 10, ()) for step in range(10)] == [one_cycle(step, 10) for step in range(10)]


class Model(Classifier):
    """A table, a layer, one that is idle, and a running sum as a norm keeps it."""

    def __init__(self):
        super().__init__()
        self.table, self.layer, self.idle = nn.Embedding(7, 3), nn.Linear(3, 2), nn.Linear(2, 2)
        self.register_buffer("seen", torch.zeros(1))

    def learned(self):
        return self.state_dict()


class Learner:
    """A table, a layer and a parameter outside the average; one more parameter never has a gradient."""

    def __init__(self):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.model = Model()
            self.beside = nn.ParameterList([torch.tensor([1.0])])
        both = nn.ModuleList([self.model, self.beside])
        self.optimiser = adamw(both, learning_rate=0.1, weight_decay=0.05, betas=(0.9, 0.98))
        self.average = WeightAverage(self.model, decay=0.9)

    def learn(self, steps):
        for step in steps:
            rows = torch.tensor([step % 7, (3 * step) % 7])
            loss = (self.model.layer(self.model.table(rows)) - self.beside[0]).square().sum()
            self.model.seen.add_(step)
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            self.optimiser.step()
            self.average.update()

    def tensors(self):
        state = self.optimiser.state_dict()["state"]
        moments = [value for place in sorted(state) for _, value in sorted(state[place].items())]
        return [*self.model.parameters(), self.model.seen, *self.beside, *self.average.average, *moments]


@pytest.mark.parametrize("cut", [0, 1, 5])
def test_what_was_learned_is_put_back_to_the_bit(cut):
    whole, before, after = Learner(), Learner(), Learner()
    whole.learn(range(9))
    before.learn(range(cut))
    state = learned_state(before.model, before.optimiser, before.average)
    assert not {"2", "4"} & set(state)  # the idle layer: what never had a gradient is built again
    restore_learned(after.model, after.optimiser, after.average, state)
    after.learn(range(cut, 9))
    assert after.average.num_updates == 9
    assert len(after.tensors()) == len(whole.tensors()) == 7 + 5 + 12
    assert all(torch.equal(a, b) for a, b in zip(after.tensors(), whole.tensors(), strict=True))
    before.learn(range(cut, 9))  # what was put back is a copy
    assert all(torch.equal(a, b) for a, b in zip(after.tensors(), before.tensors(), strict=True))


def test_clip():
    parameters = [torch.zeros(2, requires_grad=True), torch.zeros(1, requires_grad=True)]
    parameters[0].grad, parameters[1].grad = torch.tensor([3.0, 0.0]), torch.tensor([4.0])
    assert clip_gradients(parameters, 1.0).item() == 5
    assert parameters[0].grad.tolist() == pytest.approx([0.6, 0])
    assert clip_gradients(parameters, 2.0).item() == pytest.approx(1)
    assert parameters[1].grad.tolist() == pytest.approx([0.8])


def test_keeping_freed_memory_never_fails(monkeypatch):
    keep_freed_memory()

    def none(name):
        raise OSError(name)

    monkeypatch.setattr("ctypes.CDLL", none)
    keep_freed_memory()
