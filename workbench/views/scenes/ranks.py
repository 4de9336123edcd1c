"""Effective rank of W against covering: over the passes of trainings, and over their scenes."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import holoviews as hv
import numpy as np

from workbench.evaluation.cells import chance
from workbench.evaluation.rendering import Rows, as_markdown
from workbench.evaluation.scenes.ranks import COLUMN, Measure, Trajectory, relation
from workbench.runs.files import write_files
from workbench.views import inline
from workbench.views.panels import row
from workbench.views.style import MUTED, as_chart, dots, styled

COLOURS = ("#1467b3", "#d1661c", "#3f8f5b", "#8a56a8")
"""Of objectives, in the order of their appearance; told apart by colour-blind readers too."""


def rank_pictures(trajectories: Sequence[Trajectory], measure: Measure = "best") -> hv.Layout:
    """Both charts: passes on the left, scenes on the right."""
    return row([over_passes(trajectories, measure), over_scenes(trajectories, measure)], columns=2)


def over_passes(trajectories: Sequence[Trajectory], measure: Measure = "best") -> hv.Overlay:
    """A line a training, from the hollow dot before its first step to the full one at its end.

    Args:
        trajectories: in the order of the legend.
        measure: which covering.
    """
    dimensions = ("effective rank of W", f"{measure} covering")
    lines = [
        styled(
            hv.Curve(each.passes[:, [0, COLUMN[measure]]], *dimensions, label=label),
            common={"color": colour, "alpha": 0.8},
            bokeh={"line_width": 1.8},
            matplotlib={"linewidth": 1.5},
        )
        for each, colour, label in _coloured(trajectories)
    ]
    ends: list[hv.Element] = []
    for colour, own in _by_colour(trajectories).items():
        found = np.stack([each.passes[[0, -1]][:, [0, COLUMN[measure]]] for each in own])
        ends += [
            dots(found[:, 0], dimensions, "white", colour, (8, 28)),
            dots(found[:, 1], dimensions, colour, colour, (8, 28)),
        ]
    return as_chart(
        hv.Overlay([*lines, *ends]).relabel("Held-out scenes, pass by pass"),
        legend_position="bottom_left",
        legend_limit=len(lines) + len(ends),
        padding=0.08,
    )


def over_scenes(trajectories: Sequence[Trajectory], measure: Measure = "best") -> hv.Overlay:
    """A dot a held-out scene and training: what its rank and its covering have changed by.

    Args:
        trajectories: in the order of the legend.
        measure: which covering.
    """
    dimensions = ("change of effective rank", f"change of {measure} covering")
    changes = [
        styled(
            hv.Scatter((each.scenes[:, 0], each.scenes[:, COLUMN[measure]]), *dimensions),
            common={"color": colour, "alpha": 0.55},
            bokeh={"size": 6},
            matplotlib={"s": 16, "linewidth": 0},
        )
        for each, colour, _ in _coloured(trajectories)
    ]
    zero = styled(
        hv.HLine(0),
        common={"color": MUTED},
        bokeh={"line_width": 1},
        matplotlib={"linewidth": 0.8},
    )
    found = relation(trajectories, measure)
    title = f"Scene by scene: Spearman's ρ {found.rho:+.2f}"
    return as_chart(
        hv.Overlay([zero, *changes]).relabel(title), xlabel=dimensions[0], ylabel=dimensions[1]
    )


def rank_rows(trajectories: Sequence[Trajectory]) -> Rows:
    """A row an objective: means over its trainings, and how scenes' changes go together."""
    rows = [
        ["objective", "trainings", "effective rank", "best covering", "average covering",
         "ρ (rank, best)", "p", "ρ (rank, average)", "p"]
    ]  # fmt: skip
    for objective in dict.fromkeys(each.objective for each in trajectories):
        own = [each for each in trajectories if each.objective == objective]
        first = np.mean([each.passes[0] for each in own], axis=0)
        last = np.mean([each.passes[-1] for each in own], axis=0)
        cells = [objective, str(len(own)), f"{first[0]:.1f} → {last[0]:.1f}"]
        cells += [f"{first[i]:.3f} → {last[i]:.3f}" for i in COLUMN.values()]
        for measure in COLUMN:
            found = relation(own, measure)
            cells += [f"{found.rho:+.2f}", chance(found.p)]
        rows.append(cells)
    return rows


def write_ranks(trajectories: Sequence[Trajectory], folder: Path) -> list[Path]:
    """Write ranks.md, the rows, and ranks.png, the charts.

    Args:
        trajectories: at least one.
        folder: where to; made if it is not there.
    """
    table = as_markdown(rank_rows(trajectories)) + "\n"
    picture = inline.png(rank_pictures(trajectories))
    return write_files(folder, {"ranks.md": table.encode(), "ranks.png": picture})


def _coloured(trajectories: Sequence[Trajectory]) -> Iterator[tuple[Trajectory, str, str]]:
    """Each with the colour of its objective, whose first one has the label."""
    colours: dict[str, str] = {}
    for each in trajectories:
        new = each.objective not in colours
        colours.setdefault(each.objective, COLOURS[len(colours) % len(COLOURS)])
        yield each, colours[each.objective], each.objective if new else ""


def _by_colour(trajectories: Sequence[Trajectory]) -> dict[str, list[Trajectory]]:
    found: dict[str, list[Trajectory]] = {}
    for each, colour, _ in _coloured(trajectories):
        found.setdefault(colour, []).append(each)
    return found
