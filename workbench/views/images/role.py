"""Tables and pictures of what training does to distances, from `experiments.images`."""

import io
from collections.abc import Sequence

import holoviews as hv
import numpy as np
import pandas as pd
from jaxtyping import Float64

from workbench.evaluation.cells import interval, number, percent
from workbench.evaluation.rendering import Rows, as_markdown
from workbench.evaluation.triplets import KINDS, Kind
from workbench.experiments.images.role_of_training import Measured, RoleOfTraining
from workbench.experiments.images.training import START
from workbench.models.small_cnn import TAPS
from workbench.runs.files import to_json
from workbench.runs.plain import plain
from workbench.views import inline
from workbench.views.images.through import SIDES, through_charts
from workbench.views.style import BEFORE, as_chart, line, styled
from workbench.views.thumbnails import ThumbnailGrid

NAME = "role-of-training"
BINS = 48
PARTNERS = {
    ("boundary", "intra"): "farthest in class",
    ("boundary", "inter"): "closest out of class",
    ("control", "inter"): "farthest out of class",
    ("control", "intra"): "closest in class",
    ("random", "intra"): "random in class",
    ("random", "inter"): "random out of class",
}
"""Partner of the anchor by kind of triplets and side."""
RANKS = {
    "closest": "closest: out of class / in class",
    "farthest": "farthest: out of class / in class",
}
_THUMBNAIL, _SHOWN = 160, 5


def files(found: RoleOfTraining) -> dict[str, bytes]:
    """Contents of the files of a result by name: json, csv, npz, md and png."""
    tables = {"quantiles": found.quantiles(), "effects": found.effects(), "ranks": found.ranked()}
    values = {
        "config": plain(found.config),
        "seeds": found.seeds,
        "missing": found.missing,
        "distinct": {kind: each.distinct for kind, each in found.triplets.items()},
        **{name: table.to_dict("records") for name, table in tables.items()},
    }
    return {
        f"{NAME}.json": (to_json(values, indent=1) + "\n").encode(),
        **{f"{name}.csv": t.to_csv(index=False).encode() for name, t in tables.items()},
        "ratios.npz": _arrays(found),
        f"{NAME}.md": text(found).encode(),
        "histograms.png": inline.png(hv.Layout(histograms(found)), columns=len(TAPS)),
        "through-training.png": inline.png(hv.Layout(through_charts(found.through)), columns=2),
        "triplets.png": inline.png(thumbnails(found)),
    }


def text(found: RoleOfTraining) -> str:
    """Markdown page of a result, without pictures."""
    seeds = len(found.seeds)
    spread = "mean of the trainings (least … most)" if seeds > 1 else "95 % intervals"
    hubs = "; ".join(
        f"{kind} {each.distinct[0]} in and {each.distinct[1]} out of class"
        for kind, each in found.triplets.items()
    )
    parts = [
        "# The role of training: distance ratios of triplets, layer by layer",
        f"{len(found.prepared.test.labels)} test images, {len(found.triplets['random'])} anchors, "
        f"width {found.config.width}, {found.config.passes} passes, "
        f"{seeds} training{'s' if seeds > 1 else ''}. "
        "Ratios ‖v₊ − v‖ / ‖u₊ − u‖ are divided by the median ratio of random triplets of the same "
        "network and layer. Networks were kept at the first pass with a held-out error (of "
        "training images) below the one that they are named after; test errors chose nothing.",
        as_markdown(errors_table(found)),
        "## Medians",
        "In class / out of class; of random triplets also AUC = P(ratio out of class > ratio in "
        "class); Cliff's delta is 2 AUC − 1.",
        as_markdown(medians_table(found)),
        f"## Shift of the medians from the random start: {spread}",
        f"δ is Cliff's delta of {_last(found)} over the random start.",
        as_markdown(effects_table(found)) if len(found.names) > 1 else "No trained network yet.",
        f"## Quotients at equal rank: {spread}",
        "Above 1 the network separates classes beyond what it does to far and close pairs.",
        as_markdown(ranks_table(found)),
        f"Distinct partners: {hubs}. Intervals are bootstraps over anchors, which do not see that "
        "anchors share partners: those of boundary and control triplets are too narrow.",
        *[f"Missing: {each}." for each in found.missing],
    ]
    return "\n\n".join(parts) + "\n"


def errors_table(found: RoleOfTraining) -> Rows:
    """Rows of the networks with their steps and errors."""
    body = [
        [f"{n.name}, seed {n.seed}", f"{n.step}", percent(n.held_out_error), percent(n.test_error)]
        for n in found.networks
    ]
    return [["network", "step", "held-out error, %", "test error, %"], *body]


def medians_table(found: RoleOfTraining) -> Rows:
    """Rows of median ratios by kind and network, a column a layer."""
    body = []
    for kind in KINDS:
        for name in found.names:
            ratios = [n.ratios[kind] for n in _named(found, name)]
            cells = []
            for tap in TAPS:
                intra = _mean([float(r.intra[tap].median()) for r in ratios])
                inter = _mean([float(r.inter[tap].median()) for r in ratios])
                area = _mean([float(r.auc[tap]) for r in ratios])
                cells.append(f"{intra} / {inter}" + f"; {area}" * (kind == "random"))
            body.append([f"{kind}, {name}", *cells])
    return [["triplets, network", *TAPS], *body]


def effects_table(found: RoleOfTraining) -> Rows:
    """Rows of the shifts by partner from the random start to the last network."""
    table = found.effects()
    table = table[table.network == _last(found)].set_index(["kind", "side", "tap"]).sort_index()
    body = []
    for key, partner in PARTNERS.items():
        cells = []
        for tap in TAPS:
            own = table.loc[[(*key, tap)]]
            cells.append(f"{_spread(own, 'shift', '+.2f')}, δ {_mean(own['delta'], '+.2f')}")
        body.append([partner, *cells])
    return [["partner", *TAPS], *body]


def ranks_table(found: RoleOfTraining) -> Rows:
    """Rows of the quotients at equal rank by network, a column a layer."""
    table = found.ranked().set_index(["rank", "network", "tap"]).sort_index()
    body = [
        [f"{words}, {name}", *(_spread(table.loc[[(rank, name, t)]], "quotient") for t in TAPS)]
        for rank, words in RANKS.items()
        for name in found.names
    ]
    return [["rank, network", *TAPS], *body]


def histograms(found: RoleOfTraining) -> list[hv.Overlay]:
    """Histograms of ratios, filled by the last network, lines by the random start.

    A chart a kind (in rows) and layer (in columns), of the first training.
    """
    first = found.of(found.seeds[0])
    start, last = first[START], list(first.values())[-1]
    return [_histogram(start, last, kind, tap) for kind in KINDS for tap in TAPS]


def thumbnails(found: RoleOfTraining) -> hv.Overlay:
    """Anchors with the partners of their boundary and control triplets, a row an anchor.

    Partners of other classes have the name of their class.
    """
    boundary, control = found.triplets["boundary"], found.triplets["control"]
    test, names = found.prepared.test, found.prepared.parts.test.names
    rows = np.linspace(0, len(boundary) - 1, min(_SHOWN, len(boundary))).round().astype(int)
    pictures, words = [], []
    for row in rows:
        places = {
            "anchor": boundary.anchors,
            "closest": boundary.outside,
            "farthest": control.outside,
            "closest in class": control.inside,
            "farthest in class": boundary.inside,
        }
        for word, positions in places.items():
            place = int(positions[row])
            pixels = test.pixels[place].permute(1, 2, 0).numpy()
            at = np.arange(_THUMBNAIL) * len(pixels) // _THUMBNAIL
            pictures.append(pixels[at][:, at])
            own = word.endswith("class")
            words.append(word if own else f"{word}: {names[int(test.labels[place])]}")
    grid = ThumbnailGrid(columns=5, rows=len(rows), side=_THUMBNAIL)
    drawn = grid.draw(pictures, words)
    inches = grid.size[1] / 80, grid.size[0] / 80
    return drawn.opts(backend="matplotlib", fig_inches=inches)


def _histogram(start: Measured, last: Measured, kind: Kind, tap: str) -> hv.Overlay:
    values = {
        (network.name, side): getattr(network.ratios[kind], side)[tap].to_numpy()
        for network in (start, last)
        for side in SIDES
    }
    low = min(float(np.quantile(each, 0.005)) for each in values.values())
    high = max(float(np.quantile(each, 0.995)) for each in values.values())
    edges = np.linspace(low, high, BINS + 1)
    parts: list[hv.Element] = []
    for side, colour in SIDES.items():
        share = _shares(values[last.name, side], edges)
        bars = hv.Histogram(
            (edges, share), kdims="ratio", vdims="value", label=f"{side}, {last.name}"
        )
        parts.append(
            styled(
                bars,
                common={"alpha": 0.5},
                bokeh={"fill_color": colour, "line_color": None},
                matplotlib={"facecolor": colour, "edgecolor": "none"},
            )
        )
    for side, colour in SIDES.items():
        share = _shares(values[start.name, side], edges)
        middles = (edges[1:] + edges[:-1]) / 2
        parts.append(line(middles, share, "ratio", colour, f"{side}, {start.name}"))
    parts.append(hv.VLine(1).opts(backend="matplotlib", color=BEFORE, linewidth=0.8))
    return as_chart(
        hv.Overlay(parts).relabel(f"{kind} triplets at {tap}"), xlim=(low, high),
        xlabel="ratio, in units of random triplets", ylabel="share of triplets",
        show_legend=(kind, tap) == (KINDS[0], TAPS[-1]), legend_position="right",
    )  # fmt: skip


def _shares(
    values: Float64[np.ndarray, "triplets"], edges: Float64[np.ndarray, "edges"]
) -> Float64[np.ndarray, "bins"]:
    return np.asarray(np.histogram(values, edges)[0] / len(values))


def _arrays(found: RoleOfTraining) -> bytes:
    """Ratios of all triplets, a row a triplet and a column a layer, float32."""
    arrays = {
        f"seed-{n.seed}/{n.name}/{kind}/{side}": getattr(ratios, side).to_numpy(np.float32)
        for n in found.networks
        for kind, ratios in n.ratios.items()
        for side in SIDES
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _named(found: RoleOfTraining, name: str) -> list[Measured]:
    return [n for n in found.networks if n.name == name]


def _last(found: RoleOfTraining) -> str:
    """Name of the network of the least error."""
    return found.names[-1]


def _mean(values: Sequence[float] | pd.Series, form: str = ".2f") -> str:
    return number(float(np.mean(values)), form).replace("-", "−")


def _spread(rows: pd.DataFrame, name: str, form: str = ".2f") -> str:
    """Value with its interval; of several trainings the mean with the least and the most."""
    values = rows[name]
    if len(values) == 1:
        ends = interval(float(rows["low"].iloc[0]), float(rows["high"].iloc[0]), form)
    else:
        ends = f"({number(float(values.min()), form)} … {number(float(values.max()), form)})"
    return f"{_mean(values, form)} {ends}".replace("-", "−")
