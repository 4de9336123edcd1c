"""Records of CIFAR-10: a raw file and the place of each of its images in it."""

from dataclasses import dataclass

import msgspec

from pipelines.records import RawFile

SIDE, CATEGORIES = 32, 10
BYTES = 3 * SIDE * SIDE
SPLITS = ("train", "test")


class ImagePlace(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Place of an image in a raw file.

    Attributes:
        id: name of the image.
        category: number of its category.
        number: its number in the official order of its split; −1: unknown.
        offset: where its bytes begin, or, in a zip, its member.
        length: bytes; of a member those of its compressed content.
        crc32: CRC-32 of the bytes; of a member that of its content.
    """

    id: str
    category: int
    number: int
    offset: int
    length: int
    crc32: int


class ImagesRecord(msgspec.Struct, frozen=True):
    """Record of a raw file of images of one split.

    Attributes:
        file: the raw file.
        sha256: its digest.
        split: "train" or "test".
        zipped: the file is a zip of image files; otherwise it has rows of three planes.
        images: places of the images, in the order of the store.
    """

    file: RawFile
    sha256: str
    split: str
    zipped: bool
    images: tuple[ImagePlace, ...]

    @property
    def items(self) -> int:
        """Number of slots that the record fills."""
        return len(self.images)

    def part(self, start: int, stop: int) -> "ImagesRecord":
        """The record of some of its images."""
        return msgspec.structs.replace(self, images=self.images[start:stop])


@dataclass(frozen=True)
class Found:
    """Content of a dataset's folder: names of categories, records, notes on what is unusual."""

    names: tuple[str, ...]
    records: tuple[ImagesRecord, ...]
    notes: tuple[str, ...]
