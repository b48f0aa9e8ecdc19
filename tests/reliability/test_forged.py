"""Forged language models, tokenizers and records: each is refused in one line, soon, and nobody outside is asked."""

import json
import os
from pathlib import Path

import pytest

from reliability import forged_encoders, forged_tokenizers, forging
from reliability.forged_trials import KINDS, is_refused, outcomes

GOLDEN = Path(__file__).parents[1] / "golden" / "tiny-format-1"


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_forged_is_refused_in_one_line(kind, tmp_path):
    found = outcomes(kind, tmp_path)
    assert len(found) > 40
    assert [case for case in found if not is_refused(case)] == []


@pytest.mark.slow
def test_records_are_shown_or_refused_in_one_line(tmp_path, capsys):
    import shutil

    from textlattice.app.main import main

    folder = shutil.copytree(GOLDEN, tmp_path / "model")
    for name, content in forging.crafted_records():
        forging.forge(folder, "training.json", content)
        for arguments in ([], ["--json"]):
            code = main(["info", str(folder), *arguments])
            ran = capsys.readouterr()
            assert "unexpected" not in ran.err, (name, ran.err)
            assert ran.err.count("\n") == (code != 0), (name, ran.err)
            assert len(ran.err) <= 500, name
            assert (code == 0) == bool(ran.out), name
            assert "\x1b" not in ran.out, name
            if arguments and not code:
                json.loads(ran.out)


def test_one_line_of_an_error_keeps_who_and_what_to_do(tmp_path, capsys):
    from textlattice.app.main import main

    folder = tmp_path / ("long" * 50) / ("path" * 50) / ("\u202e" * 50)
    folder.mkdir(parents=True)
    assert main(["info", str(folder / "none")]) == 1
    line = capsys.readouterr().err
    assert len(line) <= 500
    assert line.startswith("textlattice: ")
    assert line.endswith("or train one with 'textlattice train SOURCE -o DIR'.\n")
    assert " ... " in line


def test_pipes_are_not_waited_for(tmp_path):
    from textlattice.app.tokenizers import named_tokenizer
    from textlattice.errors import ArtefactError, DataError
    from textlattice.runtime.token_table import read_token_table

    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(ArtefactError, match="expected a plain file, got a pipe, a socket or a device; put"):
        read_token_table(pipe)
    with pytest.raises(DataError, match="expected a plain file, got a pipe, a socket or a device; put"):
        named_tokenizer(str(pipe))


def test_settings_on_the_command_line_of_any_length(capsys):
    from textlattice.app.main import main

    for value in ("9" * 5_000, "1e999", "[" * 50_000, "-" + "9" * 400, '{"a": 1}', "\x1b[2J"):
        assert main(["info", "--preset", "tiny", "--set", f"model.channels={value}"]) == 1
        line = capsys.readouterr().err
        assert line.startswith("textlattice: model.channels must be ")
        assert len(line) <= 500
        assert line.count("\n") == 1


def test_patterns():
    from textlattice.text.tokenizer_json import is_harmless

    assert not [pattern for pattern in forged_tokenizers.RUNAWAY if is_harmless(pattern)]
    assert not [pattern for pattern in forged_tokenizers.HARMLESS if not is_harmless(pattern)]


def test_generators_name_each_case_once():
    for crafted in (
        forged_tokenizers.crafted_tokenizers(),
        forged_encoders.crafted_settings(),
        forged_encoders.crafted_folders(),
        forging.crafted_settings(),
        forging.crafted_records(),
    ):
        names = [name for name, _ in crafted]
        assert len(names) == len(set(names))
