"""Cells that a spreadsheet would take for a formula, made harmless."""

import regex

# Spreadsheets and people strip spaces, quotes and what is invisible; signs have full-width and small forms too.
_FORMULA = regex.compile(r"[\t\r\n]|[\s\p{Z}\p{C}'\"`‘’“”«»]*[=+\-@＝＋－＠﹦﹢﹣﹫−]")
_NUMBER = regex.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")


def harmless(cell: str) -> str:
    """A cell behind an apostrophe where it begins like a formula, so that it is read as text; a plain number stays."""
    return f"'{cell}" if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell) else cell
