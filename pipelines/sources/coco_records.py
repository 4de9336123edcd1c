"""COCO's annotation files as typed structures, and the record of an image with its objects.

A file that decodes to `Instances` has numbers that fit into a store; any other one is mended
(`coco_mending`).

Segmentations stay JSON text: parsed, those of full COCO would take several times the file's
memory. A task parses those of its own unit.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from pipelines.records import RawFile

Number64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Number32 = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
Side = Annotated[int, Meta(ge=1, le=2**31 - 1)]
NO_BOX = (0.0, 0.0, 0.0, 0.0)
"""Box of an annotation that has none, and no segmentation to take it from."""
NOTHING = msgspec.Raw(b"null")
EMPTY = {b"", b"null", b"[]", b"{}", b"[[]]"}


class Annotation(msgspec.Struct, gc=False, frozen=True):
    """An object as the JSON has it, its segmentation unparsed; an area of None is its mask's."""

    id: Number64
    image_id: Number64
    category_id: Number32
    bbox: tuple[float, float, float, float]
    area: float | None = None
    iscrowd: int = 0
    segmentation: msgspec.Raw = NOTHING

    @property
    def boxed(self) -> bool:
        """Whether there is no segmentation: the box is the mask."""
        return len(self.segmentation) < 20 and b"".join(bytes(self.segmentation).split()) in EMPTY


class Image(msgspec.Struct, gc=False, frozen=True):
    """An image as the JSON has it; a mended one without a size has sides of 0."""

    id: Number64
    file_name: str
    height: Side
    width: Side


class Category(msgspec.Struct, gc=False, frozen=True):
    """A category as the JSON has it."""

    id: Number32
    name: str


class Instances(msgspec.Struct):
    """A file of instance annotations; no category where it declares none."""

    images: list[Image]
    annotations: list[Annotation]
    categories: list[Category]


class ImageRecord(msgspec.Struct, frozen=True):
    """An image with those of its objects that are wanted, in the order of their ids.

    Attributes:
        height, width: size by the annotations; 0 where there is none that can be believed.
        whole: the image fills one slot (scenes), not one for each object (regions).
    """

    id: int
    split: str
    file: RawFile
    height: int
    width: int
    objects: tuple[Annotation, ...]
    whole: bool

    @property
    def items(self) -> int:
        """Number of slots that the record fills."""
        return 1 if self.whole else len(self.objects)

    def part(self, start: int, stop: int) -> "ImageRecord":
        """The record of some of its items."""
        if stop - start == self.items:
            return self
        return msgspec.structs.replace(self, objects=self.objects[start:stop])
