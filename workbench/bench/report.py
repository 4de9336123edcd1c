"""Report of a benchmark as text, markdown, JSON and a plot."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from workbench.bench.records import Curves, Row, Target
from workbench.evaluation.rendering import Rows, as_markdown, as_text, duration
from workbench.runs.provenance import commit_in_words


@dataclass(frozen=True)
class Report:
    """Report of one run of a benchmark.

    Attributes:
        name: name of the benchmark, as "layers".
        rows: figures in the order in which they were measured.
        targets: promises with the figures found.
        notes: sentences on missing peers and on the limits of the figures.
        provenance: origin of the figures, see `runs.provenance`.
        curves: curves to draw.
    """

    name: str
    rows: tuple[Row, ...]
    targets: tuple[Target, ...]
    notes: tuple[str, ...]
    provenance: dict[str, Any]
    curves: tuple[Curves, ...] = field(default=())

    def measured(self) -> Rows:
        """Table of figures."""
        header = ["case", "method", "time", "× ours", "peak memory", "error", "floor"]
        return [
            header,
            *(
                [
                    row.case,
                    row.method,
                    duration(row.seconds, measured=True),
                    "–" if row.ratio is None else _figure(row.ratio),
                    "–" if row.peak is None else f"{row.peak / 2**20:.1f} MiB",
                    "–" if row.error is None else f"{row.error:.1e}",
                    row.floor,
                ]
                for row in self.rows
            ),
        ]

    def promised(self) -> Rows:
        """Table of targets."""
        words = {True: "met", False: "missed", None: "not judged"}
        return [
            ["target", "found", ""],
            *([target.name, target.found, words[target.met]] for target in self.targets),
        ]

    def curve_rows(self, curves: Curves) -> Rows:
        """Table of the curves of one plot."""
        header = [f"{curves.title}: error at {curves.axis}"]
        header += ["tie" if point == 0 else f"{point:.0e}" for point in curves.at]
        return [
            header,
            *([name, *(f"{e:.0e}" for e in errors)] for name, errors in curves.errors.items()),
        ]

    def tables(self) -> list[Rows]:
        """All tables, in order."""
        return [self.measured(), *map(self.curve_rows, self.curves), self.promised()]

    def to_text(self) -> str:
        """Text for a terminal."""
        return "\n\n".join([*map(as_text, self.tables()), *self.notes, self._origin()])

    def to_markdown(self) -> str:
        """Markdown for a README."""
        notes = "\n".join(f"- {note}" for note in (*self.notes, self._origin()))
        return "\n\n".join([*map(as_markdown, self.tables()), notes]) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for strict JSON: NaN and infinities are strings."""
        values: dict[str, Any] = json.loads(json.dumps(asdict(self)), parse_constant=str)
        return values

    def save(self, folder: Path) -> list[Path]:
        """Write name.txt, name.md, name.json and a plot of the curves; their paths."""
        from workbench.bench.plot import draw  # matplotlib takes a second

        folder.mkdir(parents=True, exist_ok=True)
        texts = {
            "txt": self.to_text() + "\n",
            "md": self.to_markdown(),
            "json": json.dumps(self.to_dict(), indent=1, ensure_ascii=False) + "\n",
        }
        paths = []
        for suffix, text in texts.items():
            paths.append(folder / f"{self.name}.{suffix}")
            paths[-1].write_text(text, encoding="utf-8")
        if self.curves:
            paths.append(folder / f"{self.name}.png")
            draw(self.curves, paths[-1])
        return paths

    def _origin(self) -> str:
        machine = self.provenance["machine"]
        where = machine["device"] or machine["cpu"]
        return (
            f"{machine['host']}, {where}, {machine['threads']} thread(s), "
            f"commit {commit_in_words(self.provenance)}, {self.provenance['started']}"
        )


def _figure(value: float) -> str:
    return f"{value:,.0f}" if 100 <= value < 1e7 else f"{value:.3g}"


def at_least(name: str, found: float | None, bound: float, words: str) -> Target:
    """Target that is met where the figure reaches the bound; `words` has a place {} for it."""
    if found is None or math.isnan(found):
        return Target(name, "–", None)
    return Target(name, words.format(_figure(found)), found >= bound)


def at_most(name: str, found: float | None, bound: float, words: str) -> Target:
    """Target that is met where the figure does not exceed the bound."""
    if found is None:
        return Target(name, "–", None)
    return Target(name, words.format(_figure(found)), found <= bound)


def find(rows: Sequence[Row], case: str, method: str) -> Row | None:
    """Row of that case and method; None where it was not measured."""
    return next((row for row in rows if row.case == case and row.method == method), None)
