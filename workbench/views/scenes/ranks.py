"""Effective rank of W against covering: over the passes of trainings, and over their scenes."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import holoviews as hv
import numpy as np

from workbench.evaluation.cells import chance
from workbench.evaluation.rendering import Rows, as_markdown
from workbench.evaluation.scenes.ranks import COLUMN, Trajectory, relation
from workbench.runs.files import write_files
from workbench.views import inline
from workbench.views.panels import row
from workbench.views.style import MUTED, as_chart, dots, styled

COLOURS = ("#1467b3", "#d1661c", "#3f8f5b", "#8a56a8")
"""Colours of objectives, in order of appearance; distinguishable for colour-blind readers."""


def rank_pictures(trajectories: Sequence[Trajectory]) -> hv.Layout:
    """Charts over passes on the left, over scenes on the right."""
    return row([over_passes(trajectories), over_scenes(trajectories)], columns=2)


def over_passes(trajectories: Sequence[Trajectory]) -> hv.Overlay:
    """Chart over passes: a line a training, from a hollow dot before its first step to a full one.

    Args:
        trajectories: in the order of the legend.
    """
    dimensions = ("effective rank of W", "best covering")
    lines = [
        styled(
            hv.Curve(each.passes[:, [0, COLUMN["best"]]], *dimensions, label=label),
            common={"color": colour, "alpha": 0.8},
            bokeh={"line_width": 1.8},
            matplotlib={"linewidth": 1.5},
        )
        for each, colour, label in _coloured(trajectories)
    ]
    ends: list[hv.Element] = []
    for colour, own in _by_colour(trajectories).items():
        found = np.stack([each.passes[[0, -1]][:, [0, COLUMN["best"]]] for each in own])
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


def over_scenes(trajectories: Sequence[Trajectory]) -> hv.Overlay:
    """Chart over held-out scenes: change of covering against change of rank, a dot a scene and run.

    Args:
        trajectories: in the order of the legend.
    """
    dimensions = ("change of effective rank", "change of best covering")
    changes = [
        styled(
            hv.Scatter((each.scenes[:, 0], each.scenes[:, COLUMN["best"]]), *dimensions),
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
    found = relation(trajectories)
    title = f"Scene by scene: Spearman's ρ {found.rho:+.2f}"
    return as_chart(
        hv.Overlay([zero, *changes]).relabel(title), xlabel=dimensions[0], ylabel=dimensions[1]
    )


def rank_rows(trajectories: Sequence[Trajectory]) -> Rows:
    """Rows of a table, one an objective: means over its trainings, and correlation over scenes."""
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
    """Write ranks.md with the rows and ranks.png with the charts.

    Args:
        trajectories: at least one.
        folder: folder of the files; made where missing.
    """
    table = as_markdown(rank_rows(trajectories)) + "\n"
    picture = inline.png(rank_pictures(trajectories))
    return write_files(folder, {"ranks.md": table.encode(), "ranks.png": picture})


def _coloured(trajectories: Sequence[Trajectory]) -> Iterator[tuple[Trajectory, str, str]]:
    """Trajectories with the colour of their objective; the first of an objective has its label."""
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
