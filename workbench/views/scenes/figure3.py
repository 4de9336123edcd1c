"""Figure 3 of the paper: scenes, their segmentation by every column, and by a person."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import holoviews as hv
import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure as Canvas

from workbench.evaluation.scenes.contingency import covering
from workbench.experiments.scenes.columns import Column
from workbench.experiments.scenes.evaluate import pictures_file, scenes_file
from workbench.runs.files import atomic_write
from workbench.runs.snapshots import read_snapshot
from workbench.views import inline
from workbench.views.paint import LabelMap, Pixels, mean_colours, outlined
from workbench.views.panels import photo
from workbench.views.scenes.segments import segmentation, typical_annotator
from workbench.views.style import INK, MUTED
from workbench.views.templating import render

LEAD = (
    "Of every method the segmentation out of eight that covers the annotators best in the mean, "
    "each segment in its mean colour; below it that covering. At the right what the annotator with "
    "the middle number of segments drew."
)
_WIDTH = 300
"""Width of a picture on the page, pixels."""
_INCHES = 1.7
"""Width of a picture in the JPEG."""


@dataclass(frozen=True)
class Panel:
    """Segmentation of a scene by one column.

    Attributes:
        labels: label map (height, width).
        covering: mean covering over the annotators.
    """

    labels: LabelMap
    covering: float


@dataclass(frozen=True)
class FigureScene:
    """Row of the figure.

    Attributes:
        id: id of the scene.
        image: (height, width, 3) sRGB.
        panels: segmentations, one for every column.
        human: an annotator's label map.
    """

    id: str
    image: Pixels
    panels: tuple[Panel, ...]
    human: LabelMap


def draw_figure3(out: Path, columns: Iterable[Column]) -> list[Path]:
    """Write figure3.html and figure3.jpg of the columns that have pictures.

    Args:
        out: folder of the table.
        columns: columns that may be in it, in the order of the table.

    Returns:
        Paths of the files.
    """
    kept = read_snapshot(scenes_file(out))
    there = [column for column in columns if pictures_file(out, column.name).exists()]
    pictures = {column.name: read_snapshot(pictures_file(out, column.name)) for column in there}
    scenes = []
    for id in sorted({name.partition("/")[0] for name in kept}):
        truths = kept[f"{id}/truths"]
        panels = []
        for column in there:
            labels = pictures[column.name][f"{id}/{column.shown}"]
            mean = float(np.mean([covering(truth, labels) for truth in truths]))
            panels.append(Panel(labels, mean))
        human = typical_annotator(truths)
        scenes.append(FigureScene(id, kept[f"{id}/image"], tuple(panels), human))
    return write_figure3([column.title for column in there], scenes, out)


@dataclass(frozen=True)
class _Item:
    caption: str
    markup: Markup


def write_figure3(titles: Sequence[str], scenes: Sequence[FigureScene], folder: Path) -> list[Path]:
    """Write figure3.html, which needs no other file, and figure3.jpg.

    Args:
        titles: titles of the columns, as many as every scene has panels.
        scenes: rows of the figure.
        folder: folder of the files.
    """
    page = folder / "figure3.html"
    text = render(
        "figure3.html",
        title="Figure 3",
        lead=LEAD,
        titles=["image", *titles, "human"],
        scenes=[_items(scene, titles) for scene in scenes],
    )
    with atomic_write(page) as file:
        file.write(text)
    picture = folder / "figure3.jpg"
    with atomic_write(picture) as file:
        _canvas(titles, scenes).savefig(file, format="jpeg", dpi=150, pil_kwargs={"quality": 88})
    return [page, picture]


def _items(scene: FigureScene, titles: Sequence[str]) -> list[_Item]:
    def item(caption: str, element: hv.RGB) -> _Item:
        return _Item(caption, Markup(inline.picture(element, _WIDTH)))

    image = scene.image
    found = [item(scene.id, photo(image, f"scene {scene.id}"))]
    found += [
        item(f"{panel.covering:.2f}", segmentation(image, panel.labels, f"{scene.id} by {title}"))
        for panel, title in zip(scene.panels, titles, strict=True)
    ]
    drawn = segmentation(image, scene.human, f"{scene.id} by an annotator", fill=False)
    return [*found, item("an annotator", drawn)]


def _canvas(titles: Sequence[str], scenes: Sequence[FigureScene]) -> Canvas:
    """Sheet of all pictures, with rows as high as their images."""
    columns = len(titles) + 2
    heights = [_INCHES * s.image.shape[0] / s.image.shape[1] + 0.25 for s in scenes]
    top = 0.6
    canvas = Canvas(figsize=(columns * _INCHES, sum(heights) + top), facecolor="white")
    grid = canvas.add_gridspec(
        len(scenes), columns, height_ratios=heights, left=0.005, right=0.995, bottom=0.005,
        top=1 - top / (sum(heights) + top), wspace=0.03, hspace=0.02,
    )  # fmt: skip
    for row, scene in enumerate(scenes):
        drawn = [
            (scene.id, scene.image),
            *(
                (
                    f"{panel.covering:.2f}",
                    outlined(mean_colours(scene.image, panel.labels), panel.labels),
                )
                for panel in scene.panels
            ),
            ("an annotator", outlined(scene.image, scene.human)),
        ]
        for column, (caption, pixels) in enumerate(drawn):
            axes = canvas.add_subplot(grid[row, column])
            axes.imshow(pixels, interpolation="antialiased")
            axes.set_xticks([])
            axes.set_yticks([])
            axes.set_frame_on(False)
            axes.set_anchor("N")
            axes.set_xlabel(caption, fontsize=7, color=MUTED, labelpad=2)
            if row == 0:
                title = (
                    ["image", *titles, "human"][column]
                    .replace(" ", "\n", 1)
                    .replace(", frozen", ",\nfrozen")
                )
                axes.set_title(title, fontsize=8, color=INK, pad=4)
    return canvas
