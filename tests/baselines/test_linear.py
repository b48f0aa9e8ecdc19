import numpy as np
import pytest
from scipy.sparse import csr_matrix

from textlattice.baselines.linear import BASELINES, fitting_baselines, log_count_ratios, train_baseline, tune
from textlattice.errors import DataError
from textlattice.evaluation.calibrate import fit_temperature, log_loss

LEARNING = ["tfidf_lr", "tfidf_svm", "nb_ngrams", "char_svm"]
WORDS = {"good": "fine great lovely", "bad": "awful poor dull", "odd": "strange weird queer"}


def sample(num_rows, labels, seed=0):
    generator = np.random.default_rng(seed)
    names = [str(name) for name in generator.choice(labels, num_rows)]
    filler = ["the", "film", "was", "seen", "by", "us", "on", "that", "day"]
    texts = []
    for name in names:
        words = [*generator.choice(filler, 6), *generator.choice(WORDS[name].split(), 2)]
        texts.append(" ".join(generator.permutation(words)))
    return texts, names


@pytest.mark.parametrize("labels", [["good", "bad"], ["good", "bad", "odd"]])
@pytest.mark.parametrize("name", LEARNING)
def test_learns_what_is_easy(name, labels):
    texts, names = sample(120, labels)
    model = BASELINES[name]().fit(texts, names, C=10.0)
    new_texts, new_names = sample(40, labels, seed=1)
    assert model.labels == sorted(labels)
    scores = model.scores(new_texts)
    assert scores.shape == (40, len(labels))
    assert model.predict(new_texts) == [model.labels[index] for index in scores.argmax(axis=1)]
    assert np.mean(np.array(model.predict(new_texts)) == new_names) > 0.95
    assert model.num_parameters > len(labels)
    assert model.predict([]) == []
    assert len(model.predict(["", "☃", "unseen words only"])) == 3


@pytest.mark.parametrize("labels", [["good", "bad"], ["good", "bad", "odd"]])
@pytest.mark.parametrize("name", ["tfidf_lr", "nb_ngrams"])
def test_softmax_of_scores_is_what_scikit_learn_calls_probabilities(name, labels):
    texts, names = sample(60, labels)
    model = BASELINES[name]().fit(texts, names, C=1.0)
    probabilities = np.exp(model.scores(texts))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    if name == "tfidf_lr":
        expected = model.model.predict_proba(model.vectoriser.transform(texts))
    else:
        decisions = model.vectoriser.transform(texts) @ model.weights.T + model.intercepts
        positive = 1 / (1 + np.exp(-decisions))
        expected = np.hstack([1 - positive, positive]) if len(labels) == 2 else positive
        expected = expected / expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)


def test_log_count_ratios_literal():
    # Feature 0 in both positives and one of four others; feature 1 in all; feature 2 only outside.
    features = csr_matrix(
        np.array([[1, 1, 0], [1, 1, 0], [1, 1, 0], [0, 1, 1], [0, 1, 1], [0, 1, 0]], dtype=np.float32)
    )
    positive = np.array([True, True, False, False, False, False])
    third = 1 / 3
    expected = [
        np.log((2 + third) / 3) - np.log((1 + 2 * third) / 5),
        np.log((2 + third) / 3) - np.log((4 + 2 * third) / 5),
        np.log((0 + third) / 3) - np.log((2 + 2 * third) / 5),
    ]
    np.testing.assert_allclose(log_count_ratios(features, positive), expected)
    np.testing.assert_allclose(log_count_ratios(features, ~positive), -np.array(expected))


def test_nb_ngrams_cuts_words_and_punctuation_up_to_three():
    model = BASELINES["nb_ngrams"]().fit(["Don't stop! now", "Don't stop! now", "go"], ["a", "a", "b"], C=1.0)
    assert set(model.vectoriser.vocabulary_) == {
        *("don't", "stop", "!", "now"),
        *("don't stop", "stop !", "! now"),
        *("don't stop !", "stop ! now"),
    }


def test_majority():
    model = BASELINES["majority"]().fit(["x", "", "y"], ["b", "a", "b"], C=1.0)
    assert model.predict(["anything", ""]) == ["b", "b"]
    np.testing.assert_allclose(np.exp(model.scores(["z"])), [[1 / 3, 2 / 3]])
    assert model.num_parameters == 2
    assert BASELINES["majority"]().fit(["x"], ["only"], C=1.0).predict(["y"]) == ["only"]


@pytest.mark.parametrize("name", BASELINES)
def test_tune_takes_the_best_of_its_table(name):
    texts, names = sample(60, ["good", "bad"])
    selection = sample(30, ["good", "bad"], seed=2)
    best, table = tune(name, texts, names, *selection)
    assert tuple(table) == BASELINES[name].grid
    assert best == min(table, key=lambda c: (table[c]["log_loss"], -table[c]["accuracy"]))
    again = BASELINES[name]().fit(texts, names, C=best)
    targets = np.array([again.labels.index(label) for label in selection[1]])
    scores = again.scores(selection[0]).astype(np.float64)
    assert table[best]["accuracy"] == (scores.argmax(axis=1) == targets).mean()
    assert table[best]["log_loss"] == pytest.approx(
        log_loss(scores / fit_temperature(scores, targets), targets), rel=1e-4
    )


def test_train_baseline_keeps_the_chosen_fit_and_trains_on_all_rows():
    texts, names = sample(60, ["good", "bad"])
    selection = sample(30, ["good", "bad"], seed=2)
    tuned = train_baseline(
        "nb_ngrams", texts, names, *selection, more_texts=["zig zag zig zag"] * 2, more_labels=["odd"] * 2
    )
    same = BASELINES["nb_ngrams"]().fit(texts, names, C=tuned.C)
    np.testing.assert_array_equal(tuned.on_fit_rows.scores(selection[0]), same.scores(selection[0]))
    assert tuned.on_fit_rows.labels == ["bad", "good"]
    assert tuned.on_all_rows.labels == ["bad", "good", "odd"]
    assert tuned.on_all_rows.predict(["zig zag zig zag"]) == ["odd"]
    assert tuned.tune_seconds > 0
    assert tuned.fit_seconds > 0


def test_selection_labels_without_a_fit_row_are_errors():
    texts, names = sample(40, ["good", "bad"])
    _, table = tune("tfidf_lr", texts, names, ["fine", "strange"], ["good", "odd"])
    assert all(row["accuracy"] <= 0.5 and row["log_loss"] is not None for row in table.values())
    _, table = tune("tfidf_lr", texts, names, ["strange"], ["odd"])
    assert all(row == {"accuracy": 0, "log_loss": None} for row in table.values())


def test_texts_that_share_no_word_are_still_learned():
    model = BASELINES["tfidf_lr"]().fit(["alpha", "beta"], ["a", "b"], C=10.0)
    assert model.predict(["beta", "alpha"]) == ["b", "a"]


def test_rows_that_cannot_be_learned_are_refused():
    with pytest.raises(DataError, match="expected words in the texts, found none in 2 rows"):
        BASELINES["tfidf_lr"]().fit(["", " "], ["a", "b"], C=1.0)
    with pytest.raises(DataError, match="expected at least two classes, got only 'a'"):
        BASELINES["tfidf_svm"]().fit(["x y"], ["a"], C=1.0)
    with pytest.raises(DataError, match="at least one row, got 0 texts and 0 labels"):
        BASELINES["majority"]().fit([], [], C=1.0)
    with pytest.raises(
        DataError,
        match="expected one of majority, tfidf_lr, tfidf_svm, nb_ngrams, char_svm, tfidf_ridge, got 'bert'",
    ):
        tune("bert", ["x"], ["a"], ["x"], ["a"])
    with pytest.raises(DataError, match="one label a selection text and at least one row, got 0 texts"):
        tune("majority", ["x"], ["a"], [], [])


def test_ridge_answers_the_nearest_class():
    words = ["dreadful", "weak", "fine", "superb"]
    texts = [f"a {words[row % 4]} evening" for row in range(80)]
    model = BASELINES["tfidf_ridge"]().fit(texts, [str(row % 4) for row in range(80)], C=10.0)
    assert model.predict([f"a {word} evening" for word in words]) == ["0", "1", "2", "3"]
    assert model.predict(["a dreadful superb evening"]) in (["1"], ["2"])  # the middle of the two
    assert model.num_parameters == model.model.coef_.size + 1 + model.vectoriser.idf_.size


def test_characters_are_read_where_words_are_not_parted():
    texts, names = ["味道很好吃", "送餐太慢了", "非常好吃啊", "真的很慢啊"] * 6, ["good", "bad"] * 12
    model = BASELINES["char_svm"]().fit(texts, names, C=1.0)
    assert model.predict(["好吃极了", "慢死了"]) == ["good", "bad"]


def test_baselines_that_fit():
    four = ("majority", "tfidf_lr", "tfidf_svm", "nb_ngrams")
    assert fitting_baselines("single", ["plain words of English"]) == four
    assert fitting_baselines("multi", []) == four
    assert fitting_baselines("single", ["味道很好吃", "送餐太慢了"]) == (*four, "char_svm")
    assert fitting_baselines("ordinal", ["plain words"]) == (*four, "tfidf_ridge")
