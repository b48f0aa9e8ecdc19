import json
import pickle

import numpy as np
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import check_is_fitted, validate_data

import textlattice
from conftest import make_stars, make_topics
from textlattice import load
from textlattice.app.estimator import TextClassifier
from textlattice.app.estimator_targets import read_targets
from textlattice.config import TextConfig
from textlattice.errors import ArtefactError, ConfigError, DataError
from textlattice.runtime.token_table import token_table, write_token_table

TEXTS = [
    "a good film",
    "so good, so warm",
    "good to the end",
    "bad from the start",
    "a bad film",
    "so bad",
] * 4
LABELS = (["pos"] * 3 + ["neg"] * 3) * 4


def tiny(**changes):
    return TextClassifier("tiny", **({"steps": 1, "threads": 1} | changes))


@pytest.fixture(scope="module")
def fitted():
    return tiny(steps=4).fit(TEXTS, LABELS)


# What comes out.


def test_labels_probabilities_and_logits(fitted):
    assert fitted.classes_.tolist() == ["neg", "pos"]
    assert fitted.predict(["good", "bad"]).tolist() == ["pos", "neg"]
    probabilities = fitted.predict_proba(TEXTS)
    assert probabilities.shape == (24, 2)
    np.testing.assert_allclose(probabilities.sum(1), 1)
    logits = fitted.decision_function(TEXTS)
    assert logits.shape == (24,)
    np.testing.assert_array_equal(logits > 0, probabilities[:, 1] > 0.5)
    odds = logits / fitted.trained_.task.temperature
    np.testing.assert_allclose(1 / (1 + np.exp(-odds)), probabilities[:, 1], atol=1e-9)
    assert fitted.score(TEXTS, LABELS) == 1


def test_several_classes():
    labels = ["c", "a", "b"] * 8
    model = tiny().fit([f"word {label}" for label in labels], labels)
    assert model.decision_function(["x", "y"]).shape == (2, 3)
    assert model.predict_proba(["x", "y"]).shape == (2, 3)
    assert model.classes_.tolist() == ["a", "b", "c"]


@pytest.mark.parametrize(
    "labels",
    [
        np.array([2, 10]),  # as text, 10 would come before 2
        np.array([-1, 1], np.int8),
        np.array([False, True]),
        np.array(["no", "yes"]),
        np.array(["no", "yes"], object),
        np.array([0.0, 1.0]),
    ],
)
def test_labels_keep_their_dtype_and_order(labels):
    y = np.where(np.array(LABELS) == "pos", labels[1], labels[0]).astype(labels.dtype)
    model = tiny().fit(TEXTS, y)
    assert model.classes_.dtype == y.dtype
    assert model.classes_.tolist() == labels.tolist()
    predicted = model.predict(["good", "bad"])
    assert predicted.dtype == y.dtype
    assert predicted.tolist() == labels[::-1].tolist()
    assert model.predict_proba(["good"])[0, 1] > 0.5


def test_a_token_table_or_its_file(tmp_path):
    table = token_table(["good", "bad"], np.eye(2), TextConfig())
    write_token_table(table, tmp_path / "words")
    by_table, by_path = (
        clone(tiny(token_table=given)).fit(TEXTS, LABELS) for given in (table, str(tmp_path / "words"))
    )
    assert by_table.trained_.config.model.injected_channels == 2
    np.testing.assert_array_equal(by_table.predict_proba(TEXTS), by_path.predict_proba(TEXTS))
    assert "TokenTable" in repr(by_table)
    with pytest.raises(ArtefactError, match="nowhere: expected a file"):
        tiny(token_table=tmp_path / "nowhere").fit(TEXTS, LABELS)
    with pytest.raises(ConfigError, match="got 3 and a table of width 2"):
        tiny(token_table=table, settings={"model.injected_channels": 3}).fit(TEXTS, LABELS)


def test_what_a_token_table_tells_stands_in_the_saved_model(tmp_path):
    record = {
        "source": "owner/name",
        "licence": "mit",
        "text": {"lowercase_keys": True, "normalisation": "nfc"},
    }
    table = token_table(["good", "bad"], np.eye(2), TextConfig(), record)
    tiny(token_table=table).fit(TEXTS, LABELS).save(tmp_path / "model")
    assert json.loads((tmp_path / "model" / "training.json").read_text())["source"]["token_table"] == record
    assert "They come from `owner/name` (licence: mit)." in (tmp_path / "model" / "README.md").read_text()
    with pytest.raises(
        ConfigError, match=r"token table: expected one made with text\.lowercase_keys=False, got True"
    ):
        tiny(token_table=table, settings={"text.lowercase_keys": False}).fit(TEXTS, LABELS)


def test_an_empty_text_gets_the_shares_of_the_labels(fitted):
    uneven = tiny().fit(TEXTS, ["pos"] * 3 + LABELS[3:])
    np.testing.assert_allclose(uneven.predict_proba(["", " \u200b"]), [[0.5, 0.5]] * 2)
    uneven = tiny().fit(TEXTS + ["good"] * 12, LABELS + ["pos"] * 12)
    np.testing.assert_allclose(uneven.predict_proba([""]), [[1 / 3, 2 / 3]])
    assert uneven.predict([""]).tolist() == ["pos"]


def test_no_texts(fitted):
    assert fitted.predict([]).shape == (0,)
    assert fitted.predict_proba([]).shape == (0, 2)
    assert fitted.decision_function([]).shape == (0,)


# What goes in.


class Column:
    """A column as pandas, Polars and Arrow have it: it gives its rows and turns into an array."""

    def __init__(self, values):
        self.values = np.array(values, object)
        self.shape = self.values.shape

    def __len__(self):
        return len(self.values)

    def __array__(self, dtype=None, copy=None):
        return self.values


@pytest.mark.parametrize(
    "convert",
    [
        list,
        tuple,
        np.array,
        lambda texts: np.array(texts, object),
        lambda texts: np.array(texts)[:, None],
        Column,
        lambda texts: Column([[text] for text in texts]),
        lambda texts: dict.fromkeys(texts).keys() and (text for text in texts),
    ],
    ids=["list", "tuple", "str array", "object array", "one column", "series", "frame", "generator"],
)
def test_any_column_of_texts(fitted, convert):
    np.testing.assert_array_equal(fitted.predict_proba(convert(TEXTS)), fitted.predict_proba(TEXTS))


def test_arrow_columns(fitted):
    arrow = pytest.importorskip("pyarrow")
    expected = fitted.predict_proba(TEXTS)
    np.testing.assert_array_equal(fitted.predict_proba(arrow.chunked_array([TEXTS])), expected)
    np.testing.assert_array_equal(fitted.predict_proba(arrow.table({"text": TEXTS})), expected)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames(fitted, library):
    frame = pytest.importorskip(library).DataFrame({"text": TEXTS, "label": LABELS})
    expected = fitted.predict_proba(TEXTS)
    np.testing.assert_array_equal(fitted.predict_proba(frame["text"]), expected)
    np.testing.assert_array_equal(fitted.predict_proba(frame[["text"]]), expected)
    assert tiny().fit(frame["text"], frame["label"]).classes_.tolist() == ["neg", "pos"]


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ("one text", ValueError, r"got a single str; pass a list"),
        (b"one text", ValueError, r"got a single bytes"),
        (["a", None], TypeError, r"got NoneType at place 1; .*fill what is missing with ''"),
        (["a", float("nan")], TypeError, r"got float at place 1"),
        ([1, 2], TypeError, r"got int at place 0; convert numbers by str\(\)"),
        ([b"a"], TypeError, r"got bytes at place 0"),
        (np.array([["a", "b"]]), ValueError, r"one column of texts, got the shape \(1, 2\)"),
        (np.array("a"), ValueError, r"one column of texts, got the shape \(\)"),
        (scipy.sparse.eye(2), TypeError, r"got a sparse matrix"),
    ],
)
def test_what_is_no_column_of_texts(fitted, X, error, message):
    with pytest.raises(error, match=message):
        fitted.predict(X)
    with pytest.raises(error, match=message):
        tiny().fit(X, ["a", "b"])


@pytest.mark.parametrize(
    ("X", "y", "extra", "message"),
    [
        (["a", "b"], ["x"], {}, "inconsistent numbers of samples"),
        (["a", "b"], ["x", "y"], {"sample_weight": [1]}, "inconsistent numbers of samples"),
        (["a", "b"], ["x", "y"], {"groups": [1]}, "inconsistent numbers of samples"),
        (["a", "b"], ["x", "x"], {}, "needs rows of two or more classes in y, got only one class: 'x'"),
        ([], [], {}, "two or more classes"),
        (["a", "b"], ["x", "y"], {"sample_weight": [0, 0]}, "got rows of weight zero alone"),
        (["a", "b"], ["x", "y"], {"sample_weight": [1, -1]}, "must not be negative, got -1"),
        (["a", "b"], ["x", "y"], {"sample_weight": [1, np.nan]}, "NaN"),
        (["a", "b"], None, {}, "requires y to be passed, but the target y is None"),
        (["a", "b"], [0.5, 1.5], {}, "Unknown label type"),
        (["a", "b"], [0.0, np.nan], {}, "y contains NaN"),
        (["a", "b"], [[0, 3], [1, 0]], {}, "y must hold lists of names"),
    ],
)
def test_what_cannot_be_fitted(X, y, extra, message):
    with pytest.raises(ValueError, match=message):
        tiny().fit(X, y, **extra)


def test_texts_without_a_token_cannot_be_fitted():
    with pytest.raises(DataError, match="at least one text with a token"):
        tiny().fit(["", " "] * 3, ["a", "b"] * 3)


@pytest.mark.parametrize("call", ["predict", "predict_proba", "decision_function"])
def test_not_fitted(call):
    with pytest.raises(NotFittedError):
        getattr(TextClassifier(), call)(["a"])


def test_what_is_not_fitted_cannot_be_saved(tmp_path):
    with pytest.raises(NotFittedError):
        TextClassifier().save(tmp_path / "model")


# Settings.


def test_arguments_become_settings():
    settings = {"model.dropout": 0.25, "train.seed": 5, "train.epochs": np.int64(2)}
    model = tiny(settings=settings, max_minutes=4.0).set_params(seed=np.int64(3))
    train = model.fit(TEXTS, LABELS).trained_.config.train
    assert (train.seed, train.epochs, train.steps, train.max_minutes, train.threads) == (3, 2, 1, 4.0, 1)
    assert model.trained_.config.model.dropout == 0.25


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"preset": "huge"}, "unknown preset 'huge'"),
        ({"settings": {"model.depth": 3}}, "unknown setting model.depth"),
        ({"epochs": 0}, "train.epochs must be positive, got 0"),
        ({"class_weight": "fair"}, "train.class_weight must be one of none, balanced"),
    ],
)
def test_wrong_settings_are_refused_by_fit(changes, message):
    with pytest.raises(ConfigError, match=message):
        TextClassifier(**changes).fit(TEXTS, LABELS)


@pytest.mark.parametrize("class_weight", ["balanced", {"neg": 2, "pos": 1}])
def test_class_weights_move_the_wide_branch(class_weight):
    texts, labels = [*TEXTS, *["a good film"] * 24], [*LABELS, *["pos"] * 24]
    plain = tiny().fit(texts, labels).trained_.model.wide
    weighted = tiny(class_weight=class_weight).fit(texts, labels).trained_.model.wide
    assert weighted.bias[0] - weighted.bias[1] > plain.bias[0] - plain.bias[1]


def test_rows_of_weight_zero_do_not_matter():
    weights = [1.0] * 24 + [0.0] * 6
    with_rows = tiny().fit([*TEXTS, *["nonsense"] * 6], [*LABELS, *["neg"] * 6], sample_weight=weights)
    np.testing.assert_array_equal(
        with_rows.predict_proba(TEXTS), tiny().fit(TEXTS, LABELS).predict_proba(TEXTS)
    )


def test_the_seed_decides():
    first, again, other = (
        tiny(seed=seed, steps=4).fit(TEXTS, LABELS).predict_proba(TEXTS) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_verbose_shows_progress_on_stderr(capsys):
    tiny().fit(TEXTS, LABELS)
    assert capsys.readouterr() == ("", "")
    tiny(verbose=True).fit(TEXTS, LABELS)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "epoch 1" in shown.err


# Saved, pickled, cloned, and in company.


def test_saved_folder_gives_the_same_probabilities(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    predictor = textlattice.load(tmp_path / "model")
    np.testing.assert_allclose(predictor.probabilities(TEXTS), fitted.predict_proba(TEXTS), atol=1e-6)
    assert predictor.predict(TEXTS) == fitted.predict(TEXTS).tolist()


def test_pickle_and_clone(fitted):
    copy = pickle.loads(pickle.dumps(fitted))  # noqa: S301
    np.testing.assert_array_equal(copy.predict_proba(TEXTS), fitted.predict_proba(TEXTS))
    fresh = clone(fitted)
    assert fresh.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        check_is_fitted(fresh)
    assert pickle.loads(pickle.dumps(fresh)).get_params() == fitted.get_params()  # noqa: S301


def test_representation():
    assert repr(TextClassifier()) == "TextClassifier()"
    assert repr(TextClassifier(steps=3)) == "TextClassifier(steps=3)"


def test_tags():
    tags = get_tags(TextClassifier())
    assert tags.estimator_type == "classifier"
    assert tags.input_tags.string
    assert tags.input_tags.one_d_array
    assert not tags.input_tags.two_d_array
    assert not tags.non_deterministic
    assert tags.requires_fit
    assert tags.target_tags.required


def test_no_numbers_of_features(fitted):
    assert not hasattr(fitted, "n_features_in_")


def test_cross_validation():
    scores = cross_val_score(tiny(), TEXTS, LABELS, cv=2, params={"groups": None})
    assert scores.shape == (2,)
    assert cross_val_score(tiny(), np.array(TEXTS), LABELS, cv=GroupKFold(2), groups=range(24)).shape == (2,)


@pytest.mark.slow  # two processes import PyTorch
def test_grid_search_in_two_processes():
    search = GridSearchCV(
        tiny(), {"seed": [0, 1], "settings": [None, {"model.dropout": 0.2}]}, cv=2, n_jobs=2
    )
    search.fit(TEXTS, LABELS)
    assert search.best_params_["seed"] in (0, 1)
    assert not np.isnan(search.cv_results_["mean_test_score"]).any()
    assert search.predict(["good"]).tolist() == ["pos"]


def test_pipelines(fitted):
    lowered = make_pipeline(FunctionTransformer(lambda texts: [text.lower() for text in texts]), tiny())
    assert lowered.fit(TEXTS, LABELS).predict(["GOOD"]).tolist() == ["pos"]
    assert lowered.set_params(textclassifier__steps=2).get_params()["textclassifier__steps"] == 2
    rows = np.array(list(zip(TEXTS, range(24), strict=True)), object)
    chosen = ColumnTransformer([("text", "passthrough", [0])])
    model = Pipeline([("column", chosen), ("model", tiny())]).fit(
        rows, LABELS, model__sample_weight=[1.0] * 24
    )
    assert model.score(rows, LABELS) > 0.5


def test_calibration():
    calibrated = CalibratedClassifierCV(tiny(), cv=2).fit(TEXTS, LABELS)
    np.testing.assert_allclose(calibrated.predict_proba(["good", "bad"]).sum(1), 1)


# scikit-learn's own checks, which know numbers only.


class NumericRows(TextClassifier):
    """Turns rows of numbers into texts, one word a column, so that scikit-learn's checks can run."""

    def fit(self, X, y, sample_weight=None, groups=None):
        if y is not None:
            shape = np.asarray(y).shape
            X, y = validate_data(self, X, y, multi_output=len(shape) == 2 and shape[1] > 1)
        return super().fit(sentences(X), y, sample_weight=sample_weight, groups=groups)

    def predict_proba(self, X):
        return super().predict_proba(self._read(X))

    def predict(self, X):
        return super().predict(self._read(X))

    def decision_function(self, X):
        return super().decision_function(self._read(X))

    def _read(self, X):
        check_is_fitted(self)
        return sentences(validate_data(self, X, reset=False))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = tags.input_tags.one_d_array = False
        tags.input_tags.two_d_array = True
        return tags


def sentences(rows):
    """Each number, rounded, as a word that tells its column."""
    return [
        " ".join(f"{chr(97 + column % 26)}{value:.0f}" for column, value in enumerate(row)) for row in rows
    ]


EXPECTED_FAILURES = {
    "check_do_not_raise_errors_in_init_or_set_params": (
        "the test run checks annotations and refuses -1 for a name; by itself the constructor only stores"
    ),
    "check_sample_weight_equivalence_on_dense_data": (
        "a repeated row is not a row of double weight: rows are held out, and words counted, row by row"
    ),
    "check_class_weight_classifiers": (
        "the two scales of the sum are chosen by the plain log loss of held-out rows, "
        "which shrinks a branch that was fitted with weights of 1000 to 0.0001"
    ),
}


@parametrize_with_checks(
    [NumericRows("tiny", steps=1, threads=1)], expected_failed_checks=lambda _: EXPECTED_FAILURES
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


# Any number of labels, and labels in an order.


def quick(**parameters):
    return TextClassifier("tiny", steps=4, threads=1, **parameters)


def test_lists_of_names_go_in_and_come_out():
    texts, labels = make_topics(90)
    y = [list(row) for row in labels]
    classifier = quick().fit(texts, y)
    assert classifier.classes_.tolist() == ["art", "sea", "war"]
    answers = classifier.predict([*texts[:5], ""])
    assert all(isinstance(answer, tuple) for answer in answers)
    assert classifier.score(texts, y) == pytest.approx(
        np.mean([set(a) == set(b) for a, b in zip(classifier.predict(texts), labels, strict=True)])
    )
    assert classifier.score(texts, [set(row) for row in labels]) > 0.5
    probabilities = classifier.predict_proba(texts)
    assert probabilities.shape == (90, 3)
    given = (probabilities >= classifier.trained_.task.thresholds).tolist()
    assert given == [[name in answer for name in classifier.classes_] for answer in classifier.predict(texts)]
    weights = np.arange(90) % 2
    half = classifier.score(texts[1::2], y[1::2])
    assert classifier.score(texts, y, sample_weight=weights) == pytest.approx(half)


@pytest.mark.parametrize("form", ["array", "lists", "sparse"])
def test_an_indicator_matrix_goes_in_and_comes_out(form):
    texts, labels = make_topics(90)
    dense = np.array([[name in row for name in ("sea", "none", "war", "art")] for row in labels], int)
    y = {"array": dense, "lists": dense.tolist(), "sparse": scipy.sparse.csr_matrix(dense)}[form]
    classifier = quick().fit(texts, y)
    assert classifier.classes_.tolist() == [0, 1, 2, 3]
    answers = classifier.predict(texts)
    assert (answers.shape, answers.dtype) == ((90, 4), np.int64)
    assert not answers[:, 1].any()  # no training row had it
    assert (answers == dense).mean() > 0.9
    probabilities = classifier.predict_proba(texts)
    assert (probabilities[:, 1] == 0).all()
    assert np.isneginf(classifier.decision_function(texts)[:, 1]).all()
    assert classifier.score(texts, dense) == (answers == dense).all(axis=1).mean()


def test_stars_in_an_order():
    texts, labels = make_stars(90)
    y = np.array(labels, int) * 5  # 5 and 25: as text they would stand in another order
    classifier = quick(task="ordinal").fit(texts, y)
    assert classifier.trained_.task.labels == ("5", "10", "15", "20", "25")
    assert classifier.classes_.tolist() == [5, 10, 15, 20, 25]
    answers = classifier.predict(texts)
    assert answers.dtype == y.dtype
    assert np.abs(answers - y).mean() < 5
    scores = classifier.decision_function(texts)
    assert scores.shape == (90,)
    assert np.corrcoef(scores, y)[0, 1] > 0.7
    np.testing.assert_allclose(classifier.predict_proba(texts).sum(axis=1), 1)


def test_an_order_by_name():
    texts, labels = make_stars(60)
    names = ["awful", "weak", "plain", "fine", "superb"]
    classifier = quick(task="ordinal", label_order=names)
    classifier.fit(texts, [names[int(label) - 1] for label in labels])
    assert list(classifier.trained_.task.labels) == names
    assert classifier.classes_.tolist() == sorted(names)
    by_name = dict(zip(sorted(names), classifier.predict_proba(["awful dull"])[0], strict=True))
    assert by_name["awful"] + by_name["weak"] > by_name["fine"] + by_name["superb"]


def test_weights_by_class_of_several_labels():
    texts, labels = make_topics(60)
    weights = read_targets([list(row) for row in labels], "C", task="auto").weights({"sea": 3, "art": 0.5})
    expected = [max([{"sea": 3, "art": 0.5}.get(name, 1) for name in row], default=1) for row in labels]
    assert weights.tolist() == expected
    quick(class_weight={"sea": 3}).fit(texts, [list(row) for row in labels])


def test_a_saved_folder_and_a_copy_answer_alike(tmp_path):
    texts, labels = make_topics(60)
    classifier = quick().fit(texts, [list(row) for row in labels])
    classifier.save(tmp_path / "model")
    assert load(tmp_path / "model").predict(texts) == classifier.predict(texts)
    copy = pickle.loads(pickle.dumps(classifier))  # noqa: S301
    assert copy.predict(texts) == classifier.predict(texts)


@pytest.mark.parametrize(
    ("y", "task", "message"),
    [
        ([["a"], ["b"], "c"], "auto", "a list of labels in every row, got str at place 2"),
        (
            [["a"], [1], ["c"]],
            "auto",
            "lists of names .str., got int at place 1; for numbers give an indicator",
        ),
        ([["a"], ["b"], ["c"]], "single", "expected one label a text for task='single', got lists of labels"),
        (np.eye(3, dtype=int), "ordinal", "task='ordinal', got an indicator matrix; use task='multi'"),
        (["a", "b", "a"], "multi", "any number of labels a text for task='multi', .* got one label each"),
        (["a", "b", "a"], "ordinal", "expected numbers, got 'a'; name all labels from the lowest"),
        (["a", "b", "a"], "regression", "task must be auto, single, multi or ordinal, got 'regression'"),
        (np.array([[1, 0], [2, 1], [0, 1]]), "auto", "a matrix of 0 and 1 with a column a label"),
        ([["a"], ["a"], []], "auto", "two or more classes in y, got only one class: 'a'"),
        ([[], [], []], "auto", "two or more classes in y, got rows without a label"),
    ],
)
def test_labels_that_do_not_fit_the_task(y, task, message):
    with pytest.raises(ValueError, match=message):
        quick().set_params(task=task).fit(["one text", "two texts", "three"], y)
