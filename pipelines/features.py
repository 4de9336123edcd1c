"""Features of a frozen backbone as a product, computed once.

The store has the scenes (or regions) of the dataset in the same slots as its store of scenes (or
regions), so that labels are found by slot. Small images are kept beside their features. What
computes features is an entry point of the group `pipelines.features`, found by name: the library
behind it is imported when features are asked for and not before, and this package does not know
which one it is. GIST alone is computed here, without an entry point or weights (`pipelines.gist`).

An entry point is called with the request's words (`alexnet:relu5`, or several taps as in
`vgg16:relu3_3+relu5_3`, a file of weights, a factor) and gives an `Extractor`. Features are kept in
half precision: they feed a network that is trained with noise of its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.metadata import entry_points
from typing import Any, Protocol, runtime_checkable

import numpy as np

from pipelines import schema
from pipelines.errors import PipelineError
from pipelines.gist import NAME as GIST
from pipelines.gist import Gist
from pipelines.records import Item, Listing, Value
from pipelines.schema import Schema

GROUP = "pipelines.features"
LARGEST = np.finfo(np.float16).max


@runtime_checkable
class Extractor(Protocol):
    """A function that computes features, as an entry point returns it.

    Attributes:
        attributes: attributes of the store, among them where cells lie in the image and a digest
            of the weights; they decide the content, as the parameters do.
    """

    attributes: dict[str, Value]

    def shapes(self, height: int, width: int) -> dict[str, tuple[int, int, int]]:
        """Channels, rows and columns at each tap, for an image of that size."""

    def __call__(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """(channels, rows, columns) at each tap, of an image (height, width, 3) uint8."""


@dataclass(frozen=True)
class FeatureRequest:
    """The parameters of a plan that choose an extractor.

    Attributes:
        features: the extractor's argument, as in "alexnet:relu5"; an entry point's name stands
            before a slash, as in "backbone/alexnet:relu5", where there are several. Or "gist".
        weights: file of its weights; empty for GIST.
        enlarge: factor by which images are enlarged before.
        mirrored: whether the mirror image's features are wanted as well.
    """

    features: str
    weights: str
    enlarge: float
    mirrored: bool


@lru_cache(maxsize=2)
def extractor(request: FeatureRequest) -> Extractor:
    """The extractor of a request; cached, because a worker needs it for every unit.

    Raises:
        PipelineError: no such entry point is installed.
    """
    if request.features == GIST:
        return Gist()
    name, slash, spec = request.features.rpartition("/")
    found = {each.name: each for each in entry_points(group=GROUP)}
    name = name if slash else next(iter(sorted(found)), "")
    if name not in found:
        raise PipelineError(
            f"an installed extractor out of the entry points {GROUP}",
            f"{', '.join(sorted(found)) or 'none'}" + f", not {name!r}" * bool(name),
            "install what offers it: pip install structured-layers-workbench",
        )
    made: Extractor = found[name].load()(spec, request.weights, request.enlarge)
    return made


def list_features(listing: Listing, request: FeatureRequest) -> Listing:
    """The listing of the features of a listing's items, slot for slot.

    Args:
        listing: listing of the pixels; the records of scenes have `height` and `width`.
        request: the extractor's.
    """
    backbone = extractor(request)
    attributes = tuple(sorted(backbone.attributes.items()))
    kind, (height, width, _) = listing.schema.kind, listing.schema.pixels[0].shape
    if kind in (schema.REGIONS, schema.IMAGES):  # all of one size
        shapes = backbone.shapes(height, width)
        if kind == schema.REGIONS:
            made = schema.region_features(shapes, request.mirrored)
        else:
            made = schema.image_features(height, shapes, request.mirrored)
        return replace(listing, schema=made, attributes=attributes)
    # An upright and a lying image fill the canvas in different directions.
    sizes = {(record.height, record.width) for record in listing.records}  # type: ignore[attr-defined]
    found = [backbone.shapes(*size) for size in sizes - {(0, 0)} or {listing.largest}]
    largest = {
        tap: tuple(max(sides) for sides in zip(*(each[tap] for each in found), strict=True))
        for tap in found[0]
    }
    made = schema.features(largest, request.mirrored)
    return replace(listing, schema=made, attributes=attributes)


def place_in_frames(items: Iterator[Item], side: int) -> Iterator[Item]:
    """Items with their images placed in frames of `side` pixels, as a store of pixels has them."""
    for item in items:
        if item.pixels is None:
            yield item
            continue
        image = item.pixels["image"]
        frame = np.zeros((side, side, 3), np.uint8)
        top, left = item.corner
        frame[top : top + image.shape[0], left : left + image.shape[1]] = image
        yield replace(item, pixels={"image": frame}, corner=(0, 0))


def features_of(items: Iterator[Item], request: FeatureRequest, made: Schema) -> Iterator[Item]:
    """Items with features in place of their pixels, or beside them where the schema has both."""
    backbone = extractor(request)
    names = {field.name for field in made.values}
    with_image = made.pixels[0].name == "image"
    for item in items:
        row: dict[str, Any] = {name: item.row[name] for name in item.row if name in names}
        if item.pixels is None:
            yield replace(item, row=row)
            continue
        image = item.pixels["image"]
        pixels = {tap: _halved(maps) for tap, maps in backbone(image).items()}
        for tap, maps in pixels.items():
            if f"{tap}_rows" in names:
                _, row[f"{tap}_rows"], row[f"{tap}_columns"] = maps.shape
        if request.mirrored:
            mirror = backbone(np.ascontiguousarray(image[:, ::-1]))
            pixels |= {f"{tap}_mirrored": _halved(maps) for tap, maps in mirror.items()}
        if with_image:
            pixels["image"] = image
        yield replace(item, row=row, pixels=pixels)


def _halved(maps: np.ndarray) -> np.ndarray:
    """The values in half precision, clipped to its range."""
    return np.asarray(np.clip(maps, -LARGEST, LARGEST), np.float16)
