"""Comparison of runs: differing settings, and one chart for all."""

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
"""Largest number of measurements that are drawn as dots: one a pass, not one a step."""


def config_differences(configs: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Table of differing settings: a row for each setting, a column for each configuration.

    Args:
        configs: configurations by name; nested settings have dotted names: architecture.backbone.
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
    """Chart of one measurement of several runs; measurements of every step as running means.

    Args:
        metrics: `Run.metrics()` by the run's name; colours repeat after the fourth.
        name: name of the measurement.
        title: title of the chart.
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
