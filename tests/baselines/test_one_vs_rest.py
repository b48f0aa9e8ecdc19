import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from textlattice.baselines.linear import BASELINES
from textlattice.baselines.one_vs_rest import OneVsRest, train_one_vs_rest
from textlattice.errors import DataError

TOPICS = {"sea": "waves salt harbour", "war": "cannon siege treaty", "art": "canvas opera sonnet"}


def sample(num_rows, seed=0):
    draw = np.random.default_rng(seed)
    targets = draw.random((num_rows, 3)) < 0.4
    texts = []
    for row in targets:
        words = [
            w
            for name, has in zip(TOPICS, row, strict=True)
            if has
            for w in draw.choice(TOPICS[name].split(), 2)
        ]
        texts.append(" ".join(["pages of", *draw.permutation(words), "here"]))
    return texts, targets


@pytest.mark.parametrize("name", ["tfidf_lr", "tfidf_svm", "nb_ngrams", "char_svm"])
def test_learns_what_is_easy(name):
    tuned = train_one_vs_rest(
        name, *sample(120), *sample(60, 1), more_texts=[], more_targets=np.zeros((0, 3), bool)
    )
    texts, targets = sample(50, 2)
    for model in (tuned.on_fit_rows, tuned.on_all_rows):
        assert (model.decide(texts) == targets).mean() > 0.95
        probabilities = model.probabilities(texts)
        assert ((probabilities >= np.array(model.thresholds)) == model.decide(texts)).all()
    assert tuned.C in BASELINES[name].grid
    assert tuned.table[tuned.C]["log_loss"] == min(row["log_loss"] for row in tuned.table.values())


def test_a_label_is_one_regression_of_scikit_learn():
    texts, targets = sample(60)
    model = OneVsRest("tfidf_lr").fit(texts, targets, C=3.0)
    model.temperature = 1.0
    features = model.base.vectoriser.transform(texts)
    for label in range(3):
        expected = LogisticRegression(C=3.0, max_iter=1000).fit(features, targets[:, label])
        np.testing.assert_allclose(
            model.probabilities(texts)[:, label], expected.predict_proba(features)[:, 1], atol=1e-6
        )
    num_words = len(model.base.vectoriser.vocabulary_)
    assert model.num_parameters == 3 * (num_words + 1) + num_words


def test_the_majority_gives_what_most_rows_have():
    texts, targets = sample(60)
    targets[:, 0] = True
    targets[:, 2] = False
    targets[:50, 1] = True
    tuned = train_one_vs_rest(
        "majority", texts, targets, texts[:20], targets[:20], more_targets=np.zeros((0, 3), bool)
    )
    assert tuned.on_all_rows.decide(["anything", ""]).tolist() == [[True, True, False]] * 2
    assert tuned.on_all_rows.num_parameters == 1 + 2 + 1


def test_labels_of_all_or_no_rows_are_constants():
    texts, targets = sample(40)
    targets[:, 0], targets[:, 1] = True, False
    tuned = train_one_vs_rest("tfidf_lr", texts, targets, texts, targets, more_targets=targets[:0])
    probabilities = tuned.on_fit_rows.probabilities(["", "waves"])
    assert (probabilities[:, 0] > 0.9).all()
    assert (probabilities[:, 1] < 0.1).all()


def test_what_is_refused():
    _, targets = sample(4)
    with pytest.raises(DataError, match=r"expected one of majority, .*, got 'bert'"):
        OneVsRest("bert")
    with pytest.raises(DataError, match="expected at least one row, got none"):
        OneVsRest("tfidf_lr").fit([], targets[:0], C=1.0)
    with pytest.raises(DataError, match="expected words in the texts, found none in 4 rows"):
        OneVsRest("tfidf_lr").fit([""] * 4, targets, C=1.0)
