"""Several runs beside each other: where their configurations differ, and one chart for all."""

from collections.abc import Iterator, Mapping
from typing import Any

import holoviews as hv
import pandas as pd

from workbench.views.scenes.ranks import COLOURS
from workbench.views.style import as_chart, styled
from workbench.views.training.curves import smoothed
from workbench.views.training.decimate import thinned

ABSENT = "–"
_FEW = 30
"""Measurements of one training up to which each is a dot: passes, not steps."""


def config_differences(configs: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """A row for each setting in which not all configurations agree, a column for each of them.

    Args:
        configs: by name; settings of settings are named with a dot: architecture.backbone.
    """
    flat = {name: dict(_flat(config)) for name, config in configs.items()}
    settings = dict.fromkeys(setting for each in flat.values() for setting in each)
    rows = {
        setting: [each.get(setting, ABSENT) for each in flat.values()]
        for setting in settings
        if len({repr(each.get(setting, ABSENT)) for each in flat.values()}) > 1
    }
    table = pd.DataFrame.from_dict(rows, orient="index", columns=list(flat), dtype=object)
    return table.rename_axis("setting")


def curves_together(metrics: Mapping[str, pd.DataFrame], name: str, title: str = "") -> hv.Overlay:
    """One measurement of all runs that took it: running means of what was measured at every step.

    Args:
        metrics: `Run.metrics()` by the run's name; their colours repeat after the fourth.
        name: of the measurement.
        title: what one sees.
    """
    drawn: list[hv.Element] = []
    for i, (run, table) in enumerate(metrics.items()):
        values = table.get(name, pd.Series(dtype=float)).dropna()
        few = len(values) <= _FEW
        shown = values if few else thinned(smoothed(values))
        colour = COLOURS[i % len(COLOURS)]
        drawn.append(
            styled(
                hv.Curve((shown.index, shown), "step", name, label=run),
                common={"color": colour},
                bokeh={"line_width": 2},
                matplotlib={"linewidth": 1.8},
            )
        )
        if few:
            drawn.append(
                styled(
                    hv.Scatter((shown.index, shown), "step", name, label=run),
                    common={"color": colour},
                    bokeh={"size": 6},
                    matplotlib={"s": 16},
                )
            )
    words = title or name.replace("_", " ")
    return as_chart(
        hv.Overlay(drawn).relabel(words), ylabel=name.replace("_", " "), legend_position="right"
    )


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value
