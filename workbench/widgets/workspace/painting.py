"""Overlays of a photograph: a map with its scale, or colours, and lines; without a backend."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from holoviews.plotting.util import process_cmap
from jaxtyping import Float, Integer, UInt8

from workbench.views.paint import LabelMap, robust_maximum, strongest_colours
from workbench.views.style import DIVERGING, SEEDS, SEQUENTIAL
from workbench.widgets.workspace.state import (
    AFFINITY,
    EIGENVECTOR,
    ERROR,
    NOBODY,
    SEGMENTS,
    State,
)
from workbench.widgets.workspace.view import View

SEQUENTIAL_COLOURS: list[str] = process_cmap(SEQUENTIAL, ncolors=256, provider="bokeh")


@dataclass(frozen=True)
class Painting:
    """Overlay of a photograph.

    Attributes:
        title: what is shown.
        values: map of numbers; None without one.
        low, high: ends of its colour scale.
        palette: its colours, from low to high.
        unit: what the numbers are.
        colours: RGB or RGBA picture; None without one.
        lines: RGBA layer of boundaries; None without one.
        segments: label map whose segments can be pointed at; None without one.
    """

    title: str
    values: Float[np.ndarray, "rows columns"] | None = None
    low: float = 0.0
    high: float = 1.0
    palette: Any = None
    unit: str = ""
    colours: UInt8[np.ndarray, "rows columns channels"] | None = None
    lines: UInt8[np.ndarray, "fine_rows fine_columns 4"] | None = None
    segments: Integer[np.ndarray, "height width"] | None = None


def painting(state: State, view: View) -> Painting:
    """Overlay that the state asks for."""
    made = {
        AFFINITY: _affinity, SEGMENTS: _segments, EIGENVECTOR: _eigenvector, ERROR: _error,
    }.get(state.overlay, _photograph)  # fmt: skip
    return made(state, view)


def _affinity(state: State, view: View) -> Painting:
    pixels = [(int(y), int(x)) for y, x in state.pixels]
    lines = _drawn_by(state, view)
    if not pixels:
        return Painting("click a pixel", lines=lines)
    kind = state.rows
    values = view.probe.over_image(pixels, kind == "M")
    if len(pixels) > 1:
        title = f"rows of {kind}, {len(pixels)} pixels, colour of the strongest"
        return Painting(title, colours=strongest_colours(values, SEEDS), lines=lines)
    (y, x) = pixels[0]
    return Painting(
        f"row of {kind}, pixel x {x}, y {y}", values[0], 0.0, robust_maximum(values[0]),
        SEQUENTIAL_COLOURS, f"affinity {kind}", lines=lines,
    )  # fmt: skip


def _segments(state: State, view: View) -> Painting:
    labels = view.cut(state)
    return Painting(
        f"{int(labels.max())} segments",
        colours=view.painted(labels), lines=view.boundaries(labels), segments=labels,
    )  # fmt: skip


def _eigenvector(state: State, view: View) -> Painting:
    number = min(state.eigenvector, view.eigenvectors)
    if not number:
        return Painting("no eigenvectors were kept", lines=_drawn_by(state, view))
    values = view.eigenvector(number)
    end = robust_maximum(values)
    title = f"eigenvector {number}, λ = {view.snapshot.eigenvalues[number - 1]:.4f}"
    return Painting(title, values, -end, end, DIVERGING, "component", lines=_drawn_by(state, view))


def _error(state: State, view: View) -> Painting:
    truth = view.truth(state.annotator)
    if truth is None:
        return Painting("error: choose an annotator")
    labels = view.cut(state)
    values = 1 - best_overlap(truth, labels)
    mean = 1 - float(values.mean())
    return Painting(
        f"error, {int(labels.max())} segments, covering {mean:.3f}",
        values, 0.0, 1.0, SEQUENTIAL_COLOURS, "1 − overlap with the best segment",
        lines=view.boundaries(truth), segments=labels,
    )  # fmt: skip


def _photograph(state: State, view: View) -> Painting:
    return Painting("photograph", lines=_drawn_by(state, view))


def _drawn_by(state: State, view: View) -> UInt8[np.ndarray, "fine_rows fine_columns 4"] | None:
    truth = None if state.annotator == NOBODY else view.truth(state.annotator)
    return None if truth is None else view.boundaries(truth)


def best_overlap(truth: LabelMap, labels: LabelMap) -> Float[np.ndarray, "height width"]:
    """Overlap of each pixel's true segment with the segment that covers it best.

    Their mean over the pixels is the covering of the annotator by the segments.

    Args:
        truth: label map of an annotator.
        labels: label map of the same size.
    """
    _, a = np.unique(truth, return_inverse=True)
    _, b = np.unique(labels, return_inverse=True)
    a, b = a.reshape(-1), b.reshape(-1)
    both = np.bincount(a * (b.max() + 1) + b, minlength=(a.max() + 1) * (b.max() + 1))
    both = both.reshape(a.max() + 1, b.max() + 1).astype(float)
    union = both.sum(1, keepdims=True) + both.sum(0, keepdims=True) - both
    return np.asarray((both / union).max(1)[a].reshape(truth.shape))
