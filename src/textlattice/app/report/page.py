"""The frame of every page: self-contained, without script, nothing fetched."""

from collections.abc import Iterable, Sequence
from html import escape

_STYLE = """
body { font: 16px/1.6 system-ui, sans-serif; color: #111; background: #fff; }
body { max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.3rem; } h2 { font-size: 1.05rem; margin-top: 2rem; }
.note, .legend { color: #444; font-size: 0.9rem; }
table { border-collapse: collapse; }
td, th { padding: 0.25rem 0.9rem 0.25rem 0; text-align: left; vertical-align: baseline; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
""".strip()


def page(title: str, body: Sequence[str], *, style: str = "") -> str:
    """A page in HTML.

    Args:
        title: Escaped already, as is the body.
        body: Parts, a line each.
        style: Rules beside those of every page.
    """
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>\n{_STYLE}\n{style}\n</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first column is words and whose others are numbers; all are escaped here."""
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join(
        f"<tr><td>{escape(first)}</td>"
        + "".join(f'<td class="number">{escape(cell)}</td>' for cell in rest)
        + "</tr>"
        for first, *rest in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"
