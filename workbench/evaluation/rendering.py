"""Lengths of time in words; rows of cells as a table in text, markdown and HTML."""

from collections.abc import Sequence
from html import escape

Rows = Sequence[Sequence[str]]
"""Cells of a table, the header first; the first column holds names, the others figures."""


def duration(seconds: float | None, *, measured: bool = False) -> str:
    """A length of time for people: 40 s, 3 min, 2 h 05 min; a dash where it is not known.

    Args:
        seconds: how long.
        measured: three digits in the unit that reads best instead: 125 s, 1.25 ms, 3.1 µs.
    """
    if seconds is None:
        return "–"
    if measured:
        unit, scale = ("s", 1) if seconds >= 1 else ("ms", 1e3) if seconds >= 1e-3 else ("µs", 1e6)
        return f"{seconds * scale:.3g} {unit}"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def as_text(rows: Rows) -> str:
    """Text table: columns aligned by spaces, names to the left, figures to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def line(row: Sequence[str]) -> str:
        name, *figures = (
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        return "  ".join([name, *figures]).rstrip()

    rule = "  ".join("─" * width for width in widths)
    return "\n".join([line(rows[0]), rule, *map(line, rows[1:])])


def as_markdown(rows: Rows) -> str:
    """Table in GitHub's markdown."""
    rule = ["---"] + ["---:"] * (len(rows[0]) - 1)
    cells = [[cell.replace("|", r"\|") for cell in row] for row in (rows[0], rule, *rows[1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def as_html(rows: Rows) -> str:
    """HTML table element."""

    def line(row: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row) + "</tr>"

    body = "".join(line(row, "td") for row in rows[1:])
    return f"<table><thead>{line(rows[0], 'th')}</thead><tbody>{body}</tbody></table>"
