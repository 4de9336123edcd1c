"""Files of a measured geometry: tables, pictures, and a page that needs no other file."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import holoviews as hv
from markupsafe import Markup
from PIL import Image

from workbench.evaluation.cells import number
from workbench.evaluation.rendering import Rows, as_html, as_markdown
from workbench.probe.geometry.beside import check_same_images, matched_layers
from workbench.probe.geometry.result import LayerGeometry
from workbench.runs.files import to_json
from workbench.runs.provenance import commit_in_words, machine_in_words
from workbench.views import inline
from workbench.views.figures import Figure, charts
from workbench.views.geometry.layers import (
    MEASURES,
    Scales,
    angle_chart,
    dimension_chart,
    dimension_lines,
    networks,
    ratio_chart,
    scales_of,
    top_share,
)
from workbench.views.geometry.pairs import both, pair_lines
from workbench.views.templating import render

COLUMNS = (
    "layer", "weights", "squared_width", "stable_dimension", "effective_rank", "unit_width",
    "unit_ceiling", "angle", "ratio", "ratio_05", "ratio_95", "correlation", "predicted", "formula",
)  # fmt: skip
"""Columns of `LayerGeometry.table` in the table for readers."""
EXTREMES = 3
"""Number of the most contracted, and of the most expanded, pairs of a layer on the page."""


@dataclass(frozen=True)
class Section:
    """Section of the page on one layer.

    Attributes:
        title: name of the layer, in both results where they differ.
        angles: charts of angles, of each network of each result.
        ratios: charts of ratios, of each result.
        sentences: outcomes, and assumptions of the prediction that fail, of each result.
        extremes: rows of pairs with photographs, by their heading.
    """

    title: str
    angles: list[Figure]
    ratios: list[Figure]
    sentences: list[str]
    extremes: dict[str, list[Figure]]


def files(look: LayerGeometry, against: LayerGeometry | None = None) -> dict[str, bytes]:
    """Tables, pictures and pages of a result, by the names of their files.

    Args:
        look: the result.
        against: another one on the same images, beside it on the page.

    Raises:
        WorkbenchError: the other result is on other images.
    """
    scales, table = scales_of([look]), look.table()
    record = {
        "network": look.network, "gauge": look.gauge, "images": look.images,
        "left_out": look.left_out, "preprocessing": look.preprocessing,
        "layers": table.to_dict("records"), "provenance": look.provenance,
    }  # fmt: skip
    dimensions = [_dimension(look, name, scales) for name in MEASURES]
    angles = [angle_chart(look, e, w, scales) for e in look.layers for w in networks(look)]
    ratios = [ratio_chart(look, e, scales, top_share([look], [e], scales)) for e in look.layers]
    return {
        "geometry.html": page(look, against),
        "geometry.json": to_json(record, indent=1).encode(),
        "layers.csv": table.to_csv(index=False, float_format="%.6g").encode(),
        "pairs.csv": look.pairs().to_csv(index=False, float_format="%.6g").encode(),
        "geometry.md": markdown(look).encode(),
        "dimensions.png": inline.png(hv.Layout(dimensions)),
        "angles.png": inline.png(hv.Layout(angles)),
        "ratios.png": inline.png(hv.Layout(ratios)),
    }


def markdown(look: LayerGeometry) -> str:
    """Table of a result with its conditions, and the reasons of missing predictions."""
    parts = [
        f"# Geometry of the layers of {look.network}", conditions(look), as_markdown(rows(look)),
        "\n".join(f"- {each}" for layer in look.layers for each in sentences(look, layer)),
    ]  # fmt: skip
    return "\n\n".join(each for each in parts if each) + "\n"


def page(look: LayerGeometry, against: LayerGeometry | None = None) -> bytes:
    """Page of a result, with another one beside it, without any dependency.

    Raises:
        WorkbenchError: the other result is on other images.
    """
    looks = [look] if against is None else [look, against]
    check_same_images(looks)
    scales, titled = scales_of(looks), list(zip(_titles(looks), looks, strict=True))
    return render(
        "geometry.html",
        title=f"Geometry of the layers of {' and '.join(dict.fromkeys(e.network for e in looks))}",
        conditions=[title + conditions(each) for title, each in titled],
        dimensions=[
            _chart(title, _dimension(each, name, scales))
            for name in MEASURES
            for title, each in titled
        ],
        sections=[_section(looks, names, scales) for names in matched_layers(looks)],
        tables=[(title.rstrip(": "), Markup(as_html(rows(each)))) for title, each in titled],
        left_out=look.left_out,
        facts=_facts(look.provenance),
        provenance=[
            (title + "command, code, libraries, machine", json.dumps(each.provenance, indent=2))
            for title, each in titled
        ],
    )


def conditions(look: LayerGeometry) -> str:
    """Sentences on the images, the gauge and the units of a result."""
    draws = len(look.draws) - 1
    beside = f", beside {draws} random networks of its architecture" if draws else ""
    return (
        f"{len(look.images)} images ({look.preprocessing['source']}), all pairs{beside}; gauge: "
        f"{look.gauge}. Angles in radians; ratio: output over input angle, median [5 %, 95 %]."
    )


def rows(look: LayerGeometry) -> Rows:
    """Table of a result as cells, the header first."""
    table = look.table()[list(COLUMNS)]
    header = [name.replace("_", " ") for name in COLUMNS]
    found = table.itertuples(index=False)
    return [header, *([e if isinstance(e, str) else number(e, ".3g") for e in r] for r in found)]


def sentences(look: LayerGeometry, layer: str) -> list[str]:
    """Outcomes of a layer in each network, and the reason of a missing prediction."""
    reason = look.prediction(layer).why_not
    found = [f"{layer}: no exact prediction, for {reason}."] * bool(reason)
    outcomes = {weights: look.cloud(layer, weights).outcome for weights in look.draws}
    return found + [f"{layer}, {w} weights: {words}." for w, words in outcomes.items() if words]


def _section(looks: Sequence[LayerGeometry], layers: tuple[str, ...], scales: Scales) -> Section:
    top = top_share(looks, layers, scales)
    titled = list(zip(_titles(looks), looks, layers, strict=True))
    angles = [
        _chart(title, angle_chart(look, layer, weights, scales))
        for title, look, layer in titled
        for weights in reversed(networks(look))
    ]
    return Section(
        " | ".join(dict.fromkeys(layers)),
        angles,
        [_chart(title, ratio_chart(look, layer, scales, top)) for title, look, layer in titled],
        [title + " ".join(sentences(look, layer)) for title, look, layer in titled],
        _extremes(looks, layers),
    )


def _extremes(looks: Sequence[LayerGeometry], layers: tuple[str, ...]) -> dict[str, list[Figure]]:
    """Pairs of the smallest and of the largest ratio with the first result's given weights."""
    ratios = looks[0].pairs_at(layers[0]).ratio.dropna().sort_values()
    chosen = {
        "Most contracted pairs": ratios.index[:EXTREMES],
        "Most expanded pairs": ratios.index[: -EXTREMES - 1 : -1],
    }
    return {
        heading: [_pair_figure(looks, layers, int(pair)) for pair in pairs]
        for heading, pairs in chosen.items()
    }


def _pair_figure(looks: Sequence[LayerGeometry], layers: tuple[str, ...], pair: int) -> Figure:
    names = " and ".join(looks[0].images[i] for i in looks[0].pair(pair))
    found = zip(_titles(looks), looks, layers, strict=True)
    words = [title + "; ".join(pair_lines(look, layer, pair)) for title, look, layer in found]
    markup = inline.img(Image.fromarray(both(looks[0], pair)), names)
    return Figure(" · ".join([names, *words]), Markup(markup))


def _dimension(look: LayerGeometry, name: str, scales: Scales) -> hv.Overlay:
    return dimension_chart(look, name, dimension_lines(look, name), scales)


def _titles(looks: Sequence[LayerGeometry]) -> list[str]:
    """Beginnings of captions: number and network, where there are several results."""
    if len(looks) == 1:
        return [""]
    return [f"({i}) {look.network}: " for i, look in enumerate(looks, 1)]


def _chart(title: str, drawn: hv.Overlay) -> Figure:
    return charts([drawn.relabel(title + drawn.label)])[0]


def _facts(provenance: dict[str, Any]) -> list[str]:
    return [
        f"measured {provenance['started'].replace('T', ' ').replace('+00:00', ' UTC')}",
        machine_in_words(provenance["machine"]),
        f"commit {commit_in_words(provenance)}",
    ]
