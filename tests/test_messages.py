"""The page of messages: what is found in the source, and how it is told."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))
import messages

SOURCE = """
def check(condition, message):
    if not condition:
        raise ConfigError(message)

def read(path, part):
    check(part > 0, f"part must be positive, got {part!r}.")
    if path.is_dir():
        raise DataError(f"{path}: expected a file, got " "a folder; give " + "one.")
    raise DataError("a" if part else "b")
    raise MissingExtraError(f"reading {path.name}", "train")
    raise ValueError("not ours")
"""


@pytest.fixture
def found(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "reader.py").write_text(SOURCE)
    return messages.messages(tmp_path)


def test_each_raise_is_found_with_its_places(found):
    assert [(message.error, message.text) for message in found if message.text != "{message}"] == [
        ("ConfigError", "part must be positive, got {part}."),
        ("DataError", "{path}: expected a file, got a folder; give one."),
        ("DataError", "a / b"),
        ("MissingExtraError", "reading {path.name} needs the extra [train]; install it with: pip install …"),
    ]


def test_a_message_that_is_given_to_another_module_is_found(tmp_path, found):
    other = "from textlattice.data.reader import check\ncheck(1 > 2, 'one must exceed two')\n"
    (tmp_path / "text.py").write_text(other)
    told = [(message.module, message.text) for message in messages.messages(tmp_path)]
    assert ("text.py", "one must exceed two") in told
    assert len(told) == len(found) + 1


def test_the_page_has_a_table_a_part(found):
    page = messages.page(found)
    assert "## Sources and tables" in page
    assert "| ConfigError | part must be positive, got {part}. | `data/reader.py` |" in page
    assert "{message}" not in page


def test_every_message_of_the_package_is_a_sentence_that_helps():
    told = [message.text for message in messages.messages() if message.error != "MissingExtraError"]
    assert len(told) > 150
    helps = ("expected", "must", "need", "got", "cannot", ";", "try", "check", "choose", "again")
    assert [text for text in told if "{" not in text and not any(word in text for word in helps)] == []
