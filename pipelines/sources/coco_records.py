"""COCO's annotation files as typed structures, and the record of an image with its objects.

Segmentations stay JSON text: parsed, those of full COCO would take several times the file's
memory. A task parses those of its own unit.
"""

import msgspec

from pipelines.records import RawFile


class Annotation(msgspec.Struct, gc=False, frozen=True):
    """An object as the JSON has it, its segmentation unparsed."""

    id: int
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    area: float = 0.0
    iscrowd: int = 0
    segmentation: msgspec.Raw = msgspec.Raw()


class Image(msgspec.Struct, gc=False, frozen=True):
    """An image as the JSON has it."""

    id: int
    file_name: str
    height: int
    width: int


class Category(msgspec.Struct, gc=False, frozen=True):
    """A category as the JSON has it."""

    id: int
    name: str


class Instances(msgspec.Struct):
    """A file of instance annotations."""

    images: list[Image]
    annotations: list[Annotation]
    categories: list[Category]


class ImageRecord(msgspec.Struct, frozen=True):
    """An image with those of its objects that are wanted, in the order of their ids.

    Attributes:
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
