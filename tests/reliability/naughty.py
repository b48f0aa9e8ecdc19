"""Texts that break programs: a list of our own by category, and as many more as one wants, drawn from it.

`NAUGHTY` maps a category to its texts; `texts()` are all of them, each once. Nothing here is an instruction to
anything: what looks like code, markup or a query is only to be read as text.
"""

import itertools
import random
import unicodedata

LONE_SURROGATES = [
    "\ud800",
    "\udbff",
    "\udc00",
    "\udfff",
    "before \ud83d after",
    "low first \ude00\ud83d",
    "\ud800" * 50,
    "a\udcffb",
    "é\ud9a5日",
    "word\udc80",
]
"""Texts that no UTF-8 file can hold."""

_SPACES = "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009"
_SPACES += "\u200a\u2028\u2029\u202f\u205f\u3000"
_UNSEEN = "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200c\u200d\u2060\u2061\u2062\u2063\u2064\u206a\u206f"
_UNSEEN += "\u2800\u3164\ufe0e\ufe0f\ufeff\uffa0\ufff9\ufffa\ufffb\U000e0001\U000e0020\U000e007f\U000e0100"
_BIDI = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_MARKS = "".join(map(chr, range(0x300, 0x370)))
_SAMPLE = "How Quickly 19 Daft Zebras Vex"


def _zalgo(word: str, marks: int) -> str:
    return "".join(letter + "".join(itertools.islice(itertools.cycle(_MARKS), marks)) for letter in word)


def _alphabet(start: int) -> str:
    """The sample in an alphabet of 52 letters that begins at a code point, as far as it has them."""
    ordered = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    return "".join(chr(start + ordered.index(letter)) if letter in ordered else letter for letter in _SAMPLE)


NAUGHTY: dict[str, list[str]] = {
    "empty": ["", " ", "  ", " " * 1_000, _SPACES, _UNSEEN, _BIDI, " ".join(_UNSEEN), "\n" * 500],
    "spaces": list(_SPACES),
    "unseen": list(_UNSEEN),
    "spaces inside": [f"left{space}right" for space in _SPACES],
    "unseen inside": [f"left{sign}right" for sign in _UNSEEN],
    "controls": [
        *map(chr, range(0x20)),
        *map(chr, range(0x7F, 0xA0)),
        "a\0b\0",
        "\x1b[31mred\x1b[0m",
        "\x07\x08\x08",
    ],
    "surrogates": LONE_SURROGATES,
    "bidi": [
        *(f"abc{sign}def" for sign in _BIDI),
        "\u202eevil\u202c.exe",
        "\u2066\u2067\u2068 nested \u2069\u2069\u2069",
        "שלום abc 123 עולם",
        "مرحبا abc ١٢٣ بالعالم",
        "\u202e" * 300 + "x",
        "user \u202e\u2066// admin check\u2069 \u2066begin",
    ],
    "marks": [
        _zalgo("doom", 10),
        _zalgo("doom", 250),
        "a" + "\u0301" * 1_000,
        "\u0301" * 1_000,
        "\u0323\u0301" * 600,
        _MARKS,
        "\u0301",
        " \u0308 ",
        "e\u0301\u0323 e\u0323\u0301 \u1eb9\u0301",
        "\u0344\u0340\u0341",
        "1\u20dd2\u20de",
        "क्" * 300,
        "ก็็็็็็็็็็็็",
        "\u094d\u200d\u094d",
        "ẛ̣",
    ],
    "emoji": [
        "😀",
        "👍🏻👍🏼👍🏽👍🏾👍🏿",
        "👨\u200d👩\u200d👧\u200d👦",
        "👩🏽\u200d🔬",
        "🏳\ufe0f\u200d🌈",
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "🇩🇪🇫🇷🇯🇵",
        "🇦",
        "🇦🇧🇨",
        "🇦" * 101,
        "1\ufe0f\u20e3 #\ufe0f\u20e3 *\ufe0f\u20e3",
        "\u20e3",
        "❤\ufe0e ❤\ufe0f ❤",
        "\U0001f3fd",
        "\u200d🔥\u200d",
        "👩\u200d" * 200,
        "👁\ufe0f\u200d🗨\ufe0f",
        "🫥🪿🫨",
        "☠️☢️☣️",
        "😂" * 500,
    ],
    "scripts": [
        "漢字とかなカナが混ざる文。",
        "簡體字与简体字",
        "한국어 문장입니다.",
        "ภาษาไทยไม่มีช่องว่าง",
        "ພາສາລາວ ກຳ",
        "ភាសាខ្មែរគ្មានចន្លោះ",
        "မြန်မာဘာသာ",
        "بِسْمِ اللَّه",
        "می\u200cخواهم کتاب\u200cها",
        "עִבְרִית עם ניקוד",
        "हिन्दी में क्ष और ज्ञ",
        "বাংলা ভাষা ক্ষ",
        "ਪੰਜਾਬੀ ગુજરાતી ଓଡ଼ିଆ",
        "தமிழ் శ్రీ ಕನ್ನಡ മലയാളം",
        "සිංහල ශ්\u200dරී",
        "Ελληνικά πολυτονικό ᾧ",
        "Русский текст ё й",
        "ქართული ᲥᲐᲠᲗᲣᲚᲘ",
        "Հայերեն ﬓ",
        "አማርኛ",
        "ᏣᎳᎩ ꭰꭱ",
        "ᠮᠣᠩᠭᠣᠯ\u180e",
        "བོད་ཡིག་",
        "ꦗꦮ ᬩᬮᬶ",
        "𐌰𐌱𐌲 𓀀𓁐 𒀀𒁀",
        "𞤀𞤣𞤤𞤢𞤥",
        "ᚠᚢᚦ ᚛ᚑᚌ᚜",
        "İstanbul ıI ŞŞ",
        "ǅ ǆ Ǆ ß ẞ ſ",
    ],
    "jamo": [
        "\u1100\u1161\u11a8",
        "\u1100" * 300,
        "\u1161\u11a8",
        "가\u11a8",
        "ㄱㅏㄴ",
        "ﾡﾂ",
        "\ua960\ud7b0\ud7cb",
        "각" * 200,
    ],
    "growth": [
        "\ufdfa",
        "\ufdfa" * 300,
        "\ufdfb \ufdf2",
        "\u0390\u03b0",
        "\U0001d160\U0001d15e",
        "ﬃ ﬁ ﬂ ﬅ ﬆ ﬀ",
        "½ ¼ ㎏ ㍿ ℡ ™ Ⅷ ⑳",
        "Å \u212b A\u030a",
        "\uf900\uf901 \U0002f800",
        "①②③ ｱﾞ ｶﾞ ﾊﾟ",
    ],
    "line ends": [
        "a\r\nb",
        "a\rb",
        "a\u2028b",
        "a\u2029b",
        "a\x85b",
        "a\x0bb\x0cc",
        "\r\n\r\n",
        "a\n\rb",
        "\u2028" * 50,
    ],
    "no characters": [
        "\ufffe",
        "\uffff",
        "\ufdd0\ufdef",
        "\U0001fffe\U0002ffff",
        "\U0010ffff",
        "\U0010fffd",
        "\ue000\uf8ff",
        "\U000f0000\U00100000",
        "\ufffd\ufffc",
        "\U000e0080\U000e01ef",
        "\U00030000\U000323af",
        "\u0378\u0530\u2fe0",
    ],
    "numbers": [
        "0",
        "-0",
        "1e309",
        "-1e-400",
        "NaN",
        "inf",
        "-Infinity",
        "0x7fffffff",
        "9223372036854775808",
        "1.7976931348623159e308",
        "1,000,000.00",
        "1.000.000,00",
        "1_000",
        "٠١٢٣٤",
        "１２３",
        "Ⅻ ↁ",
        "½",
        "1/0",
        "9" * 5_000,
        "1.2.3.4.5.6.7.8",
        "3.14" * 300,
        "1," * 400,
    ],
    "words": [
        "null",
        "None",
        "nil",
        "undefined",
        "true",
        "FALSE",
        "nan",
        "NULL",
        "N/A",
        "-",
        "--",
        "label",
        "text",
        "error",
    ],
    "markup": [
        "<script>say('hello')</script>",
        "<img src=nowhere onerror=say(1)>",
        "\"><b onmouseover='say(2)'>bold</b>",
        "</textarea><svg/onload=say(3)>",
        "<!-- open",
        "<![CDATA[ open",
        "&lt;p&gt; &#0; &#x110000; &nosuch;",
        '<a href="javascript:say(4)">here</a>',
        "<style>*{display:none}</style>",
        "<?xml version='1.0'?><!DOCTYPE d [<!ENTITY e '&e;&e;'>]><d>&e;</d>",
        "<" * 2_000,
        "<div>" * 300,
        "`${say(5)}`",
        "javascript&#58;say(6)",
    ],
    "queries": [
        "'; DROP TABLE answers; --",
        '" OR ""="',
        "1' UNION SELECT name FROM rows--",
        "') OR 1=1 /*",
        "%' AND sleep(9) #",
        '{"$gt": ""}',
        "*)(uid=*))(|(uid=*",
    ],
    "formats": [
        "%s%s%n%x",
        "%(label)s",
        "{0}{1}{label!r}{__class__}",
        "{{7*7}} ${7*7} #{7*7} <%= 7*7 %>",
        "{% for x in y %}",
        "$HOME `id` $(id) ; true && false || echo",
        "\\x41\\u0041\\N{BULLET}\\",
        "\\",
        "%",
        "{",
        "}",
        "{}",
        "[bold red]text[/]",
        "[/nothing]",
        "=1+1",
        "+cmd|' /C calc'!A0",
        "@SUM(A1:A9)",
        "-2+3",
    ],
    "paths": [
        "../../etc/nothing",
        "..\\..\\windows\\nothing",
        "/dev/zero",
        "file:///nowhere",
        "C:\\con\\aux",
        "CON",
        "~root",
        "%2e%2e%2f",
        "a/b\0.txt",
        "http://[::1]:0/?q=#f",
        "//host.invalid/share",
        "builtin:docstrings",
        "hf:owner/name",
        "-",
        "--strict",
    ],
    "tables": [
        "a,b,c",
        '"quoted, with comma"',
        '"open',
        'say ""twice""',
        "tab\tinside",
        "__label__good __label__bad",
        '{"text": "inner", "label": "x"}',
        '[1, 2, {"a": null}]',
        '{"text": NaN}',
        "\ufefftext,label",
        '"' * 99,
        '"' * 100,
        "'" * 100,
        ",,,,,,",
        ";\t|",
        'line one\nline two,"three"\r\nfour',
        "[" * 3_000,
    ],
    "long": [
        "x" * 100_000,
        "x " * 20_000,
        "!" * 20_000,
        "ab" * 20_000,
        " " * 50_000 + "end",
        "語" * 5_000,
        "e\u0301" * 10_000,
        "\u200b" * 20_000 + "end",
        "a'" * 5_000,
        "1." * 5_000,
        "a-" * 5_000,
        "_" * 10_000,
        "😀" * 3_000,
        "the " * 9_000,
        "\U0001f469\u200d" * 2_000,
        "İ" * 5_000,
    ],
    "mixed": [
        "Иvan пaypal аpple gооgle",
        "раураl.com",
        "ⓗⓔⓛⓛⓞ ⒣⒠⒧⒧⒪",
        "ʇxǝʇ uʍop ǝpısdn",
        "ｆｕｌｌ　ｗｉｄｔｈ",
        "sof\u00adt hy\u00adphen",
        "z\u200be\u200br\u200bo w\u200ci\u200dd\u2060th",
        "l33t 5p34k h4x0r",
        "MiXeD cAsE wOrD",
        "don’t ‘quote’ “me” «ici» „so“ 「かぎ」",
        "...?!?!---***___~~~",
        "¿¡§¶†‡•…‰′″‹›€™",
        "∀x∈ℝ: ⌈x⌉ = −⌊−x⌋, α ∧ ¬β = ¬(¬α ∨ β)",
        "ﾟ･✿ヾ╲(｡◕‿◕｡)╱✿･ﾟ",
        "( ͡° ͜ʖ ͡°) ¯\\_(ツ)_/¯ (╯°□°）╯︵ ┻━┻",
        "🅰🅱 🈳 ㊙ ㊗",
        "H₂O x² ŷ ᵗᵉˣᵗ",
        "a\u0338b\u20d2",
        "\u0600\u06dd\u070f١٢",
        "A\u030aÅÅ a\u0308ä",
        "\ufeffbegins with a mark",
        "ends with a joiner\u200d",
    ],
    "alphabets": [_alphabet(0x1D400 + 52 * number) for number in range(13)]
    + [
        "".join(chr(0x1F130 + (ord(letter) - 65) % 26) for letter in "SQUARED"),
        "".join(map(chr, range(0x1D100, 0x1D130))),
    ],
    "one of each": [chr(code) for code in range(0x2580, 0x2FFFF, 0x1031) if not 0xD800 <= code < 0xE000],
}


def texts(*, surrogates: bool = True) -> list[str]:
    """Every text of the list, once.

    Args:
        surrogates: Whether those with a lone surrogate are among them.
    """
    every = dict.fromkeys(itertools.chain.from_iterable(NAUGHTY.values()))
    return [text for text in every if surrogates or is_utf8(text)]


def is_utf8(text: str) -> bool:
    """Whether a file in UTF-8 can hold a text."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def draw(number: int, *, seed: int, longest: int = 400, surrogates: bool = True) -> list[str]:
    """As many more naughty texts as asked for, the same for a seed.

    A third are joined of the pieces of several texts of the list, a third are characters from everywhere, a third
    are plain sentences with naughty characters put in.

    Args:
        number: How many.
        seed: Of the draw.
        longest: Characters at most.
        surrogates: Whether lone surrogates may occur.
    """
    choose = random.Random(seed)
    known = [text for text in texts(surrogates=surrogates) if text]
    hard = [sign for text in known if len(text) < 300 for sign in text]
    plain = [
        "we",
        "saw",
        "the",
        "film",
        "twice",
        "and",
        "it",
        "was",
        "not",
        "as",
        "good",
        "as",
        "the",
        "book",
    ]

    def piece() -> str:
        text = choose.choice(known)
        start = choose.randrange(len(text))
        return text[start : start + choose.randrange(1, 40)]

    def anything() -> str:
        code = choose.choice((0x80, 0x800, 0x3000, 0x10000, 0x110000))
        sign = chr(choose.randrange(code))
        return sign if surrogates or is_utf8(sign) else " "

    def sentence() -> str:
        words = list(" ".join(choose.choices(plain, k=choose.randrange(1, 12))))
        for _ in range(choose.randrange(6)):
            words.insert(choose.randrange(len(words) + 1), choose.choice(hard))
        return "".join(words)

    makers = (
        lambda: choose.choice(("", " ")).join(piece() for _ in range(choose.randrange(1, 8))),
        lambda: "".join(anything() for _ in range(choose.randrange(1, 60))),
        sentence,
    )
    return [_settled(makers[place % 3]()[:longest], choose) for place in range(number)]


def _settled(text: str, choose: random.Random) -> str:
    """Now and then in another Unicode form, for pieces meet there that did not before."""
    form = choose.choice((None, None, None, "NFC", "NFD", "NFKC", "NFKD"))
    return text if form is None else unicodedata.normalize(form, text)
