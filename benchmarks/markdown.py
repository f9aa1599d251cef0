"""Lines of Markdown: tables, and paragraphs of the documents' width."""

import textwrap
from collections.abc import Sequence

WIDTH = 104  # of a paragraph, in characters


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table.

    >>> table(["", "bpp"], [["AVIF", "0.1"]])
    ['|  | bpp |', '| --- | --- |', '| AVIF | 0.1 |']
    """
    lines = [heads, ["---"] * len(heads), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def paragraph(*parts: str) -> list[str]:
    """Text in lines, between empty lines."""
    return ["", *textwrap.wrap(" ".join(parts), WIDTH), ""]


def number(value: float | None, digits: int = 2) -> str:
    """A number, or a dash where there is none.

    >>> number(26.744, 1), number(None)
    ('26.7', '-')
    """
    return "-" if value is None else f"{value:.{digits}f}"
