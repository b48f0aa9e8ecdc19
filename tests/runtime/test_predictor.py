import threading

import numpy as np
import pytest

import textlattice
from textlattice.errors import ArtefactError
from textlattice.runtime import predictor as module
from textlattice.runtime.form_engine import FormEngine

ODD_TEXTS = [
    "",
    " \n",
    "\x00\x07\x1b[2J",
    "\u202eمرحبا\u202c",
    "👩‍👩‍👧‍👦👍🏽",
    "\udc00\ud800",
    "one",
    "a " * 40_000,
    "z" * 100_000,
]


@pytest.fixture(scope="module")
def predictor(tiny_folder):
    return textlattice.load(tiny_folder)


@pytest.fixture(scope="module")
def texts(tiny_texts):
    return [*tiny_texts[0], *ODD_TEXTS]


@pytest.fixture(scope="module")
def alone(tiny_folder, texts):
    """Probabilities of each text, answered by a predictor that has seen no other."""
    return np.concatenate([textlattice.load(tiny_folder).probabilities([text]) for text in texts])


def test_a_text_alone_is_the_same_text_in_any_company(predictor, texts, alone):
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(texts))
        found = predictor.probabilities([texts[place] for place in order])
        np.testing.assert_allclose(found, alone[order], atol=1e-5)


@pytest.mark.parametrize(("max_tokens", "max_documents"), [(1, 256), (50, 256), (16_384, 1), (10**9, 10**9)])
def test_batches_of_any_size_give_the_same(predictor, texts, alone, monkeypatch, max_tokens, max_documents):
    monkeypatch.setattr(module, "MAX_TOKENS", max_tokens)
    monkeypatch.setattr(module, "MAX_DOCUMENTS", max_documents)
    np.testing.assert_allclose(predictor.probabilities(texts), alone, atol=1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_logit_that_is_not_finite_is_no_answer(tiny_folder, value):
    class Broken:
        form_channels = textlattice.load(tiny_folder).engine.backend.form_channels

        def encode_forms(self, forms):
            return np.zeros((len(forms.form_ptr) - 1, self.form_channels), np.float32)

        def classify(self, batch, vectors):
            return np.full((len(batch.documents.doc_ptr) - 1, 2), value, np.float32)

    broken = textlattice.load(tiny_folder)
    broken.engine = FormEngine(Broken(), broken.engine.collator)
    for ask in (broken.predict, broken.probabilities, lambda texts: list(broken.answers(texts))):
        with pytest.raises(ArtefactError, match=f"expected logits that are finite, got {value}; its weights"):
            ask(["one text"])
    assert broken.probabilities(["", " "]).shape == (2, 2)  # the engine is not asked


def test_every_door_says_the_same(predictor, texts):
    probabilities = predictor.probabilities(texts)
    answers = list(predictor.answers(texts))
    assert predictor.predict(texts) == [answer.label for answer in answers]
    np.testing.assert_allclose(predictor.task.probabilities(predictor.logits(texts)), probabilities)
    for answer, row in zip(answers, probabilities, strict=True):
        assert tuple(answer.probabilities) == predictor.task.labels
        np.testing.assert_allclose(list(answer.probabilities.values()), row)
        assert answer.label == predictor.task.labels[row.argmax()]
        assert sum(answer.probabilities.values()) == pytest.approx(1)


@pytest.mark.parametrize("text", ["", "  \n\t ", "\u200b", "\ufeff\u202e"])
def test_an_empty_text_is_answered_by_the_priors(predictor, text):
    (answer,) = predictor.answers([text])
    assert answer.status == "empty"
    assert answer.probabilities == pytest.approx(
        dict(zip(predictor.task.labels, predictor.task.priors, strict=True))
    )
    before, (between,), after = (list(predictor.answers(t)) for t in (["good"], [text], ["good"]))
    assert before == after
    assert between == answer


def test_statuses(predictor):
    assert [answer.status for answer in predictor.answers(["a", "", "b"])] == ["ok", "empty", "ok"]


def test_no_texts(predictor):
    assert predictor.predict([]) == []
    assert list(predictor.answers([])) == []
    assert predictor.probabilities([]).shape == (0, 2)
    assert predictor.logits([]).shape == (0, 2)


def test_answers_stream(predictor, monkeypatch):
    monkeypatch.setattr(module, "MAX_DOCUMENTS", 4)
    taken = []

    def endless():
        while True:
            taken.append(None)
            yield f"text {len(taken)}"

    stream = predictor.answers(endless())
    for _ in range(6):
        next(stream)
    assert len(taken) <= 12


def test_a_second_call_is_equal_to_the_bit(tiny_folder, texts):
    predictor = textlattice.load(tiny_folder)
    first = predictor.logits(texts)  # fills the cache
    assert np.array_equal(predictor.logits(texts), predictor.logits(texts))
    np.testing.assert_allclose(predictor.logits(texts), first, atol=1e-5)


def test_threads_share_a_predictor(tiny_folder, texts, alone):
    predictor, results = textlattice.load(tiny_folder), {}

    def work(seed):
        order = np.random.default_rng(seed).permutation(len(texts))
        found = predictor.probabilities([texts[place] for place in order])
        results[seed] = np.abs(found - alone[order]).max()

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(results) == 3
    assert max(results.values()) < 1e-5


def test_a_token_of_a_million_characters(predictor):
    (answer,) = predictor.answers(["x" * 1_000_000])
    assert answer.status == "ok"
    assert sum(answer.probabilities.values()) == pytest.approx(1)
