"""Pages for a browser: self-contained, without script."""

from textlattice.app.report.explanation import explanation_html

__all__ = ["explanation_html"]
