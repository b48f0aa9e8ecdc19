"""Texts that steer a terminal or that a spreadsheet takes for a formula."""

from collections.abc import Iterator

CONTROLS = [chr(code) for code in (*range(1, 9), 0x0B, *range(0x0E, 0x20), *range(0x7F, 0xA0))]
BIDI = list("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
UNSEEN = list(
    "\u00ad\u034f\u115f\u1160\u180e\u200b\u200c\u200d\u2028\u2029\u2060\u2064\u206f\u2800\u3164\ufeff\uffa0"
)
UNSEEN += list("\ufff9\ufffb\U000e0001\U000e0041\U000e007f\U000f0000\U0001d173\ue000")
STEERING = [*CONTROLS, *BIDI, *UNSEEN]
"""Characters that no terminal may be sent, alone; tab and line ends aside, which text of ours has too."""

FORMULAS = (
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    '=HYPERLINK("http://x.invalid","here")',
    "=cmd|' /C calc'!A0",
    "-",
    "+",
)
_BEFORE = ("", " ", "   ", "\u00a0", "\u3000", "\u200b", "\ufeff", '"', "'", "' ", "\n ", "“", "\t", "\r")
_WIDE = str.maketrans("=+-@", "＝＋－＠")
_SMALL = str.maketrans("=+-@", "﹦﹢﹣﹫")

PLAIN = (
    "",
    "a film",
    "1",
    "-1",
    "+2.5",
    "-.5e-3",
    "a=b",
    "a@b",
    "1-1",
    "(-1)",
    "#=1",
    "étoile",
    "{}",
    "[1]",
    "'a",
)
"""What no spreadsheet takes for a formula."""


def steering_cases() -> Iterator[tuple[str, str]]:
    """Texts with one such character each, and some that use several, by name."""
    for sign in STEERING:
        yield f"U+{ord(sign):04X}", f"before {sign}after"
    yield "colours", "\x1b[31mred\x1b[0m"
    yield "title of the window", "\x1b]0;owned\x07"
    yield "title, one byte", "\x9d0;owned\x9c"
    yield "hidden link", "\x1b]8;;http://x.invalid\x1b\\here\x1b]8;;\x1b\\"
    yield "reversed name", "gpj.\u202eexe.scr"
    yield "Trojan source", "user \u202e\u2066// admin check\u2069 \u2066begin"
    yield "tags", "hi" + "".join(chr(0xE0000 + ord(letter)) for letter in "ignore this")


def formula_cases() -> Iterator[tuple[str, str]]:
    """Cells that a spreadsheet may take for a formula, by name."""
    for formula in FORMULAS:
        for before in _BEFORE:
            yield f"{before + formula!a}", before + formula
        yield f"full width {formula!a}", formula.translate(_WIDE)
        yield f"small {formula!a}", formula.translate(_SMALL)
    for lead in "\t\r\n":
        yield f"{lead!a} alone", f"{lead}text"
