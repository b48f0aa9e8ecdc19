import contextlib
import dataclasses
import math

import numpy as np
import pytest
import torch

from textlattice.batch.collate import Collator
from textlattice.batch.text_batch import map_arrays
from textlattice.errors import TrainingError
from textlattice.models.cnn_gnn import CnnGnnClassifier
from textlattice.presets import preset
from textlattice.progress import Progress
from textlattice.task import Task
from textlattice.text.document import TextReader, read_document
from textlattice.text.vocabulary import Vocabulary, known_words
from textlattice.training import network, objectives
from textlattice.training.checkpoint import Checkpoint, TrainingRun
from textlattice.training.network import Budget, begin_norms, network_logits, train_network
from textlattice.training.noise import Noise
from textlattice.training.objectives import SingleObjective

TINY = preset("tiny")
WORDS = ["hill", "river", "stone", "cloud", "fire", "snow", "wind", "leaf", "road", "bread", "glass", "rope"]


def forty_texts():
    draw = np.random.default_rng(0)
    return [" ".join(draw.choice(WORDS, 9)) for _ in range(40)], draw.integers(0, 2, 40)


TEXTS, TARGETS = forty_texts()
OBJECTIVE = SingleObjective(Task(labels=("0", "1"), priors=(0.5, 0.5)))
DOCUMENTS = [read_document(text, TINY.text) for text in TEXTS]


@pytest.fixture
def collator():
    words = known_words((document.forms() for document in DOCUMENTS), TINY.text)
    empty = Vocabulary(words=words, ngrams=np.empty(0, np.uint64))
    return Collator(text=TINY.text, graph=TINY.graph, vocabulary=empty)


@pytest.fixture
def model(collator):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return CnnGnnClassifier(TINY, num_outputs=2, num_words=len(collator.vocabulary.words), num_ngrams=0)


def train(model, collator, *, total_steps=6, budget=None, on_epoch=lambda epoch, loss: True, **changes):
    options = {
        name: changes.pop(name)
        for name in (
            "stop_epoch",
            "budget_shares",
            "held_out_share",
            "progress",
            "noise",
            "checkpoint",
            "name",
        )
        if name in changes
    }
    options.setdefault("progress", Progress())
    return train_network(
        model,
        collator,
        DOCUMENTS,
        TARGETS,
        torch.ones(40),
        dataclasses.replace(TINY.train, **changes),
        total_steps=total_steps,
        objective=OBJECTIVE,
        budget=budget or Budget(None),
        on_epoch=on_epoch,
        **options,
    )


def noise(share):
    return Noise(share=share, reader=TextReader(config=TINY.text))


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def heard_by_the_head(model, collator, rows):
    """What the head hears of some documents, as in training."""
    batch = map_arrays(collator.collate([DOCUMENTS[row] for row in rows]), torch.from_numpy)
    model.train()
    with torch.no_grad():
        return model.norm(model.read_documents(batch, model.encode_forms(batch.forms)))


@pytest.fixture
def without_dropout(monkeypatch):
    """Dropout that drops nothing, so that what was read once is read again."""
    monkeypatch.setattr("textlattice.nn.dropout.Dropout.forward", lambda self, rows: rows)


@pytest.mark.usefixtures("without_dropout")
def test_what_the_head_hears_begins_with_mean_0_and_one_deviation(model, collator):
    begin_norms(model, collator, DOCUMENTS, seed=0)
    heard = heard_by_the_head(model, collator, range(40))
    torch.testing.assert_close(heard.mean(0), torch.zeros(48), atol=1e-4, rtol=0)
    assert (heard.std(0) <= 0.1 + 1e-4).all()
    assert heard.std(0).median() == pytest.approx(0.1, abs=1e-4)


@pytest.mark.usefixtures("without_dropout")
def test_the_norm_reads_as_many_documents_as_fit(model, collator, monkeypatch):
    monkeypatch.setattr(network, "_NORM_TOKENS", 9 * 15)
    begin_norms(model, collator, DOCUMENTS, seed=3)
    drawn = np.random.default_rng(3).permutation(40)[:15]
    heard = heard_by_the_head(model, collator, drawn)
    torch.testing.assert_close(heard.mean(0), torch.zeros(48), atol=1e-4, rtol=0)
    before = weights(model)
    monkeypatch.setattr(network, "_NORM_TOKENS", 8)
    begin_norms(model, collator, DOCUMENTS, seed=3)  # none is so short
    assert all(torch.equal(value, before[name]) for name, value in weights(model).items())


def test_the_norm_is_begun_in_training_mode_and_draws_nothing_of_others(model, collator):
    state = torch.get_rng_state()
    begin_norms(model, collator, DOCUMENTS, seed=0)
    assert torch.equal(torch.get_rng_state(), state)
    heard = heard_by_the_head(model, collator, range(40))  # other draws of dropout
    assert heard.mean(0).abs().median() < 0.05
    again = weights(model)
    begin_norms(model, collator, DOCUMENTS, seed=0)
    assert all(torch.equal(value, again[name]) for name, value in weights(model).items())


def test_forty_texts_are_learned_by_heart(model, collator):
    record = train(model, collator, total_steps=240, learning_rate=1e-2)
    assert record.steps == 240
    assert np.mean(record.step_losses[-10:]) < 0.1
    model.eval()
    found = network_logits(model, collator, DOCUMENTS)
    assert (found.argmax(1) == TARGETS).all()


def test_one_seed_gives_the_same_bits(model, collator):
    start, results = weights(model), []
    for global_seed, seed in ((1, 0), (2, 0), (2, 1)):
        torch.manual_seed(global_seed)
        before = torch.get_rng_state()
        model.load_state_dict(start)
        train(model, collator, seed=seed)
        results.append(weights(model))
        assert torch.equal(before, torch.get_rng_state())  # the global generator is left alone
    assert all(torch.equal(results[0][name], results[1][name]) for name in start)
    assert not all(torch.equal(results[0][name], results[2][name]) for name in start)


def test_noise_changes_what_is_learned_and_none_changes_nothing(model, collator):
    start, results = weights(model), []
    for spoiling in (None, noise(0.0), noise(0.6), noise(0.6)):
        model.load_state_dict(start)
        train(model, collator, noise=spoiling)
        results.append(weights(model))
    for first, second in ((0, 1), (2, 3)):
        assert all(torch.equal(results[first][name], results[second][name]) for name in start)
    assert not all(torch.equal(results[0][name], results[2][name]) for name in start)


def test_selection_sees_the_average_in_evaluation_mode(model, collator):
    seen = []

    def on_epoch(epoch, loss):
        seen.append((epoch, loss, model.training, model.head.output.weight.clone()))
        return True

    record = train(model, collator, total_steps=5, on_epoch=on_epoch)  # three batches an epoch
    assert [epoch for epoch, *_ in seen] == [1, 2]
    assert seen[0][1] == pytest.approx(np.mean(record.step_losses[:3]))
    assert seen[1][1] == pytest.approx(np.mean(record.step_losses[3:]))
    assert not any(training for _, _, training, _ in seen)
    assert model.training
    assert not torch.equal(seen[-1][3], model.head.output.weight)  # training goes on from its own weights


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ({"on_epoch": lambda epoch, loss: epoch < 2}, 6),
        ({"stop_epoch": 1}, 3),
        ({}, 12),
        ({"total_steps": 1}, 1),
    ],
)
def test_where_training_ends(model, collator, options, steps):
    record = train(model, collator, **({"total_steps": 12} | options))
    assert record.steps == len(record.step_losses) == steps
    assert record.stopped is None
    assert record.seconds > 0


def test_a_stopped_schedule_is_the_beginning_of_the_whole(model, collator):
    start = weights(model)
    whole = train(model, collator, total_steps=9)
    model.load_state_dict(start)
    assert train(model, collator, total_steps=9, stop_epoch=2).step_losses == whole.step_losses[:6]


@pytest.mark.parametrize("bad_step", [1, 3, 5])
def test_a_loss_that_is_not_a_number_ends_training(model, collator, monkeypatch, bad_step):
    calls, epochs, before = [], [], weights(model)
    original = objectives.cross_entropy

    def spoilt(*arguments, **options):
        calls.append(None)
        loss = original(*arguments, **options)
        return loss * math.nan if len(calls) == bad_step else loss

    monkeypatch.setattr(objectives, "cross_entropy", spoilt)
    record = train(
        model, collator, total_steps=9, on_epoch=lambda epoch, loss: epochs.append((epoch, loss)) or True
    )
    assert record.stopped == f"the loss or its gradient was not finite at step {bad_step}"
    assert record.diverged
    assert record.steps == bad_step - 1
    assert all(value.isfinite().all() for value in model.state_dict().values())
    assert [epoch for epoch, _ in epochs] == {1: [], 3: [1], 5: [1, 2]}[bad_step]
    if bad_step == 1:
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_gradient_that_is_not_a_number_changes_nothing(model, collator, monkeypatch):
    calls = []

    def clip(parameters, largest):
        calls.append(None)
        return torch.tensor(math.nan if len(calls) == 4 else 1.0)

    monkeypatch.setattr(network, "clip_gradients", clip)
    record = train(model, collator, total_steps=9)
    assert record.stopped == "the loss or its gradient was not finite at step 4"
    assert (record.steps, record.diverged) == (3, True)


def test_an_epoch_that_cannot_be_judged_ends_training(model, collator):
    def on_epoch(epoch, loss):
        if epoch == 2:
            raise TrainingError("the network's logits must be finite, got NaN or infinity")
        return True

    record = train(model, collator, total_steps=9, on_epoch=on_epoch)
    assert record.stopped == "the network's logits must be finite, got NaN or infinity in epoch 2"
    assert record.diverged
    assert model.training


def test_logits_that_are_not_finite_are_refused(model, collator):
    with torch.no_grad():
        model.head.output.bias.fill_(math.inf)
    with pytest.raises(TrainingError, match="the network's logits must be finite, got NaN or infinity"):
        network.network_logits(model.eval(), collator, DOCUMENTS[:2])


# Time.


class Clock:
    """A clock that moves only when a step is made."""

    def __init__(self, monkeypatch, seconds_per_step):
        self.now = 0.0

        def step(*arguments):
            self.now += seconds_per_step
            return 0.5

        monkeypatch.setattr(network, "_step", step)
        monkeypatch.setattr(network, "time", self)

    def monotonic(self):
        return self.now


def test_budget(monkeypatch):
    clock = Clock(monkeypatch, 0)
    budget = Budget(2.0, start=10.0)
    clock.now = 40.0
    assert (budget.elapsed, budget.left, budget.overspent) == (30, 90, False)
    clock.now = 153.0
    assert (budget.left, budget.overspent) == (0, False)
    clock.now = 154.5
    assert budget.overspent
    assert Budget(None).left == math.inf
    assert not Budget(None).overspent


@pytest.mark.parametrize(
    ("options", "total"),
    [
        ({}, 101),  # 95 of 120 seconds are left at step 25; four fifths of them, a second a step
        ({"budget_shares": 2.0}, 63),
        ({"budget_shares": None, "budget": Budget(4.0, start=0.0)}, 200),
        ({"held_out_share": 0.4}, 91),  # a step costs 1.14
        ({"budget_shares": 9.0}, 33),
        ({"total_steps": 40}, 40),  # never lengthened
    ],
)
def test_the_schedule_is_cut_to_the_budget(model, collator, monkeypatch, options, total):
    Clock(monkeypatch, 1.0)
    record = train(model, collator, **({"total_steps": 200, "budget": Budget(2.0, start=0.0)} | options))
    assert record.total_steps == record.steps == total
    assert record.stopped is None


def test_without_a_budget_nothing_is_cut(model, collator, monkeypatch):
    Clock(monkeypatch, 1e6)
    assert train(model, collator, total_steps=40).steps == 40


def test_training_ends_where_the_budget_is_overspent(model, collator, monkeypatch):
    Clock(monkeypatch, 10.0)
    epochs = []
    record = train(
        model,
        collator,
        total_steps=200,
        budget=Budget(1.0, start=0.0),
        on_epoch=lambda epoch, loss: epochs.append(epoch) or True,
    )
    assert record.stopped == "the time budget of 1 minutes was overspent"
    assert record.steps == 8  # the first past 72 seconds
    assert epochs == [1, 2, 3]  # selection sees the last weights


# Checkpoints.

RUN = TrainingRun(data={}, settings={}, versions={}, threads=1)


class Killed(Exception):
    """In place of SIGKILL."""


class Killer(Progress):
    """Ends a training at its step `last`."""

    def __init__(self, last):
        self.last, self.steps = last, 0

    def advance(self, steps=1, **figures):
        self.steps += steps
        if self.steps > self.last:
            raise Killed


def keeping(checkpoint):
    """What a caller does at each epoch: all that it learns goes into a stage."""

    def on_epoch(epoch, loss):
        checkpoint.stage("epochs")[str(epoch)] = loss
        return epoch < 5

    return on_epoch


def run_whole(model, collator, **options):
    checkpoint = Checkpoint()
    record = train(model, collator, on_epoch=keeping(checkpoint), **options)
    return record, weights(model), checkpoint.stage("epochs")


@pytest.mark.parametrize(
    ("options", "minutes"),
    [
        ({"total_steps": 8}, 0.0),
        ({"total_steps": 8, "noise": noise(0.6)}, 0.0),
        ({"total_steps": 20}, 0.0),
        ({"total_steps": 9, "stop_epoch": 2}, 0.0),
        ({"total_steps": 8}, 60.0),  # at the end of epochs alone
    ],
)
def test_a_training_that_was_cut_at_any_step_ends_with_the_same_bits(
    model, collator, tmp_path, options, minutes
):
    start = weights(model)
    expected, final, epochs = run_whole(model, collator, **options)
    for last in range(0, expected.steps, 1 if expected.steps < 10 else 3):
        path, resumed = tmp_path / str(last), []
        for killer in (
            Killer(last),
            Killer(last + 1),
            Progress(),
        ):  # the second run is killed one step further on
            checkpoint = Checkpoint(path, RUN, minutes=minutes)
            if checkpoint.exists():
                checkpoint.resume()
                resumed.append(checkpoint.times_resumed)
            model.load_state_dict(start)
            with contextlib.suppress(Killed):
                record = train(
                    model,
                    collator,
                    checkpoint=checkpoint,
                    on_epoch=keeping(checkpoint),
                    progress=killer,
                    **options,
                )
        if minutes == 0 and last > 0:
            assert resumed == [1, 2]
        assert (record.steps, record.total_steps, record.step_losses) == (
            expected.steps,
            expected.total_steps,
            expected.step_losses,
        )
        assert checkpoint.stage("epochs") == epochs
        found = weights(model)
        assert all(torch.equal(found[name], final[name]) for name in final)


def test_a_training_that_had_ended_stays_as_it_is(model, collator, tmp_path):
    start, path, epochs = weights(model), tmp_path / "c", []
    expected = train(
        model, collator, total_steps=9, stop_epoch=2, checkpoint=Checkpoint(path, RUN, minutes=0.0)
    )
    final = weights(model)
    checkpoint = Checkpoint(path, RUN)
    checkpoint.resume()
    model.load_state_dict(start)
    record = train(
        model,
        collator,
        total_steps=9,
        stop_epoch=2,
        checkpoint=checkpoint,
        on_epoch=lambda epoch, loss: epochs.append(epoch),
        progress=Killer(0),
    )
    assert (dataclasses.replace(record, seconds=expected.seconds), epochs) == (expected, [])
    assert model.training
    found = weights(model)
    assert all(torch.equal(found[name], final[name]) for name in final)


def test_a_checkpoint_of_another_network_is_left_alone(model, collator, tmp_path):
    start = weights(model)
    train(model, collator, checkpoint=Checkpoint(tmp_path / "c", RUN, minutes=0.0), name="fold 1")
    checkpoint = Checkpoint(tmp_path / "c", RUN)
    checkpoint.resume()
    model.load_state_dict(start)
    assert train(model, collator, checkpoint=checkpoint, name="fold 2").steps == 6
    assert checkpoint.take_network("fold 1")["reached"]["ended"]


def test_time_spent_before_counts(model, collator, tmp_path, monkeypatch):
    clock = Clock(monkeypatch, 1.0)
    path = tmp_path / "c"
    with pytest.raises(Killed):
        train(
            model,
            collator,
            total_steps=200,
            budget=Budget(2.0, start=-10.0),
            checkpoint=Checkpoint(path, RUN, minutes=0.0),
            progress=Killer(20),
        )
    checkpoint = Checkpoint(path, RUN)
    checkpoint.resume()
    assert checkpoint.seconds_spent == 30.0
    clock.now = 5000.0
    budget = Budget(2.0, start=clock.now - checkpoint.seconds_spent)
    record = train(model, collator, total_steps=200, budget=budget, checkpoint=checkpoint)
    assert record.total_steps == record.steps == 25 + 68  # four fifths of the 85 seconds that were left
    assert record.seconds == record.steps


# What else.


def test_progress_hears_of_each_step(model, collator):
    class Heard(Progress):
        events = []  # noqa: RUF012

        def begin(self, stage, total=None):
            self.events.append((stage, total))

        def advance(self, steps=1, **figures):
            self.events.append((steps, sorted(figures)))

        def end(self):
            self.events.append("end")

    train(model, collator, total_steps=2, progress=Heard())
    assert Heard.events == [("training", 2), (1, ["loss", "total"]), (1, ["loss", "total"]), "end"]


def test_logits_do_not_depend_on_the_batches(model, collator):
    model.eval()
    together = network_logits(model, collator, DOCUMENTS)
    assert together.dtype == np.float64
    alone = np.concatenate([network_logits(model, collator, [document]) for document in DOCUMENTS])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_rows_of_weight_zero_leave_the_network_as_it_is(model, collator):
    start = weights(model)
    for targets in (TARGETS, np.where(np.arange(40) < 5, 1 - TARGETS, TARGETS)):
        model.load_state_dict(start)
        rows = torch.where(torch.arange(40) < 5, 0.0, 1.0)
        train_network(
            model,
            collator,
            DOCUMENTS,
            targets,
            rows,
            TINY.train,
            objective=OBJECTIVE,
            total_steps=3,
            budget=Budget(None),
            on_epoch=lambda epoch, loss: True,
            progress=Progress(),
        )
        start_again = weights(model)
        if targets is TARGETS:
            expected = start_again
    assert all(torch.equal(start_again[name], expected[name]) for name in expected)
