"""Ground truth of images for a probe: label maps by annotators, from files, packed in the record.

A label map is (rows, columns) of integers. Pixels of equal labels are one segment, whatever the
labels' values; an image has one map from each of its annotators.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int32, Integer, UInt8
from PIL import Image
from torch import Tensor

from pipelines.folders import plain_name
from pipelines.images import open_image
from pipelines.label_maps import decode_mat, decode_seg
from workbench.errors import WorkbenchError

SUFFIXES = (".png", ".npy", ".mat", ".seg")
"""Kinds of files: PNG, numpy, the ground truth of BSDS500 and of BSDS300."""
MOST = 32
"""Largest number of label maps that are kept of an image."""
_INDEXED = {"1", "L", "P", "I", "I;16"}
"""Modes of Pillow's images with one integer a pixel."""
_SHOWN = 5

LabelMap = Integer[np.ndarray, "_ _"]
"""Label map (rows, columns), any integer dtype."""
Packed = UInt8[np.ndarray, "_"]
"""Compressed label maps of one image."""


def is_label_map(value: Any) -> bool:
    """Whether a value is one label map: an integer array (rows, columns), or a mask of Pillow's."""
    if isinstance(value, Image.Image):
        return value.mode in _INDEXED
    if not isinstance(value, np.ndarray | Tensor):
        return False
    shape = tuple(value.shape)
    return _whole(value) and (len(shape) == 2 or (len(shape) == 3 and shape[0] == 1))


def label_maps_of(value: Any, name: str) -> list[LabelMap]:
    """Label maps from any of the usual forms.

    Args:
        value: array or tensor of integers or booleans, (rows, columns) or (annotators, rows,
            columns); an image of Pillow's with one number a pixel (mode 1, L, P or I), or in
            colours (mode RGB), where each colour is a label.
        name: name for messages.

    Raises:
        WorkbenchError: it is none of these.
    """
    shape = tuple(getattr(value, "shape", ()))
    if isinstance(value, Image.Image) and value.mode in _INDEXED:
        return [np.array(value).astype(np.int64)]
    if isinstance(value, Image.Image) and value.mode == "RGB":
        return [np.array(value).astype(np.int64) @ np.array([1, 1 << 8, 1 << 16])]
    if isinstance(value, np.ndarray | Tensor) and _whole(value) and len(shape) in (2, 3):
        array = value.numpy(force=True) if isinstance(value, Tensor) else value
        return list(array.reshape(-1, *shape[-2:]).astype(np.int64))
    kind = value.mode if isinstance(value, Image.Image) else getattr(value, "dtype", "")
    found = f"{type(value).__name__} {kind}".strip()
    raise WorkbenchError(
        f"label maps of {name}: integers (rows, columns) or (annotators, rows, columns)",
        found + f" of shape {shape}" * bool(shape),
        "convert them",
    )


def _whole(value: np.ndarray | Tensor) -> bool:
    """Whether an array's dtype is one of integers or booleans."""
    if isinstance(value, Tensor):
        return not (value.is_floating_point() or value.is_complex())
    return value.dtype.kind in "biu"


def read_truths(path: Path) -> list[LabelMap]:
    """Label maps in a file, see `SUFFIXES`; .mat holds those of all annotators.

    Raises:
        UserError: the file does not hold label maps.
        OSError: the file cannot be read.
    """
    content, name = path.read_bytes(), str(path)
    if path.suffix.lower() == ".mat":
        return list(decode_mat(content, name))
    if path.suffix.lower() == ".seg":
        return [decode_seg(content, name)]
    if path.suffix.lower() == ".png":
        return label_maps_of(open_image(content, name), name)
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise WorkbenchError(f"an array in {name}", f"{error}", "write it by numpy.save") from error
    return label_maps_of(array, name)


@dataclass(frozen=True)
class TruthFiles:
    """Files of a folder, by the image that they belong to.

    Attributes:
        folder: the folder.
        files: files by image's id; those of several annotators sorted by path.
        alone: files that belong to no image.
    """

    folder: Path
    files: dict[str, list[Path]]
    alone: list[Path]

    @classmethod
    def of(cls, folder: Path | str, ids: Sequence[str]) -> "TruthFiles":
        """Match the files below a folder to images.

        A file belongs to the image of its path below the folder, else to that of its stem: both
        val/7.png and anna/7.png belong to the image 7, where no other image has that stem.

        Args:
            folder: folder, nested or not.
            ids: ids of the images.

        Raises:
            WorkbenchError: there is no folder, or no file in it belongs to an image.
        """
        folder = Path(folder)
        known, found, alone = set(ids), dict[str, list[Path]](), list[Path]()
        if not folder.is_dir():
            raise WorkbenchError("a folder of label maps", f"no folder {folder}", "check the path")
        for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES):
            below = path.relative_to(folder).with_suffix("")
            names = (plain_name("-".join(below.parts)), plain_name(below.name))
            id = next((name for name in names if name in known), None)
            if id is None:
                alone.append(path)
            else:
                found.setdefault(id, []).append(path)
        if not found:
            raise WorkbenchError(
                f"label maps ({', '.join(SUFFIXES)}) in {folder} with the names of the images",
                f"{len(alone)} of other names" if alone else "none",
                f"name them as the images: {', '.join(ids[:_SHOWN])} …",
            )
        return cls(folder, found, alone)

    def read(self, id: str) -> list[LabelMap]:
        """Label maps of an image; empty where there is no file.

        Raises:
            UserError, OSError: a file cannot be read.
        """
        return [each for path in self.files.get(id, []) for each in read_truths(path)]

    def unmatched(self, ids: Sequence[str]) -> list[str]:
        """Sentences on files without an image, and on images without a file."""
        parts = (
            (f"label maps in {self.folder} without an image", [path.name for path in self.alone]),
            (
                f"images without a label map in {self.folder}",
                [i for i in ids if i not in self.files],
            ),
        )
        return [
            f"{what}, {len(names)}: {', '.join(names[:_SHOWN])}{' …' * (len(names) > _SHOWN)}"
            for what, names in parts
            if names
        ]


def refuse_unusable(maps: Sequence[LabelMap], size: tuple[int, int], id: str) -> None:
    """Refuse label maps that do not fit an image.

    Args:
        maps: label maps.
        size: height and width of the image, pixels.
        id: id of the image.

    Raises:
        WorkbenchError: a map has another size or labels beyond 32 bits, or there are too many.
    """
    for labels in maps:
        if labels.shape != size:
            raise WorkbenchError(
                f"label maps of {size[1]}×{size[0]} as the image {id} has",
                f"{labels.shape[1]}×{labels.shape[0]}",
                "give those of this image, at its own size",
            )
        limits = np.iinfo(np.int32)
        if labels.size and not limits.min <= labels.min() <= labels.max() <= limits.max:
            raise WorkbenchError(
                f"labels of 32 bits on {id}", f"{labels.max()}", "number the segments from 1"
            )
    if len(maps) > MOST:
        raise WorkbenchError(
            f"at most {MOST} label maps of the image {id}", f"{len(maps)}", "leave some out"
        )


def packed(maps: Sequence[LabelMap]) -> Packed:
    """Label maps of one size, compressed."""
    raw = np.stack(maps).astype("<i4").tobytes()
    return np.frombuffer(zlib.compress(raw), np.uint8)


def unpacked(content: Packed, size: tuple[int, int]) -> list[Int32[np.ndarray, "rows columns"]]:
    """Label maps from `packed`.

    Args:
        content: result of `packed`.
        size: rows and columns of each.
    """
    raw = zlib.decompress(content.tobytes())
    return list(np.frombuffer(raw, "<i4").reshape(-1, *size).astype(np.int32))
