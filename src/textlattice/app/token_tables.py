"""What commands say of token tables, and which of them fit a training."""

from pathlib import Path
from typing import Any

from textlattice.app import records
from textlattice.config import TextConfig
from textlattice.errors import ConfigError
from textlattice.runtime.token_table import TokenTable, licence_of, read_token_table
from textlattice.text.hf_tokenizer import FileTokenizer

_KEYED_BY = ("normalisation", "lowercase_keys")


def table_for(path: Path, config: TextConfig, tokenizer: FileTokenizer | None) -> TokenTable:
    """The table in a file, for a model with these text settings whose texts this tokenizer cuts; None cuts words.

    Raises:
        ArtefactError: The file cannot be read.
        ConfigError: It says that it was made for other text settings or another tokenizer, so for other tokens.
        DataError: What it holds is no table.
    """
    table = read_token_table(path)
    check_table(table, config, tokenizer, f"token table {path}")
    return table


def check_table(
    table: TokenTable, config: TextConfig, tokenizer: FileTokenizer | None, where: str = "token table"
) -> None:
    """Does nothing where a table, as far as it says, was made for these text settings and this tokenizer.

    Raises:
        ConfigError: It was made for others.
    """
    made_for = table.record.get("text")
    for name in _KEYED_BY:
        ours = getattr(config, name)
        if isinstance(made_for, dict) and made_for.get(name, ours) != ours:
            raise ConfigError(
                f"{where}: expected one made with text.{name}={ours}, got {made_for[name]}; make it again "
                f"with --set text.{name}={ours}, or train with --set text.{name}={made_for[name]}."
            )
    made_by, ours = table.record.get("tokenizer"), None if tokenizer is None else tokenizer.digest
    if "tokenizer" in table.record and made_by != ours:
        found, wanted = (
            "words" if digest is None else f"the tokens of a tokenizer file (digest {str(digest)[:12]})"
            for digest in (made_by, ours)
        )
        raise ConfigError(
            f"{where}: expected one made for {wanted}, got one for {found}; give token-table and train the same "
            "--tokenizer, or none to both."
        )


def table_figures(table: TokenTable) -> dict[str, Any]:
    """Size of a table, and its record."""
    return {
        "num_words": len(table.keys),
        "dim": table.dim,
        "bytes": table.num_bytes,
        "record": records.plain(table.record),
    }


def record_rows(figures: dict[str, Any]) -> list[tuple[str, str]]:
    """Size and record in words."""
    record = figures["record"]
    rows = [
        ("words", f"{figures['num_words']:,}"),
        ("numbers in a vector", f"{figures['dim']:,}"),
        ("size", f"{figures['bytes'] / 1e6:,.1f} MB"),
    ]
    if not record:
        return [*rows, ("made from", "not stated")]
    rows += [
        ("made from", str(record.get("source"))),
        ("licence", licence_of(record)),
    ]
    names = {
        "vectors": "vectors",
        "method": "method",
        "variance_kept": "share of variance kept",
        "weights": "weights",
        "scale": "scale",
        "seed": "seed",
        "tokenizer": "tokenizer",
        "made": "made",
        "made_by": "by",
        "digest": "digest",
    }
    rows += [(words, str(record[name])) for name, words in names.items() if record.get(name) is not None]
    if texts := records.part(record, "texts"):
        counted = texts.get("num_tokens", 0)
        tokens = f" ({counted:,} tokens)" if records.is_number(counted) else ""
        rows.append(("texts", f"{_sources(texts)}{tokens}"))
    if lexicon := records.part(record, "lexicon"):
        sources = _sources(lexicon)
        rows.append(("lexicon", f"{sources} (licence: {licence_of(lexicon)})"))
    return rows


def _sources(record: dict[str, Any]) -> str:
    sources = record.get("sources")
    return ", ".join(map(str, sources if isinstance(sources, list) else [sources or "?"]))


def licences_of(record: dict[str, Any]) -> str:
    """Licence of what a table was made from, and of its scores where they come from elsewhere."""
    licence, lexicon = licence_of(record), record.get("lexicon")
    if isinstance(lexicon, dict) and lexicon.get("digest") != record.get("digest"):
        return f"{licence}, of its scores {licence_of(lexicon)}"
    return licence
