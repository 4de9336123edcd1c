"""Table and pictures of `workbench pooling`: errors with intervals, and by pass."""

from collections.abc import Mapping
from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd
from markupsafe import Markup

from workbench.evaluation.cells import chance, difference, interval, number, percent
from workbench.evaluation.rendering import Rows
from workbench.views.style import AFTER, BEFORE, COLOURS, as_chart, dots, line, styled
from workbench.views.tables import PAPER, CloseUp, TableView, places, row_chart

LEAD = PAPER + Markup(
    ": its second-order pooling layer beside average pooling and AlexNet-like pooling, trained "
    "from scratch on small images at equal parameters and passes."
)
NOTES = (
    "Error: share of test images whose class was not predicted, mean over seeds. Images: 95 % "
    "interval, bootstrap over test images with these trainings; seeds: Student’s 95 % interval "
    "over the seeds. Differences are paired, image by image and seed by seed; p resamples images.",
    "Train error: on augmented images while the network learnt, mean of the last pass. Where it "
    "is far below the test error, data are the limit.",
    "All networks have the same convolutions but for the channels of the last one, which with the "
    "layers behind it make the numbers of parameters equal (`models.pooled_cnn`).",
    "The learning rate of each column had the least held-out error of three rates, in trainings of "
    "a third of the passes with seed 0. Held-out images are a tenth of the training images. Test "
    "images chose nothing and were looked at once.",
    "Where the chosen rate is the largest or the smallest that was tried, a better one may lie "
    "beyond.",
    "Seconds a pass: processor time of one thread for batches, gradients and steps, on a machine "
    "that others used too.",
    "The default width and passes were chosen by cost, before any test image was looked at: all "
    "seeds of the columns with all images, and the choice of their rates, take about a quarter of "
    "an hour of one core that nothing else uses.",
    "To make it again: `workbench pooling --store stores/cifar10.zarr --out runs/pooling "
    "--precision bf16-mixed`.",
)


def errors(values: Mapping[str, Any]) -> Rows:
    """Rows of errors with their intervals, parameters and cost."""
    header = [
        "column", "images", "error, %", "95 %, images", "95 %, seeds", "train error, %",
        "parameters", "passes", "seconds a pass", "learning rate", "seeds",
    ]  # fmt: skip
    body = [
        [
            row["title"],
            f"{row['images']:,}",
            percent(row["error"]["mean"]),
            interval(row["error"]["low"], row["error"]["high"], ".1f", 100),
            interval(row["over_seeds"]["low"], row["over_seeds"]["high"], ".1f", 100),
            percent(row["train_error"]),
            f"{row['parameters']:,}",
            f"{row['passes']}",
            number(row["seconds"], ".0f"),
            f"{row['rate']:g}",
            f"{len(row['seeds'])}",
        ]
        for row in values["rows"]
    ]
    return [header, *body]


def tests(values: Mapping[str, Any]) -> Rows:
    """Rows of differences between columns with equally many images."""
    header = ["column", "against", "difference, points; images", "p", "seeds", "seeds in common"]
    body = [
        [
            each["row"],
            each["against"],
            difference(each["found"], "+.1f", 100),
            chance(each["found"]["p"]),
            interval(each["over_seeds"]["low"], each["over_seeds"]["high"], "+.1f", 100),
            f"{each['seeds']}",
        ]
        for each in values["tests"]
    ]
    return [header, *body]


def rates(values: Mapping[str, Any]) -> Rows:
    """Rows of held-out errors by learning rate."""
    tried = list(dict.fromkeys(rate for row in values["rows"] for rate in row["tuning"]))
    body = [
        [row["title"], *(percent(row["tuning"].get(rate)) for rate in tried)]
        for row in values["rows"]
    ]
    return [["held-out error, %", *(f"rate {rate}" for rate in tried)], *body]


def by_pass(values: Mapping[str, Any]) -> Rows:
    """Rows of held-out errors after every pass, mean over seeds."""
    most = max(row["passes"] for row in values["rows"])
    body = []
    for row in values["rows"]:
        curve = np.mean(np.array(row["held_out"]), axis=0)[1:].tolist()
        padded = [*curve, *[None] * (most - len(curve))]
        body.append([row["title"], *(percent(error) for error in padded)])
    return [["held-out error, %", *(f"pass {place}" for place in range(1, most + 1))], *body]


def figures_frame(values: Mapping[str, Any]) -> pd.DataFrame:
    """Held-out error by pass, a row a column, seed and pass, and the test error of the last."""
    return pd.DataFrame(
        [
            {
                "column": row["key"], "images": row["images"], "seed": seed, "pass": place,
                "held_out_error": error, "parameters": row["parameters"], "rate": row["rate"],
                "test_error": test if place == row["passes"] else None,
            }
            for row in values["rows"]
            for seed, curve, test in zip(
                row["seeds"], row["held_out"], row["errors"], strict=True
            )
            for place, error in enumerate(curve)
        ]
    )  # fmt: skip


def errors_chart(values: Mapping[str, Any]) -> hv.Overlay:
    """Chart with a row a column: mean error, its interval over images, and every seed."""
    rows = values["rows"]
    heights = places(len(rows))
    pairs = list(zip(rows, heights, strict=True))
    spans = [
        (100 * row["error"]["low"], height, 100 * row["error"]["high"], height)
        for row, height in pairs
    ]
    bars = styled(
        hv.Segments(spans, ["low", "row", "high", "row_end"]),
        common={"color": AFTER, "alpha": 0.4},
        bokeh={"line_width": 5},
        matplotlib={"linewidth": 3.5},
    )
    means = [(100 * row["error"]["mean"], height) for row, height in pairs]
    seeds = [(100 * each, height - 0.22) for row, height in pairs for each in row["errors"]]
    return row_chart(
        [
            bars,
            dots(means, ("error", "row"), AFTER, AFTER, (8, 24), "mean, 95 % over images"),
            dots(seeds, ("error", "row"), "white", BEFORE, (6, 14), "seeds"),
        ],
        [row["title"] for row in rows],
        xlabel="error on test images, %",
        padding=0.05,
        pixels=(36, 160),
        inches=(7.0, 0.42, 0.6),
    )


def passes_chart(values: Mapping[str, Any]) -> hv.Overlay:
    """Chart of the held-out error against processed images, mean over seeds, a line a column."""
    poolings = list(dict.fromkeys(row["pooling"] for row in values["rows"]))
    most = max(row["images"] for row in values["rows"])
    lines = []
    for row in values["rows"]:
        curve = 100 * np.mean(np.array(row["held_out"]), axis=0)[1:]
        seen = row["images"] * np.arange(1, len(curve) + 1) / 1000
        dash = "solid" if row["images"] == most else "dotted"
        colour = COLOURS[poolings.index(row["pooling"])]
        lines.append(line(seen, curve, "seen", colour, row["title"], dash))
    return as_chart(
        hv.Overlay(lines, label="Held-out error by pass"),
        xlabel="training images seen, thousands",
        ylabel="error on held-out images, %",
        legend_position="right",
    )


def table_view(values: Mapping[str, Any]) -> TableView:
    """View of the table of poolings.

    Args:
        values: result of `experiments.tables.assemble`, or pooling.json.
    """
    tables = {
        "Errors": errors(values),
        "Differences": tests(values),
        "Learning rates": rates(values),
    }
    pictures = {"pooling-passes": passes_chart(values)}
    return TableView(
        "pooling",
        f"Pooling: {values['test']:,} test images, width {values['width']}",
        [LEAD],
        values,
        tables,
        NOTES,
        errors_chart(values),
        close_up=CloseUp("Training", pictures, "Held-out error by pass", by_pass(values)),
    )
