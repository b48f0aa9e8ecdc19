"""A language model as the encoder of the pyramid, by command and by estimator."""

import json
import pickle
import shutil
import sys

import numpy as np
import pytest

from encoders.models import write_bert
from textlattice import TextClassifier, load
from textlattice.app.main import main
from textlattice.encoders.language_model import open_encoder
from textlattice.training.fitting import Fitting

SMALL = {"model.channels": 16, "model.head_channels": 8, "train.batch_size": 16}


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return write_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture
def reviews(tmp_path, tiny_texts):
    path = tmp_path / "reviews.jsonl"
    rows = (json.dumps({"text": text, "label": label}) for text, label in zip(*tiny_texts, strict=True))
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_from_a_language_model_to_an_explanation(cli, bert, reviews, tmp_path):
    folder, states = tmp_path / "model", tmp_path / "states"
    words = ["train", reviews, "-o", folder, "--preset", "pyramid", "--encoder", bert, "--steps", "10"]
    words += ["--threads", "1", "--state-cache", states]
    words += [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]
    ran = cli(*words)
    assert ran.code == 0, ran.err
    assert len([*states.glob("*/*.safetensors")]) == 60
    record = json.loads((folder / "training.json").read_text())["source"]["encoder"]
    assert record["name"] == str(bert)
    assert len(record["digest"]) == 64
    told = json.loads(cli("explain", folder, "--text", "a hopeless film", "--json").out)
    assert sum(told["scale_weights"]) == pytest.approx(1)
    page = tmp_path / "page.html"
    assert "about 2 tokens" in cli("explain", folder, "--text", "a hopeless film", "--html", page).out
    assert (
        f'<tr><td><bdi>1 token</bdi></td><td class="number">{100 * told["scale_weights"][0]:.1f} %</td>'
        in page.read_text()
    )
    assert "parameters of the language model" in cli("info", folder).out
    assert json.loads(cli("evaluate", folder, reviews, "--json").out)["num_rows"] == 60
    assert "which is not exported" in cli("export", folder, "-o", tmp_path / "onnx").err
    found = json.loads(cli("stress", folder, reviews, "--limit", "20", "--draws", "1", "--json").out)[
        "models"
    ][0]
    assert len(found["families"]) == 9
    assert {len(curve["points"]) for curve in found["families"].values()} == {6}
    assert found["families"]["invisible"]["relative_area"] == pytest.approx(1)
    predictor = load(folder)
    texts = ["a hopeless film", "", "hope " * 300, "film", "what a hopeful end"]
    together = predictor.probabilities(texts)
    for text, answer in zip(texts, together, strict=True):
        np.testing.assert_allclose(predictor.probabilities([text])[0], answer, atol=1e-4)


def test_a_language_model_learns_on_request(cli, bert, reviews, tmp_path):
    folder = tmp_path / "model"
    words = ["train", reviews, "-o", folder, "--preset", "pyramid", "--encoder", bert, "--tune", "lora"]
    words += ["--steps", "5", "--threads", "1"]
    words += [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]
    ran = cli(*words)
    assert ran.code == 0, ran.err
    record = json.loads((folder / "training.json").read_text())
    assert record["settings"]["train"]["tune"] == "lora"
    card = (folder / "README.md").read_text()
    assert f"holds the language model `{bert}`" in card
    assert "parameters, with additions that were learned here." in card
    assert cli("evaluate", folder, reviews).code == 0
    assert cli("train", reviews, "-o", folder, "--tune", "some").code == 2


def test_resume_asks_for_the_language_model_itself_not_for_its_path(
    cli, bert, reviews, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    words = ["train", reviews, "-o", tmp_path / "model", "--preset", "pyramid", "--steps", "3"]
    words += ["--threads", "1", "--checkpoint-minutes", "0"]
    with monkeypatch.context() as patch:
        patch.setattr(Fitting, "join", lambda *parts, **options: sys.exit(9))
        assert main([*map(str, words), "--encoder", str(bert)]) == 9
    other = write_bert(tmp_path / "other", seed=1)
    ran = cli(*words, "--encoder", other, "--resume")
    assert ran.code == 1
    assert "expected the language model that this training began with (digest " in ran.err
    shutil.copytree(bert, tmp_path / "moved")
    ran = cli(*words, "--encoder", tmp_path / "moved", "--resume")
    assert ran.code == 0, ran.err
    assert "going on with" in ran.err


def test_no_state_is_kept_where_none_is_to_be(cli, bert, reviews, tmp_path):
    states = tmp_path / "states"
    assert cli(*kept_in(states, "0", reviews, bert)).code == 0
    assert not states.exists()


@pytest.mark.parametrize(("gigabytes", "told"), [("0.000005", True), ("1", False)])
def test_a_folder_without_room_for_all_states_is_told(cli, bert, reviews, tmp_path, gigabytes, told):
    states = tmp_path / "states"
    ran = cli(*kept_in(states, gigabytes, reviews, bert))
    assert ran.code == 0, ran.err
    assert ("give it more by --state-cache-gb" in ran.err) == told
    assert sum(path.stat().st_size for path in states.glob("*/*")) <= float(gigabytes) * 1e9


def test_what_would_do_nothing_is_refused(cli, bert, reviews, tmp_path):
    words = ["train", reviews, "-o", tmp_path / "model", "--preset", "pyramid", "--steps", "3"]
    ran = cli(*words, "--encoder", bert, "--state-cache", reviews)
    assert ran.code == 2
    assert "is a file" in ran.err
    for more, message in (
        (["--set", "model.num_states=3"], "model.num_states=3 would do nothing without a language model"),
        (
            ["--encoder", bert, "--set", "model.encoder=table"],
            "goes with a token table, got a language model",
        ),
    ):
        ran = cli(*words, *more)
        assert ran.code == 1
        assert message in ran.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--state-cache", "states"], 2, "goes with --encoder alone"),
        (["--state-cache-gb", "0"], 2, "goes with --encoder alone"),
        (
            ["--encoder", "BERT", "--tune", "lora", "--state-cache-gb", "1"],
            1,
            "--state-cache keeps states of a language model that stays as it is, got train.tune=lora",
        ),
        (
            ["--encoder", "BERT", "--set", "model.word_channels=8", "--set", "train.word_vectors=random"],
            1,
            "model.word_channels would do nothing with model.encoder=language_model",
        ),
        (
            ["--encoder", "BERT", "--set", "train.word_vectors=random"],
            1,
            "train.word_vectors would do nothing with model.encoder=language_model",
        ),
    ],
)
def test_what_would_do_nothing_beside_a_language_model_is_refused(
    cli, bert, reviews, tmp_path, arguments, code, message
):
    words = [bert if word == "BERT" else word for word in arguments]
    ran = cli("train", reviews, "-o", tmp_path / "model", "--preset", "pyramid", *words)
    assert ran.code == code
    assert message in ran.err


def test_one_scale_reads_one_layer(cli, bert, reviews, tmp_path):
    words = [*kept_in(tmp_path / "states", "1", reviews, bert), "--set", "model.num_scales=1"]
    assert cli(*words).code == 0
    config = json.loads((tmp_path / "model" / "config.json").read_text())["config"]
    assert config["model"]["num_states"] == 1


def kept_in(states, gigabytes, reviews, bert):
    """Words of a short training that keeps so much of its states there."""
    words = ["train", reviews, "-o", states.parent / "model", "--preset", "pyramid", "--encoder", bert]
    return [*words, "--steps", "3", "--state-cache", states, "--state-cache-gb", gigabytes, "--threads", "1"]


def test_the_estimator_takes_one(bert, tiny_texts, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    texts, labels = tiny_texts
    classifier = TextClassifier("pyramid", settings=SMALL, steps=5, threads=1, encoder=bert)
    probabilities = classifier.fit(texts, labels).predict_proba(texts[:4])
    np.testing.assert_allclose(probabilities.sum(1), 1)
    assert (tmp_path / "cache" / "textlattice" / "states").is_dir()
    classifier.save(tmp_path / "model")
    assert f"holds the language model `{bert}`" in (tmp_path / "model" / "README.md").read_text()
    source = json.loads((tmp_path / "model" / "training.json").read_text())["source"]
    assert source["encoder"] == {
        "name": str(bert),
        "digest": classifier.trained_.collator.encoder.digest.hex(),
    }


@pytest.mark.parametrize("tune", ["none", "lora"])
def test_the_estimator_over_one_is_pickled(bert, tiny_texts, tmp_path, monkeypatch, tune):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    texts, labels = tiny_texts
    classifier = TextClassifier(
        "pyramid", settings=SMALL | {"train.tune": tune}, steps=3, threads=1, encoder=bert
    )
    expected = classifier.fit(texts, labels).predict_proba(texts[:4])
    again = pickle.loads(pickle.dumps(classifier))  # noqa: S301
    np.testing.assert_allclose(again.predict_proba(texts[:4]), expected, atol=1e-6)


def test_it_is_compared_with_baselines(cli, bert, reviews, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    words = ["compare", reviews, "--preset", "pyramid", "--encoder", bert, "--set", "train.steps=5", "--json"]
    words += [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]
    ran = cli(*words)
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert [row["name"] for row in found["rows"]][:2] == ["textlattice", "majority"]
    language_model = open_encoder(bert, "bert", num_layers=2)
    assert found["rows"][0]["parameters"] > language_model.cost()["parameters"]
    assert (tmp_path / "cache" / "textlattice" / "states").is_dir()
    assert "--encoder goes with --preset pyramid" in cli("compare", reviews, "--encoder", bert).err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--encoder", "BERT"],
            "--encoder goes with --preset pyramid or pyramid-graph, got a model of the family cnn_gnn",
        ),
        (["--encoder", "nowhere", "--preset", "pyramid"], "nowhere: expected a folder with tokenizer.json"),
        (
            ["--encoder", "BERT", "--preset", "pyramid", "--tokenizer", "BERT"],
            "a language model brings its own tokenizer",
        ),
        (["--preset", "pyramid", "--set", "model.encoder=table"], "model.encoder=table needs a token table"),
        (["--preset", "pyramid", "--tune", "full"], "train.tune=full needs a language model, got none"),
    ],
)
def test_what_does_not_go_together(cli, bert, reviews, tmp_path, arguments, message):
    words = [bert if word == "BERT" else word for word in arguments]
    ran = cli("train", reviews, "-o", tmp_path / "model", *words)
    assert ran.code == 1
    assert message in ran.err
    assert not (tmp_path / "model").exists()
