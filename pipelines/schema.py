"""Schemas: names, types and named dimensions of a store's arrays, by kind of store.

Items (scenes, regions, images) lie along the first dimension of every array. *Pixel arrays* hold
an item's large part and are read item by item; the *table* holds one small value an item and is
read whole. Every pixel array has a column of digests in the table, `<name>_xxh3`: XXH3 of the bytes
of the item, in C order. `valid` is False for an item that is quarantined: its pixels are zeros.

    kind      pixel arrays                                  of
    regions   image uint8 (region, y, x, channel),          COCO
              mask uint8 0/1 (region, y, x)
    scenes    image uint8 (scene, y, x, channel),           BSDS, COCO; a folder of images has
              label uint16 (scene, annotator, y, x)         no label
    images    image uint8 (image, y, x, channel)            CIFAR-10
    features  <tap> float16 (scene, channel, y, x),         any: slot for slot the scenes of a
              <tap>_mirrored, the same of mirror images     store of scenes
              the same (region, channel, y, x)              COCO: slot for slot the regions of a
                                                            store of regions
              the same (image, channel, y, x), and the      CIFAR-10
              images as a store of images has them

A scene sits in the top left corner of a canvas that the largest scene fills, nothing resampled;
`height`, `width` and `annotators` say how much of the slot is the scene's. A region sits in the
middle of its frame, `top` and `left` say where; `height` and `width` are those of the content. An
image fills its slot, is of one category, and has its number in the dataset's official order, from 0
in each split; −1 where the layout of the raw files has lost it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

SCHEMA_VERSION = 2
"""Version of the schemas; a store of another version is refused."""
STRING = "string"


@dataclass(frozen=True)
class Field:
    """An array: its dtype's name, and its dimensions and shape after that of the items."""

    name: str
    dtype: str
    dims: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()

    @property
    def numpy(self) -> np.dtype:
        """The dtype in memory; strings of any length are objects."""
        return np.dtype(object if self.dtype == STRING else self.dtype)

    @property
    def item_bytes(self) -> int:
        """Bytes of one item."""
        return math.prod(self.shape) * self.numpy.itemsize


@dataclass(frozen=True)
class Schema:
    """The arrays of a store.

    Attributes:
        kind: the store's attribute `kind`.
        dimension: name of the items' dimension.
        pixels: arrays that are read item by item.
        values: arrays with small values, as the source gives them.
    """

    kind: str
    dimension: str
    pixels: tuple[Field, ...]
    values: tuple[Field, ...]

    @property
    def table(self) -> tuple[Field, ...]:
        """Arrays that are read whole: the source's values, the digests and `valid`."""
        digests = (Field(digest_name(field.name), "uint64") for field in self.pixels)
        return (*self.values, *digests, Field("valid", "bool"))

    @property
    def item_bytes(self) -> int:
        """Bytes of one item's pixels."""
        return sum(field.item_bytes for field in self.pixels)


def digest_name(name: str) -> str:
    """The table's column with the digests of a pixel array."""
    return f"{name}_xxh3"


KIND = "structured-layers-"
"""Beginning of the attribute `kind` of every store of this package."""
SCENES, REGIONS, IMAGES, FEATURES = (
    f"{KIND}{name}" for name in ("scenes", "regions", "images", "features")
)

IDENTITY = (
    Field("split", STRING),
    Field("image_source", STRING),
    Field("image_sha256", STRING),
    Field("height", "int32"),
    Field("width", "int32"),
)
"""Columns of every store: where an item comes from, and how large its content is."""


def scenes(canvas: tuple[int, int], annotators: int, *extra: Field) -> Schema:
    """Whole images with label maps."""
    height, width = canvas
    return Schema(
        SCENES,
        "scene",
        pixels=(
            Field("image", "uint8", ("y", "x", "channel"), (height, width, 3)),
            Field("label", "uint16", ("annotator", "y", "x"), (annotators, height, width)),
        ),
        values=(*IDENTITY, Field("id", STRING), Field("annotators", "int32"), *extra),
    )


def photographs(canvas: tuple[int, int]) -> Schema:
    """Whole images without label maps."""
    height, width = canvas
    image = Field("image", "uint8", ("y", "x", "channel"), (height, width, 3))
    return Schema(SCENES, "scene", pixels=(image,), values=(*IDENTITY, Field("id", STRING)))


OBJECT = (
    Field("category", "int32"),
    Field("category_id", "int32"),
    Field("image_id", "int64"),
    Field("annotation_id", "int64"),
)
"""Columns that identify a region's object."""


def regions(size: int) -> Schema:
    """Objects cut out of images, in square frames, with their masks."""
    return Schema(
        REGIONS,
        "region",
        pixels=(
            Field("image", "uint8", ("y", "x", "channel"), (size, size, 3)),
            Field("mask", "uint8", ("y", "x"), (size, size)),
        ),
        values=(
            *IDENTITY,
            Field("top", "int32"),
            Field("left", "int32"),
            *OBJECT,
            Field("box", "float64", ("edge",), (4,)),
            Field("area", "float64"),
            Field("crowd", "bool"),
        ),
    )


LABELLED = (Field("id", STRING), Field("category", "int32"), Field("number", "int32"))
"""Columns that identify an image of one category."""


def labelled_images(side: int) -> Schema:
    """Square images of `side` pixels, each of one category."""
    image = Field("image", "uint8", ("y", "x", "channel"), (side, side, 3))
    return Schema(IMAGES, "image", pixels=(image,), values=(*IDENTITY, *LABELLED))


def features(shapes: Mapping[str, tuple[int, int, int]], mirrored: bool) -> Schema:
    """Features of whole images, channels × rows × columns: an array for each tap of a backbone.

    Args:
        shapes: largest shape of the dataset, by the tap's name.
        mirrored: whether there is an array `<tap>_mirrored` for each tap as well.
    """
    sizes = (Field(f"{tap}_{side}", "int32") for tap in shapes for side in ("rows", "columns"))
    values = (*IDENTITY, Field("id", STRING), *sizes)
    return Schema(FEATURES, "scene", _taps(shapes, mirrored), values)


def region_features(shapes: Mapping[str, tuple[int, int, int]], mirrored: bool) -> Schema:
    """Features of regions in their frames; arguments as `features` has them."""
    return Schema(FEATURES, "region", _taps(shapes, mirrored), (*IDENTITY, *OBJECT))


def image_features(side: int, shapes: Mapping[str, tuple[int, int, int]], mirrored: bool) -> Schema:
    """Small images of one category and their features; arguments as `features` has them."""
    pixels = (*labelled_images(side).pixels, *_taps(shapes, mirrored))
    return Schema(FEATURES, "image", pixels, (*IDENTITY, *LABELLED))


def _taps(shapes: Mapping[str, tuple[int, int, int]], mirrored: bool) -> tuple[Field, ...]:
    sides = ("", "_mirrored") if mirrored else ("",)
    return tuple(
        Field(f"{tap}{side}", "float16", (f"{tap}_channel", f"{tap}_y", f"{tap}_x"), shape)
        for tap, shape in shapes.items()
        for side in sides
    )
