"""The page of an explanation: escaped, without script, every piece where it belongs."""

import re
from html.parser import HTMLParser

import pytest

from textlattice.app.report import explanation_html
from textlattice.explain.occlusion import Attribution, Explanation, Spelling


def piece(text, word, weight, start=0):
    start = text.index(word, start)
    return Attribution(start=start, end=start + len(word), text=word, weight=weight)


def explanation(text, *words, status="ok", window=1, label="good & new", spellings=()):
    pieces, end = [], 0
    for word, weight in words:
        pieces.append(piece(text, word, weight, end))
        end = pieces[-1].end
    return Explanation(
        text=text,
        answer=label,
        label=label,
        probability=0.875,
        status=status,
        window=window,
        tokens=tuple(pieces),
        spellings=tuple(spellings),
    )


class Page(HTMLParser):
    """Tags, the text of the marked paragraph, and grounds by piece."""

    def __init__(self, content):
        super().__init__()
        self.tags, self.attributes, self.text, self.pieces = [], set(), "", []
        self._in_text = self._in_piece = False
        self.feed(content)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        values = dict(attrs)
        self.attributes |= set(values)
        self._in_text |= values.get("class") == "text"
        if tag == "span" and self._in_text:
            self._in_piece = True
            self.pieces.append([values["style"], values["title"], ""])

    def handle_endtag(self, tag):
        if tag == "span":
            self._in_piece = False
        if tag == "p":
            self._in_text = False

    def handle_data(self, data):
        if self._in_text:
            self.text += data
            if self._in_piece:
                self.pieces[-1][2] += data


def test_nothing_of_the_text_becomes_markup():
    text = "<script>alert('x')</script> & \"q\" </p><img src=x onerror=y>"
    label = "<b onclick='z'>"
    content = explanation_html(explanation(text, ("script", 1.0), ("alert", -0.5), ("q", 0.0), label=label))
    page = Page(content)
    assert page.text == text
    assert not {"script", "img", "b", "a", "link", "iframe"} & set(page.tags)
    assert "<script" not in content
    assert page.attributes <= {
        "lang",
        "charset",
        "http-equiv",
        "name",
        "content",
        "class",
        "dir",
        "style",
        "title",
    }
    assert "default-src 'none'" in content


def test_grounds_follow_the_weights():
    page = Page(explanation_html(explanation("a bb c dd", ("a", 2.0), ("bb", -1.0), ("c", 0.0), ("dd", 0.5))))
    assert [style for style, _, _ in page.pieces] == [
        "background: rgba(33, 102, 172, 0.650)",
        "background: rgba(230, 97, 1, 0.325)",
        "background: rgba(230, 97, 1, 0.000)",
        "background: rgba(33, 102, 172, 0.163)",
    ]
    assert [title for _, title, _ in page.pieces][:2] == ["+2.0000, from 0 to 1", "-1.0000, from 2 to 4"]
    assert [word for _, _, word in page.pieces] == ["a", "bb", "c", "dd"]
    assert page.text == "a bb c dd"


def test_the_head_says_label_and_probability():
    content = explanation_html(explanation("fine", ("fine", 1.0)))
    assert "<h1><bdi>good &amp; new</bdi> <small>(87.5 %)</small></h1>" in content
    assert "<title>Explanation: good &amp; new</title>" in content
    assert "the heaviest here is 1.0000" in content


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_text_is_said_to_be_empty(text):
    content = explanation_html(explanation(text, status="empty"))
    assert "Nothing is left of this text" in content
    assert "speaks for" not in content
    assert Page(content).text == text


def test_windows_are_told():
    content = explanation_html(explanation("a b c", ("a b", 1.0), ("c", 0.0), window=2))
    assert "2 tokens in a row" in content


def test_weights_of_zero_have_no_ground():
    page = Page(explanation_html(explanation("a", ("a", 0.0))))
    assert page.pieces[0][0].endswith("0.000)")


def test_other_scripts_and_what_no_page_may_hold():
    text = "שלום 👍🏽 \x00 \ud800 日本"
    content = explanation_html(explanation(text, ("שלום", 1.0), ("👍🏽", -1.0), ("\x00", 0.1), ("日", 0.2)))
    content.encode()  # no lone surrogate is left
    page = Page(content)
    assert page.text == "שלום 👍🏽 \ufffd \ufffd 日本"
    assert 'dir="auto"' in content


def test_spelled_tokens_have_a_table():
    token = piece("so good", "good", 2.0)
    letters = tuple(
        Attribution(start=3 + place, end=4 + place, text=letter, weight=weight)
        for place, (letter, weight) in enumerate(zip("good", (1.0, -0.5, 0.0, 0.25), strict=True))
    )
    content = explanation_html(
        explanation("so good", ("good", 2.0), spellings=[Spelling(token=token, characters=letters)])
    )
    row = re.search(r"<tr><td class=\"spelled\".*?</tr>", content)[0]
    assert re.sub(r"<[^>]+>", " ", row).split() == ["g", "o", "o", "d", "+2.0000"]
    assert "-0.5000, from 4 to 5" in row
    assert "character by character" in content


@pytest.mark.parametrize("sign", ["\u202e", "\u2066", "\u2067", "\u200f"])
def test_a_label_or_name_reorders_nothing_beside_it(sign):
    label = f"a{sign}b"
    content = explanation_html(explanation("fine", ("fine", 1.0), label=label), {label: 0.5})
    title = content.partition("<title>")[2].partition("</title>")[0]
    assert title == f"Explanation: a\\u{ord(sign):04x}b"
    assert content.count(sign) == content.count(f"<bdi>a{sign}b</bdi>") == 3
