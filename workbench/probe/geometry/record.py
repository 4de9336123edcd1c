"""Measured geometry as one file, whose every byte is checked when it is read.

`geometry.npz` holds uint8 `thumbnails`, one (images, images) array `gram 0`, `gram 1`, … for each
layer and network, (pairs,) arrays `exact 0`, `formula 0`, … for each layer that has them, and
`record`: the other values as JSON in UTF-8.
"""

import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch

from workbench.errors import WorkbenchError
from workbench.geometry.width import MeanWidth
from workbench.probe.geometry.clouds import LayerCloud
from workbench.probe.geometry.predictions import LayerPrediction
from workbench.runs.files import to_json, write_files
from workbench.runs.plain import from_plain, plain

FILE = "geometry.npz"
FORMAT = "workbench geometry of layers, 1"
_AGAIN = "measure again: workbench geometry MODEL --images … --layers … --out FOLDER"
_DAMAGED = (OSError, EOFError, ValueError, LookupError, TypeError, NotImplementedError,
            zipfile.BadZipFile, zlib.error)  # fmt: skip
"""Errors of numpy, zipfile and JSON on a file that is no record or a damaged one."""


def is_geometry(folder: Path | str) -> bool:
    """Whether a folder holds a measured geometry."""
    return (Path(folder) / FILE).is_file()


def write_record(
    folder: Path,
    facts: Mapping[str, Any],
    thumbnails: np.ndarray,
    clouds: Sequence[LayerCloud],
    predictions: Sequence[LayerPrediction],
) -> Path:
    """Write the file, whole or not at all.

    Args:
        folder: where to; made if it is not there.
        facts: further values by name, which JSON can hold.
        thumbnails: (images, rows, columns, 3) uint8.
        clouds: every layer of every network.
        predictions: one for each layer.

    Returns:
        Path of the file.
    """
    arrays: dict[str, Any] = {"thumbnails": thumbnails}
    arrays |= {f"gram {i}": each.gram.numpy() for i, each in enumerate(clouds)}
    for kind in ("exact", "formula"):
        angles = [getattr(each, kind) for each in predictions]
        arrays |= {f"{kind} {i}": each for i, each in enumerate(angles) if each is not None}
    record = {
        "format": FORMAT, "facts": facts,
        "clouds": [_without(each, "gram") for each in clouds],
        "predictions": [_without(each, "exact", "formula") for each in predictions],
    }  # fmt: skip
    arrays["record"] = np.frombuffer(to_json(record).encode(), np.uint8)
    buffer = BytesIO()
    np.savez(buffer, **arrays)
    return write_files(folder, {FILE: buffer.getvalue()})[0]


def read_record(
    folder: Path,
) -> tuple[dict[str, Any], np.ndarray, tuple[LayerCloud, ...], tuple[LayerPrediction, ...]]:
    """Facts, thumbnails, clouds and predictions of `write_record`.

    Raises:
        WorkbenchError: there is no such file, it is damaged, or something else wrote it.
    """
    path = folder / FILE
    if not path.is_file():
        raise WorkbenchError(
            f"a measured geometry, {path}",
            "no such file" if folder.is_dir() else f"no folder {folder}",
            _AGAIN,
        )
    try:
        with path.open("rb") as source, np.load(source, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        record = json.loads(arrays["record"].tobytes())
        if record["format"] != FORMAT:
            raise ValueError(f"the format {record['format']!r}, not {FORMAT!r}")
        clouds = tuple(_cloud(each, arrays[f"gram {i}"]) for i, each in enumerate(record["clouds"]))
        predictions = tuple(
            LayerPrediction(
                **each, exact=arrays.get(f"exact {i}"), formula=arrays.get(f"formula {i}")
            )
            for i, each in enumerate(record["predictions"])
        )
        return record["facts"], arrays["thumbnails"], clouds, predictions
    except _DAMAGED as error:
        raise WorkbenchError(
            f"a measured geometry in {path}", f"a damaged or foreign file ({error})", _AGAIN
        ) from error


def _without(record: Any, *names: str) -> dict[str, Any]:
    return {
        name: value if isinstance(value, str | int | float | None) else plain(value)
        for name, value in vars(record).items() if name not in names
    }  # fmt: skip


def _cloud(facts: dict[str, Any], gram: np.ndarray) -> LayerCloud:
    widths = {
        name: None if facts[name] is None else from_plain(MeanWidth, facts[name], _AGAIN)
        for name in ("width", "unit_width")
    }
    return LayerCloud(**facts | widths, gram=torch.from_numpy(gram))
