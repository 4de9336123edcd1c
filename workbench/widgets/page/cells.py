"""Cells of the table of runs: words, small pictures and templates of formatters.

Text that somebody else wrote is never in a cell that is HTML: names, configurations and errors are
text for the page, or are escaped here.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from pipelines.errors import UserError

_DOT = '<span style="color:{}" title="{}">{}</span>'
MARKS = {
    "live": _DOT.format("#2e9e5b", "live", "●"),
    "paused": _DOT.format("#d98c00", "paused", "‖"),
    "finished": _DOT.format("#6d737c", "finished", "✓"),
    "interrupted": _DOT.format("#6d737c", "interrupted", "■"),
    "failed": _DOT.format("#c62828", "failed", "✕"),
    "lost": _DOT.format("#c62828", "lost: its process died", "○"),
    "damaged": _DOT.format("#c62828", "damaged", "⚠"),
}
"""Marks of the states of runs, HTML."""
BAR = (
    "<% if (value != null && !isNaN(value)) { %>"
    '<div style="position:relative;height:14px;background:#8883;border-radius:2px">'
    '<div style="height:100%;border-radius:2px;background:#4c8dca99;'
    'width:<%= Math.min(100, 100 * value) %>%"></div>'
    '<span style="position:absolute;inset:0;text-align:center;line-height:14px;font-size:10px">'
    "<%= Math.floor(100 * value) %> %</span></div><% } %>"
)
"""Template of a bar, of a part from 0 to 1."""
DURATION = (
    '<%= value == null || isNaN(value) ? "" : value < 5 ? "<5 s" : value < 90 ? '
    'Math.round(value) + " s" : value < 5400 ? Math.round(value / 60) + " min" : value < 129600 ? '
    '(value / 3600).toFixed(1) + " h" : (value / 86400).toFixed(1) + " d" %>'
)
"""Template of a time in seconds."""
_WIDTH, _HEIGHT = 80, 16
_NAMED = 10
"""Largest number of unreadable runs that are listed at once."""


def sparkline(values: Sequence[float]) -> str:
    """Small line through values, SVG."""
    low, high = min(values), max(values)
    scale = (_HEIGHT - 4) / ((high - low) or 1.0)
    apart = (_WIDTH - 4) / max(1, len(values) - 1)
    points = " ".join(
        f"{2 + i * apart:.0f},{_HEIGHT - 2 - (value - low) * scale:.1f}"
        for i, value in enumerate(values)
    )
    drawn = (
        f'<polyline points="{points}" fill="none" stroke="#2b7bba" stroke-width="1.3"/>'
        if len(values) > 1
        else f'<circle cx="{_WIDTH // 2}" cy="{_HEIGHT // 2}" r="2" fill="#2b7bba"/>'
    )
    return f'<svg width="{_WIDTH}" height="{_HEIGHT}">{drawn}</svg>'


def rounded_seconds(seconds: float | None) -> float | None:
    """Time to the last digit that is shown, so that a cell changes only where its text does."""
    if seconds is None:
        return None
    unit = 5 if seconds < 90 else 60 if seconds < 5400 else 360
    return float(max(0, seconds // unit * unit))


def plain_value(value: Any) -> Any:
    """Value of a configuration for a cell: a number, or text."""
    return value if isinstance(value, int | float | str) or value is None else str(value)


def reason(error: Exception) -> str:
    """Reason why a run cannot be read, as text."""
    if isinstance(error, UserError):
        return str(error)
    return f"{type(error).__name__}: {error}"


def unreadable(reasons: Mapping[str, str]) -> str:
    """Names of runs that cannot be read, with the reasons, HTML; "" where there is none."""
    if not reasons:
        return ""
    rows = [f"<li><b>{escape(name)}</b>: {escape(why)}</li>" for name, why in reasons.items()]
    more = len(rows) - _NAMED
    rows = rows[:_NAMED] + ([f"<li>and {more} more, marked ⚠ in the table</li>"] * (more > 0))
    words = "1 run cannot be read" if len(reasons) == 1 else f"{len(reasons)} runs cannot be read"
    return (
        f'<details style="font-size:12px;color:#c62828"><summary>{words}</summary>'
        f'<ul style="margin:2px 0 2px 16px;padding:0">{"".join(rows)}</ul></details>'
    )
