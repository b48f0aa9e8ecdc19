"""Where a page may be written: on a page of ours, never on what is somebody else's unless asked."""

import os

import pytest

from textlattice.app.report.page import check_page, page, write_page
from textlattice.errors import DataError

OURS = page("title", ["<p>body</p>"])
FOREIGN = {
    "a page of another program": "<!doctype html>\n<html><head><title>x</title></head></html>\n",
    "a text": "notes\n",
    "a line end": "\n",
    "the mark far behind": "x" * 1024 + OURS,
    "a page of another generator": OURS.replace('content="textlattice"', 'content="another"'),
    "binary": "\x00\x01\udcff",
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_not_ours_needs_force(tmp_path, name):
    path = tmp_path / "a.html"
    path.write_text(FOREIGN[name], errors="surrogateescape")
    with pytest.raises(DataError, match=r"a\.html is not a page of textlattice .* add --force"):
        check_page(path, force=False)
    check_page(path, force=True)


def test_ours_and_what_is_empty_or_new_is_written(tmp_path):
    path = tmp_path / "a.html"
    for content in (None, "", OURS):
        if content is not None:
            path.write_text(content)
        check_page(path, force=False)
    assert 'name="generator"' in OURS[:1024]


def test_a_link_needs_force_and_is_then_followed(tmp_path):
    for target in ("page", "nothing yet"):
        link = tmp_path / f"{target}.html"
        link.symlink_to(target)
        if target == "page":
            (tmp_path / target).write_text(OURS)
        with pytest.raises(DataError, match=r"is a symbolic link; .* add --force"):
            check_page(link, force=False)
        check_page(link, force=True)
        write_page(link, OURS)
        assert link.is_symlink()
        assert (tmp_path / target).read_text() == OURS


def test_pipes_and_devices_need_none(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for path in ("pipe", "link"):
        check_page(tmp_path / path, force=False)


def test_a_foreign_file_is_refused_before_any_work(cli, tmp_path):
    (tmp_path / "a.html").write_text("notes")
    for words in (("explain", "nowhere", "--text", "x"), ("stress", "nowhere", "nowhere.csv")):
        ran = cli(*words, "--html", tmp_path / "a.html")
        assert ran.code == 1
        assert "is not a page of textlattice" in ran.err
        ran = cli(*words, "--force")
        assert ran.code == 2
        assert "'--force': goes with --html alone" in ran.err
    assert (tmp_path / "a.html").read_text() == "notes"


def test_explain_replaces_its_own_page(cli, tiny_folder, tmp_path):
    (tmp_path / "a.html").write_text("notes")
    words = ("explain", tiny_folder, "--text", "we left: a dull play", "--html", tmp_path / "a.html")
    assert cli(*words).code == 1
    assert cli(*words, "--force").code == 0
    assert cli(*words).code == 0
