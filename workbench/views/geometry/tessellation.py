"""Pictures of random hyperplanes: distortion of angles by codes, cells of circle and sphere."""

import holoviews as hv
import numpy as np

from workbench.geometry.hyperplanes import DistortionCurve, cells, embed
from workbench.views.style import (
    AFTER,
    BEFORE,
    INK,
    OTHER,
    SEEDS,
    as_chart,
    as_picture,
    dots,
    line,
    styled,
)  # fmt: skip

RESOLUTION = 400
"""Pixels along the side of the picture of a sphere."""
INNER = 0.82
"""Inner radius of the ring that shows the cells of a circle."""


def distortion_chart(curve: DistortionCurve) -> hv.Overlay:
    """Distortion of angles against the number of bits: largest, rms, and the theory of both."""
    bits, points = curve.bits, curve.points
    rms = np.array([each.rms for each in points])
    return as_chart(
        hv.Overlay(
            [
                line(bits, curve.line(-1 / 6), "bits", BEFORE, "slope −1/6 (theorem)", "dashed"),
                line(bits, curve.line(-1 / 2), "bits", BEFORE, "slope −1/2"),
                line(bits, [each.bound for each in points], "bits", OTHER, "union bound", "dashed"),
                line(bits, [each.predicted for each in points], "bits", OTHER, "binomial rms"),
                dots((bits, curve.maximum), ("bits", "value"), AFTER, AFTER, (7, 26),
                     f"largest, slope {curve.slope:.2f}".replace("-", "−")),
                dots((bits, rms), ("bits", "value"), "white", AFTER, (7, 26), "rms"),
            ],
            label="distortion of angle/π by binary codes",
        ),
        logx=True, logy=True, xlabel="bits m", ylabel="|Hamming/m − angle/π|",
        legend_position="bottom_left", ylim=(float(rms.min()) / 60, None),
    )  # fmt: skip


def circle_picture(bits: int, seed: int = 0) -> hv.Overlay:
    """Cells into which random lines through 0 cut the circle: a colour each, the lines on them."""
    angle = np.linspace(0, 2 * np.pi, 4 * 720 + 1)
    points = np.column_stack([np.cos(angle), np.sin(angle)])
    number = cells(embed(points, bits, seed))
    cuts = np.flatnonzero(np.diff(number)) + 1
    parts = []
    for index, arc in enumerate(np.split(points, cuts)):
        closed = np.concatenate([arc, INNER * arc[::-1]])
        parts.append({"x": closed[:, 0], "y": closed[:, 1], "cell": SEEDS[index % len(SEEDS)]})
    ring = styled(
        hv.Polygons(parts, ["x", "y"], "cell", label=f"{len(cuts)} cells of {bits} lines"),
        common={"color": "cell"},
        bokeh={"line_color": None}, matplotlib={"linewidth": 0},
    )  # fmt: skip
    at = points[cuts]
    rays = [np.array([-each, each]) for each in at[: len(at) // 2]]
    lines = styled(hv.Path(rays, ["x", "y"]), common={"color": INK},
                   bokeh={"line_width": 0.7}, matplotlib={"linewidth": 0.7})  # fmt: skip
    return as_picture(hv.Overlay([lines, ring], label=f"{len(cuts)} cells of {bits} lines"))


def sphere_picture(bits: int, seed: int = 0) -> hv.Overlay:
    """Visible half of the sphere in R³, a colour for each cell of random planes through 0."""
    side = np.linspace(-1, 1, RESOLUTION)
    x, y = np.meshgrid(side, -side)
    inside = x**2 + y**2 < 1
    points = np.column_stack([x[inside], y[inside], np.sqrt(1 - x[inside] ** 2 - y[inside] ** 2)])
    number = cells(embed(points, bits, seed))
    order = np.random.default_rng(seed).permutation(number.max() + 1)
    colours = np.full((*x.shape, 3), 255, np.uint8)
    palette = np.array([[int(each[i : i + 2], 16) for i in (1, 3, 5)] for each in SEEDS])
    shade = 0.55 + 0.45 * (order[number] // len(SEEDS) % 4) / 3
    colours[inside] = palette[order[number] % len(SEEDS)] * shade[:, None]
    picture = hv.RGB(colours, bounds=(-1, -1, 1, 1))
    label = f"{number.max() + 1} cells of {bits} planes in view"
    return as_picture(hv.Overlay([picture], label=label))
