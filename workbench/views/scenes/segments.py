"""Views of segmentations: a network's, the annotators', and the pool with its coverings."""

import holoviews as hv
import numpy as np
from jaxtyping import Integer

from workbench.evaluation.scenes.snapshots import Snapshot
from workbench.views.paint import LabelMap, Pixels, fineness, mean_colours, outlined
from workbench.views.panels import photo, row


def segmentation(image: Pixels, labels: LabelMap, title: str = "", fill: bool = True) -> hv.RGB:
    """Segmentation with its boundaries drawn.

    Args:
        image: (height, width, 3) sRGB.
        labels: (height, width), one value a segment.
        title: title of the picture.
        fill: paint every segment in its mean colour; False: keep the image.
    """
    ground = mean_colours(image, labels) if fill else image
    return photo(outlined(ground, labels), title, fineness(labels))


def human_segmentations(
    image: Pixels, truths: Integer[np.ndarray, "annotators height width"]
) -> hv.Layout:
    """Segmentations of all annotators over the image."""
    panels = [
        segmentation(image, labels, f"annotator {i} · {_segments(labels)}", fill=False)
        for i, labels in enumerate(truths, 1)
    ]
    return row(panels)


def best_segmentation(snapshot: Snapshot, method: str = "") -> hv.RGB:
    """Segmentation of the pool with the highest mean covering of the annotators.

    Args:
        snapshot: snapshot of an evaluated scene.
        method: name of the method, for the title.
    """
    means = snapshot.coverings.mean(axis=1)
    best = int(means.argmax())
    labels = snapshot.segmentations[best]
    title = f"{method} · covering {means[best]:.2f}".removeprefix(" · ")
    return segmentation(snapshot.image, labels, title)


def pool(snapshot: Snapshot) -> hv.Layout:
    """Pool of segmentations, each with its number of segments and mean covering; ★: the best.

    Where they are flat, and the snapshot says of how many clusters, k stands first. An image that
    nobody has annotated has neither coverings nor a best one.
    """
    counts = snapshot.counts if snapshot.contour is None else None
    means = snapshot.coverings.mean(axis=1) if len(snapshot.truths) else np.zeros(0)
    panels = []
    for i, labels in enumerate(snapshot.segmentations):
        words = [_segments(labels), *(f"{mean:.2f}" for mean in means[i : i + 1])]
        if counts is not None:
            words.insert(0, f"k = {counts[i]}")
        star = "★ " if len(means) and i == means.argmax() else ""
        panels.append(segmentation(snapshot.image, labels, star + " · ".join(words)))
    return row(panels)


def typical_annotator(truths: Integer[np.ndarray, "annotators height width"]) -> LabelMap:
    """The label map of the annotator with the middle number of segments."""
    order = np.argsort([len(np.unique(labels)) for labels in truths], kind="stable")
    return np.asarray(truths[order[len(order) // 2]])


def _segments(labels: LabelMap) -> str:
    count = len(np.unique(labels))
    return f"{count} segment{'s' if count > 1 else ''}"
