"""What a source hands to the plan: one small frozen record a scene, and the pixels on request.

A record is identity and size only, so that a plan over a whole dataset stays small, can be sent
to any worker and has a fingerprint. Paths are relative to the dataset's folder: a dataset that is
moved keeps its records.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class RawFile:
    """One file of the dataset: its path relative to the dataset's folder, and its bytes."""

    path: str
    size: int


@dataclass(frozen=True)
class SceneRecord:
    """One image with its human segmentations, before anything is decoded.

    Attributes:
        id: name of the image in its dataset.
        split: what the image is used for under the chosen protocol ("train", "test", …).
        image: the image file.
        annotations: the ground-truth files; none if the ground truth is missing.
        height, width: size in pixels by the header; 0 if the header is unreadable.
        annotators: number of segmentations by the headers; 0 if they are unreadable.
    """

    id: str
    split: str
    image: RawFile
    annotations: tuple[RawFile, ...]
    height: int
    width: int
    annotators: int

    @property
    def raw_size(self) -> int:
        """Bytes of all its files."""
        return self.image.size + sum(file.size for file in self.annotations)


@dataclass(frozen=True)
class Listing:
    """What discovery found in a dataset's folder.

    Attributes:
        root: the folder that the records' paths are relative to.
        layout: the layout's name.
        records: in the order in which the store keeps them.
        notes: sentences about what was left out, and why.
    """

    root: Path
    layout: str
    records: tuple[SceneRecord, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scene:
    """The decoded record.

    Attributes:
        image: (height, width, 3) uint8 RGB.
        labels: one (height, width) uint16 map an annotator, labels ≥ 1.
        image_sha256: digest of the image file.
        annotation_sha256: digests of the ground-truth files, in the record's order.
    """

    image: np.ndarray
    labels: tuple[np.ndarray, ...]
    image_sha256: str
    annotation_sha256: tuple[str, ...]
