"""The one reader of label maps: the .mat of BSDS500, the .seg of BSDS300, from bytes to arrays.

Every function that decodes raises `BadInput` for content that it cannot take, and nothing else:
a broken file is the dataset's fault, not the program's. `peek_annotators` reads headers only.

The .seg format is David Martin's, "Segmentation file format", 2001, published with BSDS300.
"""

import io
import itertools
import warnings
from pathlib import Path

import numpy as np
import scipy.io

from pipelines.errors import BadInput

MAX_LABEL = np.iinfo(np.uint16).max


def peek_annotators(path: Path) -> int:
    """Number of segmentations in a ground truth: one in a .seg, any in a .mat; 0 if unreadable."""
    if path.suffix == ".seg":
        return 1
    try:
        sizes = {name: shape for name, shape, _ in scipy.io.whosmat(path)}
        return int(np.prod(sizes.get("groundTruth", (0,))))
    except Exception:  # noqa: BLE001 -- see decode_mat, which will say what is wrong
        return 0


def decode_mat(content: bytes, name: str) -> list[np.ndarray]:
    """The segmentations in a BSDS500 ground truth, (height, width) uint16 each."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            cells = scipy.io.loadmat(io.BytesIO(content), variable_names=["groundTruth"])
        maps = [cell["Segmentation"][0, 0] for cell in cells["groundTruth"].ravel()]
    # scipy parses whatever the bytes say they are: broken ones end in errors of any type
    except Exception as error:
        raise BadInput(
            f"a cell `groundTruth` of segmentations in {name}",
            f"an unreadable file ({type(error).__name__}: {error})",
            "restore the file",
        ) from error
    return [_as_labels(np.asarray(labels), name) for labels in maps]


def encode_mat(maps: list[np.ndarray], boundaries: list[np.ndarray]) -> bytes:
    """A BSDS500 ground truth; the same bytes for the same maps (scipy writes the date)."""
    cells = np.empty((1, len(maps)), dtype=object)
    for i, (labels, edges) in enumerate(zip(maps, boundaries, strict=True)):
        cells[0, i] = {"Segmentation": labels, "Boundaries": edges}
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, {"groundTruth": cells}, do_compression=True)
    header = b"MATLAB 5.0 MAT-file, structured-layers-workbench sample".ljust(116)
    return header + buffer.getvalue()[len(header) :]


def decode_seg(content: bytes, name: str) -> np.ndarray:
    """A .seg segmentation as (height, width) uint16, its segment 0 as label 1."""
    head, _, body = content.decode("ascii", errors="replace").partition("\ndata")
    lines = (line.partition("#")[0].split(maxsplit=1) for line in head.splitlines())
    fields = {line[0]: line[1].strip() for line in lines if len(line) == 2}
    try:
        height, width = int(fields["height"]), int(fields["width"])
        rows = np.array(body.split(), dtype=np.int64).reshape(-1, 4)
    except (KeyError, ValueError) as error:
        raise BadInput(
            f"a .seg header and rows of four numbers in {name}",
            f"something else ({error})",
            "restore the file",
        ) from error
    form = fields.get("format", "ascii cr")
    if form.split() != ["ascii", "cr"] or fields.get("flipflop", "0") != "0":
        raise BadInput(
            f"format `ascii cr`, not flipped, in {name}",
            f"format `{form}`, flipflop {fields.get('flipflop', '0')}",
            "convert the file or take it out",
        )
    segment, row, first, last = rows.T
    fits = (segment >= 0) & (row >= 0) & (row < height) & (first >= 0)
    fits &= (first <= last) & (last < width)
    lengths = last - first + 1
    if not (fits.all() and lengths.sum() == height * width):
        raise _not_a_partition(name, height, width)
    starts = np.cumsum(lengths) - lengths
    pixels = np.repeat(row * width + first - starts, lengths) + np.arange(height * width)
    labels = np.zeros(height * width, dtype=np.int64)
    labels[pixels] = np.repeat(segment + 1, lengths)
    if not labels.all():
        raise _not_a_partition(name, height, width)
    return _as_labels(labels.reshape(height, width), name)


def _not_a_partition(name: str, height: int, width: int) -> BadInput:
    return BadInput(
        f"every pixel of {height}×{width} named exactly once in {name}",
        "gaps, overlaps or pixels outside",
        "restore the file",
    )


def encode_seg(labels: np.ndarray, image_id: str, user: int) -> bytes:
    """A .seg segmentation of (height, width) labels from 1."""
    height, width = labels.shape
    lines = [
        "format ascii cr",
        f"image {image_id}",
        f"user {user}",
        f"width {width}",
        f"height {height}",
        f"segments {labels.max()}",
        "gray 0",
        "invert 0",
        "flipflop 0",
        "data",
    ]
    for y, row in enumerate(labels):
        starts = np.flatnonzero(np.diff(row, prepend=-1, append=-1))
        for first, stop in itertools.pairwise(starts):
            lines.append(f"{int(row[first]) - 1} {y} {first} {stop - 1}")
    return ("\n".join(lines) + "\n").encode("ascii")


def _as_labels(labels: np.ndarray, name: str) -> np.ndarray:
    """The map as uint16, refused if a pixel has no label or one that does not fit."""
    integral = labels.ndim == 2 and labels.size and np.issubdtype(labels.dtype, np.number)
    if integral and np.issubdtype(labels.dtype, np.inexact):
        integral = bool((labels == np.floor(labels.real)).all())
    if not integral:
        raise BadInput(
            f"label maps of whole numbers in {name}",
            f"an array {labels.dtype} of shape {labels.shape}",
            "restore the file",
        )
    low, high = labels.min(), labels.max()
    if low < 1 or high > MAX_LABEL:
        raise BadInput(
            f"labels from 1 to {MAX_LABEL} in {name}",
            f"labels from {low} to {high}",
            "number the segments from 1",
        )
    return labels.astype(np.uint16)
