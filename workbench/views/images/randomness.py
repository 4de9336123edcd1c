"""Record and pictures of random features beside trained networks (`experiments.images`)."""

from collections.abc import Mapping
from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd

from workbench.evaluation.cells import difference
from workbench.evaluation.rendering import Rows, as_markdown
from workbench.experiments.images.randomness import Randomness
from workbench.experiments.images.randomness_items import KINDS, TRAINED, in_words
from workbench.runs.files import to_json
from workbench.runs.provenance import commit_in_words, machine_in_words
from workbench.views.inline import png
from workbench.views.style import COLOURS, MUTED, as_chart, dots, line, styled

NAME = "randomness"
_COLOURS = dict(zip((TRAINED, "patches", "network", "scattering"), COLOURS, strict=False))
_CHANCE = 90.0


def files(found: Randomness, started: Mapping[str, Any]) -> dict[str, bytes]:
    """Contents of the files of a result by name: json, csv, md and png.

    Args:
        found: result.
        started: provenance of the command.
    """
    table = found.table()
    values = {
        "settings": found.settings, "errors": table.to_dict("records"),
        "compared": found.compared().to_dict("records"),
        "missing": [key.file.removesuffix(".npz") for key in found.missing],
        "seconds": _seconds(found), "provenance": started,
    }  # fmt: skip
    return {
        f"{NAME}.json": (to_json(values, indent=1) + "\n").encode(),
        f"{NAME}.csv": table.to_csv(index=False, float_format="%.5g").encode(),
        f"{NAME}.md": text(found, started).encode(),
        f"{NAME}.png": png(hv.Layout([against_features(table), against_labels(found.best())])),
    }


def text(found: Randomness, started: Mapping[str, Any]) -> str:
    """Markdown page of a result."""
    table, settings = found.table(), found.settings
    compared = found.compared()
    seeds = " to ".join(dict.fromkeys(str(n) for n in (table.seeds.min(), table.seeds.max())))
    parts = [
        "# Randomness as a network",
        f"Test error, %, of {len(found.items[0].wrong)} images, mean over seeds (least … "
        f"most; their number: {seeds}); ± is half of the 95 % interval over test images, of means "
        "over seeds. Only the last layer is trained behind random and scattering features: ridge "
        "regression to one-hot "
        f"labels, its penalty chosen on the {settings['holdout']:.0%} of the training images that "
        "are held out. The trained network has the architecture of the random network at the same "
        f"width, and {settings['passes']} passes, {settings['steps']} steps at least, over images "
        "mirrored and shifted at random; nothing of it was chosen here. Labels a class are the "
        "same images for all, and nested; features are standardised and whitened with training "
        "images without labels.",
    ]
    for labels, some in table.groupby("labels", sort=False):
        parts += [f"## {_labels(int(labels), some)}", as_markdown(_errors(some))]
    if len(compared):
        parts += [
            "## Above the trained network with as many labels",
            "Points of test error, paired over test images; of each the width with the least error "
            "on held-out training images.",
            as_markdown(_compared(compared)),
        ]
    parts += [f"![error against features and against labels]({NAME}.png)"]
    if found.missing:
        counted = pd.Series([f"{k.kind}, width {k.width}, seed {k.seed}" for k in found.missing])
        listed = "; ".join(f"{name}: {n}" for name, n in counted.value_counts(sort=False).items())
        parts += [f"Not finished, in numbers of labels: {listed}."]
    parts += [
        f"Command: `{started['command']}`. Commit {commit_in_words(started)}; "
        f"{machine_in_words(started['machine'], threads=True)}; {_seconds(found) / 60:.0f} minutes."
    ]
    return "\n\n".join(parts) + "\n"


def against_features(table: pd.DataFrame) -> hv.Overlay:
    """Error against the number of features with most labels (solid) and fewest (dashed)."""
    counts = list(dict.fromkeys(table.sort_values("images", ascending=False).labels))
    shown = list(dict.fromkeys((counts[0], counts[-1])))
    parts: list[hv.Element] = []
    for labels, dash in zip(shown, ("solid", "dashed"), strict=False):
        for kind, some in table[table.labels == labels].groupby("kind", sort=False):
            label = f"{KINDS[str(kind)]}, {in_words(int(labels))}"
            parts += _line(np.log2(some.features), some, "features", str(kind), label, dash)
    ends = np.log2([table.features.min(), table.features.max()])
    places = range(int(np.ceil(ends[0])), int(ends[1]) + 1)
    return as_chart(
        hv.Overlay(parts, label="Error against width, by labels a class"),
        xlabel="features before the last layer", ylabel="test error (%)", legend_position="right",
        xticks=[(place, f"{2**place}") for place in places], xlim=(ends[0] - 0.2, ends[1] + 0.2),
    )  # fmt: skip


def against_labels(best: pd.DataFrame) -> hv.Overlay:
    """Error against the number of labels, each at the width chosen on held-out images."""
    parts: list[hv.Element] = []
    for kind, some in best.groupby("kind", sort=False):
        some = some.sort_values("images")
        parts += _line(np.log10(some.images), some, "labels", str(kind), KINDS[str(kind)])
    ends = np.log10([best.images.min(), best.images.max()])
    parts.append(line(ends, [_CHANCE] * 2, "labels", MUTED, "ten classes by chance", "dotted"))
    ticks = best.drop_duplicates("images")
    return as_chart(
        hv.Overlay(parts, label="Error against labels, at the best width"),
        xlabel="labels", ylabel="test error (%)", legend_position="right",
        xticks=[(float(np.log10(n)), f"{n:,}") for n in sorted(ticks.images)],
        xlim=(ends[0] - 0.1, ends[1] + 0.1),
    )  # fmt: skip


def _line(
    places: pd.Series, rows: pd.DataFrame, name: str, kind: str, label: str, dash: str = "solid"
) -> list[hv.Element]:
    """Line and dots with a bar from the least to the most of the seeds."""
    colour = _COLOURS[kind]
    ends = [(rows.error - rows.least).clip(lower=0), (rows.most - rows.error).clip(lower=0)]
    bars = np.column_stack([places, rows.error, *ends])
    marks = np.column_stack([places, rows.error])
    return [
        line(places, rows.error, name, colour, label, dash),
        dots(marks, (name, "value"), colour, colour, (5, 14)),
        styled(hv.ErrorBars(bars, name, ["value", "below", "above"]),
               bokeh={"line_color": colour}, matplotlib={"edgecolor": colour}),
    ]  # fmt: skip


def _errors(some: pd.DataFrame) -> Rows:
    """Rows of the kinds, a column a width, with the number of features."""
    widths = sorted(set(some.width))
    rows = [["", *(f"width {width}" for width in widths)]]
    for kind, found in some.groupby("kind", sort=False):
        by_width = found.set_index("width")
        cells = []
        for width in widths:
            if width not in by_width.index:
                cells.append("–")
                continue
            row = by_width.loc[width]
            ends = f" ({row.least:.1f} … {row.most:.1f})" if row.seeds > 1 else ""
            half = row.high - row.error
            cells.append(f"{row.error:.1f} ± {half:.1f}{ends}; {row.features:,}")
        rows.append([KINDS[str(kind)], *cells])
    return rows


def _compared(compared: pd.DataFrame) -> Rows:
    counts = list(dict.fromkeys(compared.labels))
    rows = [["", *(in_words(count) for count in counts)]]
    for kind, some in compared.groupby("kind", sort=False):
        by_count = some.set_index("labels").to_dict("index")
        cells = [
            difference(by_count[count], "+.1f").replace("-", "−")
            if count in by_count else "–"
            for count in counts
        ]  # fmt: skip
        rows.append([KINDS[str(kind)], *cells])
    return rows


def _labels(labels: int, some: pd.DataFrame) -> str:
    images = f"{some.images.iloc[0]:,} images; features behind the semicolon"
    return f"{in_words(labels).capitalize()} labels a class: {images}" if labels else (
        f"All labels: {images}"
    )  # fmt: skip


def _seconds(found: Randomness) -> float:
    return sum(item.seconds for item in found.items)
