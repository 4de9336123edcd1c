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
MOST_ANNOTATORS = 1000
"""Most segmentations of one image; more are no ground truth."""
VARIABLE = "groundTruth"
"""Name of the variable of a .mat file that holds the segmentations."""


def peek_annotators(path: Path) -> int:
    """Number of segmentations in a ground truth: one in a .seg, any in a .mat; 0 if unreadable."""
    if path.suffix == ".seg":
        return 1
    try:
        kinds = {name: (shape, kind) for name, shape, kind in scipy.io.whosmat(path)}
        shape, kind = kinds.get(VARIABLE, ((0,), "cell"))
        count = int(np.prod(shape)) if kind in ("cell", "struct") else 1
        return count if count <= MOST_ANNOTATORS else 0
    except Exception:  # noqa: BLE001 -- see decode_mat, which will say what is wrong
        return 0


def decode_mat(content: bytes, name: str) -> list[np.ndarray]:
    """Segmentations in a BSDS500 ground truth, (height, width) uint16 each.

    `groundTruth` may be a cell array of structures, as published, an array of structures, a cell
    array of label maps, or one label map.
    """
    if content[:19] == b"MATLAB 7.3 MAT-file":
        raise BadInput(
            f"a MAT-file of version 5 in {name}", "one of version 7.3", "save it with `-v7`"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            file = scipy.io.loadmat(io.BytesIO(content), variable_names=[VARIABLE])
            found = file.get(VARIABLE)
            others = scipy.io.whosmat(io.BytesIO(content)) if found is None else []
    # scipy parses whatever the bytes say they are: broken ones end in errors of any type
    except Exception as error:
        raise BadInput(
            f"a cell `{VARIABLE}` of segmentations in {name}",
            f"an unreadable file ({type(error).__name__}: {error})",
            "restore the file",
        ) from error
    if found is None:
        there = ", ".join(f"{each} ({_size(shape)} {kind})" for each, shape, kind in others)
        raise BadInput(
            f"a cell `{VARIABLE}` of segmentations in {name}",
            f"the variables {there}" if there else "no variable",
            f"save the label maps as {VARIABLE}{{1}}.Segmentation, …",
        )
    structures = found.dtype == object or found.dtype.names is not None
    cells = found.ravel() if structures else [found]
    if len(cells) > MOST_ANNOTATORS:
        raise BadInput(
            f"at most {MOST_ANNOTATORS} segmentations in {name}", f"{len(cells)}", "split the file"
        )
    return [_as_labels(_segmentation(cell, name), name) for cell in cells]


def _segmentation(cell: np.ndarray | np.void, name: str) -> np.ndarray:
    """Label map of a cell: the cell itself, or the field of its structure."""
    fields = cell.dtype.names
    if fields is None:
        return np.asarray(cell)
    if "Segmentation" not in fields:
        raise BadInput(
            f"structures with the field Segmentation in `{VARIABLE}` of {name}",
            f"the fields {', '.join(fields)}",
            "save a label map as Segmentation",
        )
    values = cell["Segmentation"]
    return np.asarray(values.ravel()[0] if values.dtype == object else values)


def _size(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


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
