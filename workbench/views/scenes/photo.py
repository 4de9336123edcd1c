"""Files of a photograph's segmentation: labels, boundaries, contours, eigenvectors, page.

labels.png          16 bits, segments 1 … n, full size
boundaries.jpg      the photo with the segments' outlines, full size
contours.png        16 bits, the ultrametric contour map at the working size, of hierarchies:
                    65535 is the highest border, whose height `segmentation.json` states
eigenvector-2.png … the leading eigenvectors, white is zero
segmentation.json   figures of the segmentation
index.html          page with all of these; needs no other file
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import colorcet
import numpy as np
from jaxtyping import Bool, Float
from markupsafe import Markup
from PIL import Image, ImageColor
from scipy.ndimage import maximum_filter

from workbench.data.photos import Pixels
from workbench.runs.files import atomic_write, to_json
from workbench.segmentation.photos import PhotoSegmentation, nearest
from workbench.views.inline import img
from workbench.views.paint import LabelMap, boundaries, mean_colours, robust_maximum
from workbench.views.templating import render

EIGENVECTORS = 8
"""Largest number of eigenvectors that are written, from the second on: the first is constant."""
_PAGE = 960
"""Longer side of the pictures on the page, pixels."""
_PALETTE = np.array([ImageColor.getrgb(c) for c in colorcet.palette["coolwarm"]], np.uint8)
"""Colours of `style.DIVERGING`, without holoviews, which takes seconds to load."""


@dataclass(frozen=True)
class _Figure:
    caption: str
    markup: Markup


def write_photo(found: PhotoSegmentation, folder: Path, title: str, model: str) -> Path:
    """Write all files of one photograph.

    Args:
        found: result of `experiments.scenes.photographs.segment_photo`.
        folder: folder of the files; files of an earlier segmentation are replaced.
        title: title of the page.
        model: method of the segmentation, in words.

    Returns:
        Path of the page.
    """
    vectors = [
        _enlarged(_diverging(each), found.working)
        for each in found.eigenvectors[1 : EIGENVECTORS + 1]
    ]
    _save(Image.fromarray(found.labels.astype(np.uint16)), folder / "labels.png")
    _save(Image.fromarray(outlined_photo(found.pixels, found.labels)), folder / "boundaries.jpg")
    ultrametric = None
    if found.contours is not None:
        strength = found.contours / max(float(found.contours.max()), np.finfo(float).tiny)
        ultrametric = nearest((strength * 65535).round().astype(np.uint16), found.working)
        _save(Image.fromarray(ultrametric), folder / "contours.png")
    for stale in folder.glob("eigenvector-*.png"):
        stale.unlink()
    if ultrametric is None:
        (folder / "contours.png").unlink(missing_ok=True)
    for number, vector in enumerate(vectors, 2):
        _save(Image.fromarray(vector), folder / f"eigenvector-{number}.png")
    with atomic_write(folder / "segmentation.json", sync=False) as file:
        file.write((to_json(_facts(found, model), indent=1) + "\n").encode())
    page = folder / "index.html"
    with atomic_write(page, sync=False) as file:
        file.write(_page(found, title, model, ultrametric, vectors))
    return page


def outlined_photo(image: Pixels, labels: LabelMap) -> Pixels:
    """Photo with white outlines on a dark rim, wider on larger photos."""
    core: Bool[np.ndarray, "height width"] = boundaries(labels)
    width = max(1, round(max(labels.shape) / 400))
    core = maximum_filter(core, width)
    drawn = image.copy()
    rim = maximum_filter(core, 2 * max(1, width // 2) + 1)
    drawn[rim] = (drawn[rim] * 0.35).astype(np.uint8)
    drawn[core] = 255
    return drawn


def _facts(found: PhotoSegmentation, model: str) -> dict[str, object]:
    height, width = found.labels.shape
    areas = np.bincount(found.labels.ravel())[1:]
    return {
        "model": model,
        "width": width,
        "height": height,
        "working_width": found.working[1],
        "working_height": found.working[0],
        "segments": found.segments,
        "areas": areas,
        "cut_height": found.height,
        "highest_border": None if found.contours is None else float(found.contours.max()),
        "eigenvalues": found.eigenvalues,
        "rank": found.rank,
        "seconds": {name: round(seconds, 3) for name, seconds in found.seconds.items()},
    }


def _page(
    found: PhotoSegmentation,
    title: str,
    model: str,
    ultrametric: np.ndarray | None,
    vectors: Sequence[Pixels],
) -> bytes:
    height, width = found.labels.shape
    factor = min(1.0, _PAGE / max(height, width))
    size = max(1, round(height * factor)), max(1, round(width * factor))
    image = np.array(Image.fromarray(found.pixels).resize(size[::-1], reducing_gap=2.0))
    labels = nearest(found.labels, size)
    large = [
        _figure(image, f"{width}×{height} pixels"),
        _figure(outlined_photo(image, labels), f"{found.segments} segments"),
        _figure(mean_colours(image, labels), "each in its mean colour"),
    ]
    if ultrametric is not None:
        grey = 255 - (ultrametric // 257).astype(np.uint8)
        caption = "ultrametric contours: the darker, the later a border falls"
        large.append(_figure(np.dstack([grey] * 3), caption))
    return render(
        "photo.html",
        title=title,
        model=model,
        how=_how(found),
        large=large,
        vectors=[
            _figure(vector, f"{number}: {value:.4f}")
            for (number, vector), value in zip(
                enumerate(vectors, 2), found.eigenvalues[1:], strict=False
            )
        ],
        portrait=height > width,
    )


def _how(found: PhotoSegmentation) -> str:
    height, width = found.working
    cut = (
        "flat clusterings"
        if found.contours is None
        else "a hierarchy"
        + ("" if found.height is None else f" cut at merge threshold {found.height:.3g}")
    )
    seconds = sum(found.seconds.values())
    return f"{cut}, found at {width}×{height} pixels in {seconds:.1f} s"


def _figure(pixels: Pixels, caption: str) -> _Figure:
    return _Figure(caption, Markup(img(Image.fromarray(pixels), caption)))


def _diverging(values: Float[np.ndarray, "rows columns"]) -> Pixels:
    """Colours of signed values: blue below zero, red above, white at zero."""
    scaled = (np.clip(values / robust_maximum(values), -1, 1) + 1) / 2
    return np.asarray(_PALETTE[(scaled * (len(_PALETTE) - 1)).round().astype(int)])


def _enlarged(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    image = Image.fromarray(pixels).resize(size[::-1], Image.Resampling.BILINEAR)
    return np.array(image)


def _save(image: Image.Image, path: Path) -> None:
    """Write a picture atomically; the format follows from the name."""
    with atomic_write(path, sync=False) as file:
        if path.suffix == ".jpg":
            image.save(file, "JPEG", quality=90)
        else:
            image.save(file, "PNG", compress_level=4)
