"""Letters of other scripts that look Latin, put back where they stand in a Latin word."""

import regex

_LATIN = (
    *(
        "aа",
        "cс",
        "eе",
        "hһ",
        "iі",
        "jј",
        "lӏ",
        "oо",
        "pр",
        "qԛ",
        "sѕ",
        "vѵ",
        "wԝ",
        "xх",
        "yу",
        "dԁ",
    ),  # Cyrillic
    *("AА", "BВ", "CС", "EЕ", "HН", "IІ", "JЈ", "KК", "MМ", "OО", "PР", "SЅ", "TТ", "XХ", "YУҮ", "WԜ", "QԚ"),
    *("vν", "oο"),  # Greek; the others, as in TNFα, tell something
    *("AΑ", "BΒ", "EΕ", "ZΖ", "HΗ", "IΙ", "KΚ", "MΜ", "NΝ", "OΟ", "PΡ", "TΤ", "YΥ", "XΧ"),
    *("hհ", "nո", "uս", "oօ"),  # Armenian
    "gɡ",  # the script g, which counts as Latin, too
)
_FOLDED = str.maketrans({other: alike[0] for alike in _LATIN for other in alike[1:]})
_OTHERS = "".join(map(chr, _FOLDED))
_OTHER = regex.compile(f"[{_OTHERS}]")
_WORD = regex.compile(r"[\p{L}\p{M}]+")
_READS_AS_LATIN = regex.compile(rf"(?=.*\p{{Latin}})[\p{{Latin}}{_OTHERS}]+", regex.V1)


def fold_confusables(text: str) -> str:
    """The text with Latin letters for those that look like them, in words that hold Latin letters and such alone.

    A word of another script stays, also one that looks Latin from end to end; so does a word in which a letter of
    another script does not look Latin, or which holds combining marks. Every character stays where it was.

    Source: after the skeletons of Unicode Technical Standard 39, of which these are the letters that look alike in most
    fonts.
    """
    if text.isascii() or not _OTHER.search(text):
        return text
    return _WORD.sub(_folded, text)


def _folded(word: regex.Match[str]) -> str:
    return word[0].translate(_FOLDED) if _READS_AS_LATIN.fullmatch(word[0]) else word[0]
