"""Views of a hyper-parameter search: table of trials, and error against each parameter."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import holoviews as hv
from markupsafe import Markup

from workbench.evaluation.cells import number, percent
from workbench.evaluation.rendering import Rows, as_html, as_markdown
from workbench.runs.files import write_files
from workbench.views import inline
from workbench.views.style import AFTER, BEFORE, INK, as_chart, styled
from workbench.views.templating import render

LOGARITHMIC = ("learning_rate", "head_multiplier", "weight_decay", "epsilon")
"""Parameters drawn on a logarithmic axis."""


def trials_table(values: Mapping[str, Any]) -> Rows:
    """Rows of all trials, the best first, trials that were ended early after the complete ones.

    Args:
        values: values of `experiments.regions.tuning.results`.
    """
    names = list(values["own"])
    header = ["trial", *(each.replace("_", " ") for each in names), "held-out error", "loss",
              "passes", "minutes"]  # fmt: skip
    body = []
    for trial in sorted(values["trials"], key=_order):
        error = trial["errors"][-1] if trial["errors"] else None
        mark = {"complete": "", "pruned": " ended early", "diverged": " diverged"}[trial["state"]]
        mark = " ← chosen" if trial["number"] == values["best"] else mark
        body.append(
            [
                f"{trial['number']}{mark}",
                *(f"{trial['values'][name]:g}" for name in names),
                "–" if error is None else f"{percent(error)} %",
                number(trial["loss"]),
                f"{len(trial['errors'])}",
                number(trial["minutes"], ".1f"),
            ]
        )
    return [header, *body]


def search_chart(values: Mapping[str, Any], name: str) -> hv.Overlay:
    """Held-out error of every trial against one searched parameter.

    Full dots are complete trials, the ringed one was chosen; hollow dots were ended early and show
    their error at that time. Trials that diverged are left out.

    Args:
        values: values of `experiments.regions.tuning.results`.
        name: name of the parameter.
    """
    shown = [
        trial for trial in values["trials"] if trial["state"] != "diverged" and trial["errors"]
    ]
    points = {
        state: [
            (trial["values"][name], 100 * trial["errors"][-1])
            for trial in shown
            if (trial["state"] == "complete") is ended
        ]
        for state, ended in (("ended early", False), ("trained to the end", True))
    }
    chosen = [
        (trial["values"][name], 100 * trial["errors"][-1])
        for trial in shown
        if trial["number"] == values["best"]
    ]
    label = name.replace("_", " ")
    dimensions = (label, "held-out error")
    layers = [
        _dots(points["ended early"], dimensions, "white", BEFORE, 7, "ended early"),
        _dots(points["trained to the end"], dimensions, AFTER, AFTER, 7, "trained to the end"),
        _dots(chosen, dimensions, AFTER, INK, 11, "chosen"),
    ]
    return as_chart(
        hv.Overlay(layers).relabel(f"{values['column']}: error against {label}"),
        logx=name in LOGARITHMIC,
        xlabel=label,
        ylabel="held-out error, %",
        legend_position="right",
    )


def write_tuning(values: Mapping[str, Any], folder: Path, title: str, command: str) -> list[Path]:
    """Write tuning.md, tuning.html and a tuning-….png for each parameter.

    Args:
        values: values of `experiments.regions.tuning.results`.
        folder: folder of the files.
        title: title of the page.
        command: command that trains with the found values.
    """
    table = trials_table(values)
    charts = {name: search_chart(values, name) for name in values["own"]}
    page = render(
        "tuning.html",
        title=title,
        charts=[Markup(inline.chart(each)) for each in charts.values()],
        table=Markup(as_html(table)),
        command=command,
    )
    contents = {
        "tuning.md": f"# {title}\n\n{as_markdown(table)}\n\n```sh\n{command}\n```\n".encode(),
        "tuning.html": page,
        **{f"tuning-{n.replace('_', '-')}.png": inline.png(each) for n, each in charts.items()},
    }
    return write_files(folder, contents)


def _order(trial: Mapping[str, Any]) -> tuple[Any, ...]:
    ended = trial["error"] is not None
    last = trial["errors"][-1] if trial["errors"] else 1.0
    return (not ended, -len(trial["errors"]), last, trial["loss"] or 0.0, trial["number"])


def _dots(
    points: list[tuple[float, float]], dimensions: tuple[str, str], fill: str, edge: str, size: int,
    label: str,
) -> hv.Scatter:  # fmt: skip
    return styled(
        hv.Scatter(points, *dimensions, label=label),
        common={"color": fill},
        bokeh={"size": size, "line_color": edge, "line_width": 1.5},
        matplotlib={"s": size**2 // 2, "edgecolors": edge, "linewidth": 1.2},
    )
