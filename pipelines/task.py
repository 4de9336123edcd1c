"""The task that writes one unit: idempotent, so that it may be killed and done again.

It reads scene after scene, so that a worker holds one scene at a time, whatever the unit's size.
The unit's mark in the ledger is the last thing it writes.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.errors import BadInput
from pipelines.ledger import Ledger, Quarantined, UnitMark, array_digest
from pipelines.plan import Unit
from pipelines.sources import bsds
from pipelines.sources.records import Scene, SceneRecord
from pipelines.store import TABLE, UnitWriter

READERS: dict[str, Callable[[SceneRecord, Path], Scene]] = {"bsds": bsds.read}
"""How each kind of plan reads its records."""


def write_unit(unit: Unit, kind: str, root: str, store: str) -> UnitMark:
    """Read a unit's scenes, write its chunks, mark it as done.

    A scene that is broken is quarantined, with its slot empty and not valid. Any other error is
    raised, and the unit stays undone.
    """
    writer = UnitWriter(store, unit)
    rows: list[dict[str, Any]] = []
    pixels: list[dict[str, str]] = []
    quarantined: list[Quarantined] = []
    for slot, record in zip(range(unit.start, unit.stop), unit.records, strict=True):
        try:
            scene = READERS[kind](record, Path(root))
            _check_size(scene, record)
        except BadInput as error:
            scene = None
            quarantined.append(Quarantined(slot, record.id, record.image.path, str(error)))
        image, labels = (scene.image, scene.labels) if scene else (None, ())
        arrays = writer.write_scene(slot, image, labels)
        pixels.append({name: array_digest(array) for name, array in arrays.items()})
        rows.append(_row(record, scene))
    table = {name: np.array([row[name] for row in rows], dtype) for name, dtype in _dtypes()}
    invalid = {each.slot for each in quarantined}
    valid = np.array([slot not in invalid for slot in range(unit.start, unit.stop)])
    writer.finish(table, valid)
    digests = {name: array_digest(array) for name, array in {**table, "valid": valid}.items()}
    mark = UnitMark(unit.index, tuple(pixels), digests, tuple(quarantined))
    Ledger(store).record(mark)
    return mark


def _dtypes() -> list[tuple[str, Any]]:
    """The table's arrays with their dtypes in memory; strings of any length are objects."""
    return [(name, object if dtype is str else dtype) for name, dtype in TABLE.items()]


def _row(record: SceneRecord, scene: Scene | None) -> dict[str, Any]:
    """A scene's values; those that come from its files are empty if it is quarantined."""
    height, width = scene.image.shape[:2] if scene else (0, 0)
    return {
        "height": height,
        "width": width,
        "annotators": len(scene.labels) if scene else 0,
        "id": record.id,
        "split": record.split,
        "image_source": record.image.path,
        "image_sha256": scene.image_sha256 if scene else "",
        "annotation_sources": "\n".join(file.path for file in record.annotations),
        "annotation_sha256": "\n".join(scene.annotation_sha256) if scene else "",
    }


def _check_size(scene: Scene, record: SceneRecord) -> None:
    """The slot was laid out by the headers: what was decoded must not be more."""
    height, width = scene.image.shape[:2]
    if height > record.height or width > record.width or len(scene.labels) > record.annotators:
        raise BadInput(
            f"{record.width}×{record.height} and {record.annotators} annotators for {record.id}, "
            "by the headers of its files",
            f"{width}×{height} and {len(scene.labels)}",
            "restore the files",
        )
