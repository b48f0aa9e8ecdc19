"""Occlusion: exact weights on an engine that counts words, spans of the original, long texts."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textlattice.batch.collate import Collator
from textlattice.errors import ConfigError
from textlattice.explain.occlusion import explain
from textlattice.presets import preset
from textlattice.runtime.form_engine import FormEngine
from textlattice.runtime.predictor import MAX_TOKENS, Predictor
from textlattice.task import Task
from textlattice.text.document import TextReader
from textlattice.text.vocabulary import Vocabulary

GAINS = {"good": 3.0, "goo": 1.0, "bad": -2.0, "é": 0.5, "שלום": 2.5, "fi": 1.5}
WORDS = ["the", "a", "film", "plot", "scene", "story", "was", "and", "with", "long", "dark", "light"]
TEXTS = [
    "",
    " \u200b\t",
    "good",
    "so good, and so bad!",
    "  e\u0301 👍🏽 שלום good\u200b 日本\n",
    "\ufeffgood " * 40,
    "👩‍👩‍👧 \ud800 ﬁne",
]


class CountingBackend:
    """The logit of the first label is the sum of its words' gains; that of the second is 0."""

    form_channels = 1

    def __init__(self):
        self.largest = 0

    def encode_forms(self, forms):
        bounds = zip(forms.form_ptr[:-1], forms.form_ptr[1:], strict=True)
        spelled = ["".join(map(chr, forms.characters[start:end])) for start, end in bounds]
        return np.array([[self.gain(form)] for form in spelled], np.float32).reshape(-1, 1)

    def gain(self, form):
        return GAINS.get(form, 0.0)

    def classify(self, batch, vectors):
        self.largest = max(self.largest, len(batch.tokens.form))
        num_docs = len(batch.documents.doc_ptr) - 1
        sums = np.zeros(num_docs)
        np.add.at(sums, batch.documents.doc_index, vectors[batch.tokens.form, 0])
        return np.stack([sums, np.zeros(num_docs)], 1).astype(np.float32)


def counting_predictor(*, normalisation="nfc", temperature=1.0):
    config = preset("tiny").with_settings({"text.normalisation": normalisation})
    keys = np.empty(0, np.uint64)
    return Predictor(
        engine=FormEngine(
            CountingBackend(),
            Collator(text=config.text, graph=config.graph, vocabulary=Vocabulary(words=keys, ngrams=keys)),
        ),
        task=Task(labels=("for", "against"), priors=(0.8, 0.2), temperature=temperature),
        reader=TextReader(config=config.text),
    )


def weights(explanation):
    return {piece.text: pytest.approx(piece.weight, abs=1e-6) for piece in explanation.tokens}


def test_a_weight_is_the_loss_of_log_odds():
    explanation = explain(counting_predictor(), "so good, not bad")
    assert (explanation.label, explanation.status, explanation.window) == ("for", "ok", 1)
    assert explanation.probability == pytest.approx(1 / (1 + np.exp(-1)))
    assert weights(explanation) == {"so": 0, "good": 3, ",": 0, "not": 0, "bad": -2}


def test_the_other_label_turns_the_signs_and_temperature_divides():
    explanation = explain(counting_predictor(temperature=2.0), "bad bad so good")
    assert explanation.label == "against"
    assert [piece.weight for piece in explanation.tokens] == pytest.approx([1, 1, 0, -1.5])


def test_certain_answers_keep_their_weights():
    explanation = explain(counting_predictor(), "good " * 30)
    assert explanation.probability == 1.0
    assert [piece.weight for piece in explanation.tokens] == pytest.approx([3.0] * 30)


def test_a_single_token_is_weighed_against_the_priors():
    explanation = explain(counting_predictor(), "good")
    assert weights(explanation) == {"good": pytest.approx(3 - np.log(0.8 / 0.2), abs=1e-6)}


@pytest.mark.parametrize("text", ["", " \u200b\n"])
def test_an_empty_text_has_the_priors_and_no_tokens(text):
    explanation = explain(counting_predictor(), text)
    assert (explanation.label, explanation.status) == ("for", "empty")
    assert explanation.probability == pytest.approx(0.8)
    assert (explanation.tokens, explanation.spellings) == ((), ())


def test_characters_of_the_heaviest_tokens():
    explanation = explain(counting_predictor(), "a good x bad", num_characters=2)
    good, bad = explanation.spellings
    assert (good.token.text, bad.token.text) == ("good", "bad")
    # without g, o or o nothing is known of it; without d it is `goo`, which gains 1
    assert [(piece.text, piece.start) for piece in good.characters] == [
        ("g", 2),
        ("o", 3),
        ("o", 4),
        ("d", 5),
    ]
    assert [piece.weight for piece in good.characters] == pytest.approx([3, 3, 3, 2])
    assert [piece.weight for piece in bad.characters] == pytest.approx([-2, -2, -2])


def test_a_character_that_is_its_token_weighs_the_same():
    explanation = explain(counting_predictor(), "é so", num_characters=1)
    (spelling,) = explanation.spellings
    assert spelling.characters == (spelling.token,)
    assert spelling.token.weight == pytest.approx(0.5)


def test_characters_that_normalising_made_are_taken_together():
    explanation = explain(counting_predictor(normalisation="nfkc"), "ﬁ e\u0301", num_characters=2)
    ligature, accent = explanation.spellings
    assert [(piece.text, piece.weight) for piece in ligature.characters] == [("ﬁ", pytest.approx(1.5))]
    assert [piece.text for piece in accent.characters] == ["e\u0301"]


def test_long_tokens_are_not_spelled():
    explanation = explain(counting_predictor(), "q" * 65 + " " + "r" * 64)
    assert [len(spelling.characters) for spelling in explanation.spellings] == [64]


@pytest.mark.parametrize("normalisation", ["nfc", "nfkc", "none"])
@pytest.mark.parametrize("text", TEXTS, ids=lambda text: ascii(text)[:20])
def test_spans_are_pieces_of_the_original(text, normalisation):
    explanation = explain(counting_predictor(normalisation=normalisation), text)
    check_spans(explanation, text)


@settings(max_examples=30, deadline=None)
@given(text=st.text(max_size=12))
def test_any_text_has_an_explanation(text):
    check_spans(explain(counting_predictor(), text, max_passes=4, num_characters=1), text)


def check_spans(explanation, text):
    end = 0
    for piece in explanation.tokens:
        assert end <= piece.start <= piece.end
        assert piece.text == text[piece.start : piece.end]
        end = piece.end
    for spelling in explanation.spellings:
        assert spelling.token in explanation.tokens
        assert "".join(piece.text for piece in spelling.characters) == spelling.token.text
        assert all(piece.text == text[piece.start : piece.end] for piece in spelling.characters)
    assert np.isfinite([piece.weight for piece in explanation.tokens]).all()


@pytest.mark.parametrize(
    ("max_passes", "window", "pieces"),
    [
        (5, 1, ["good", "b", "bad", "d", "e"]),
        (4, 2, ["good b", "bad d", "e"]),
        (2, 3, ["good b bad", "d e"]),
        (1, 5, ["good b bad d e"]),
    ],
)
def test_more_tokens_than_passes_go_in_windows(max_passes, window, pieces):
    explanation = explain(counting_predictor(), "good b bad d e", max_passes=max_passes)
    assert explanation.window == window
    assert [piece.text for piece in explanation.tokens] == pieces
    assert bool(explanation.spellings) == (window == 1)
    if window == 3:
        assert [piece.weight for piece in explanation.tokens] == pytest.approx([1, 0])


def test_batches_stay_bounded():
    predictor = counting_predictor()
    explain(predictor, "a b " * 1000, max_passes=20)
    assert MAX_TOKENS >= predictor.engine.backend.largest > MAX_TOKENS // 2


def test_no_passes_are_refused():
    with pytest.raises(ConfigError, match="max_passes must be 1 or more, got 0"):
        explain(counting_predictor(), "good", max_passes=0)


def test_the_word_that_decides_is_the_heaviest(planted):
    for text in ("a good plot, long and dark", "the story was bad and the film", "dark light film good"):
        explanation = explain(planted, text)
        heaviest = max(explanation.tokens, key=lambda piece: piece.weight)
        assert heaviest.text in ("good", "bad")
        assert explanation.label == {"good": "pos", "bad": "neg"}[heaviest.text]
        assert explanation.spellings[0].token == heaviest


@pytest.fixture(scope="module")
def planted():
    """A predictor trained on texts of random words, one of which is `good` or `bad` and decides."""
    from textlattice.training.fit import fit
    from textlattice.training.save import predictor_of

    rng = random.Random(0)
    texts, labels = [], []
    for number in range(60):
        chosen = rng.choices(WORDS, k=rng.randint(3, 8))
        chosen.insert(rng.randrange(len(chosen) + 1), ("bad", "good")[number % 2])
        texts.append(" ".join(chosen))
        labels.append(("neg", "pos")[number % 2])
    config = preset("tiny").with_settings({"train.epochs": 4, "train.threads": 1})
    trained = fit(texts, labels, config)
    return predictor_of(trained)
