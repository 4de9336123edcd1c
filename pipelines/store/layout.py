"""Lays out an empty store, fills in its table when all units are done, and takes it away."""

import shutil
import warnings
from collections.abc import Iterable
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec
from zarr.errors import ZarrUserWarning

from pipelines.chunks import LEVEL
from pipelines.errors import StoreError
from pipelines.ledger import Ledger
from pipelines.plan import Plan
from pipelines.profiles import LOCAL, TABLE_ROWS
from pipelines.schema import KIND, STRING, Field
from pipelines.store.attributes import array_of, open_group

LIBRARIES = ("zarr", "numpy", "pillow", "scipy", "pycocotools", "dask")


def create(plan: Plan, path: Path | str) -> None:
    """Lay out an empty store for the plan; `complete` is false and no item is valid."""
    path = Path(path)
    # Laid out aside and renamed: a store that lies there has all of its arrays.
    draft = path.with_name(f".{path.name}.draft")
    group = zarr.create_group(
        draft,
        overwrite=True,
        attributes={
            "kind": plan.schema.kind,
            "schema_version": plan.schema_version,
            "code_version": plan.code_version,
            "fingerprint": plan.fingerprint,
            "profile": plan.profile,
            "unit": plan.unit,
            "pixels": [field.name for field in plan.schema.pixels],
            "source": plan.layout,
            "dataset": plan.dataset,
            "product": plan.product,
            "parameters": plan.options,
            **dict(plan.attributes),
            "splits": [name for name, _ in plan.splits],
            "categories": [{"id": number, "name": name} for number, name in plan.categories],
            "notes": list(plan.notes),
            "created_with": {name: version(name) for name in LIBRARIES},
            "complete": False,
            "digest": "",
        },
    )
    for field in (*plan.schema.pixels, *plan.schema.table):
        group.create_array(
            field.name,
            shape=(plan.items, *field.shape),
            dtype=str if field.dtype == STRING else field.dtype,
            dimension_names=(plan.item, *field.dims),
            **_array_layout(plan, field),
        )
    _consolidate(draft)
    draft.replace(path)


def finish(plan: Plan, path: Path | str, digest: str) -> None:
    """Write the table of the ledger's rows and, after it, declare the store complete.

    Args:
        plan: plan of the store.
        path: folder of the store; all of its units are done.
        digest: digest of the units' marks, which is kept in the attributes.
    """
    group = zarr.open_group(path, mode="r+", use_consolidated=False)
    ledger = Ledger(path)
    units = max(1, TABLE_ROWS // plan.unit)
    for first in range(0, len(plan.units), units):
        together = plan.units[first : first + units]
        rows = [ledger.columns(unit.index) for unit in together]
        slots = slice(together[0].start, together[-1].stop)
        for field in plan.schema.table:
            values = _joined((each[field.name] for each in rows), field.numpy)
            array = array_of(group, field.name)
            # A chunk is written even where it is all zero: one that is missing is a fault.
            array.with_config({"write_empty_chunks": True})[slots] = values
    if not group.attrs["complete"] or group.attrs["digest"] != digest:
        # One write, which keeps the arrays' metadata beside the group's: killed before it, a run
        # has finished nothing, and after it, all.
        open_group(path, "r+").attrs.update({"complete": True, "digest": digest})


def remove(path: Path | str) -> None:
    """Delete a store and its ledger; anything that is not a store of ours is refused.

    Raises:
        StoreError: something else lies there.
    """
    path, ledger = Path(path), Ledger(path)
    try:
        kind = open_group(path).attrs.get("kind")
    except (OSError, ValueError, KeyError):
        kind = None
    if (
        path.exists()
        and not str(kind).startswith(KIND)
        and not ledger.exists()
        and not _is_empty(path)
    ):
        raise StoreError(
            f"a store to overwrite in {path}",
            "something else",
            "move it away or name another folder",
        )
    # Renamed first: no store lies there with some of its files and a ledger that claims them all.
    removed = path.with_name(f".{path.name}.removed")
    if path.exists():
        path.replace(removed)
    for folder in (ledger.folder, removed):
        if folder.exists():
            shutil.rmtree(folder)


def sweep(plan: Plan, path: Path) -> None:
    """Take away the temporary files that a run which was killed has left in a store and ledger."""
    Ledger(path).sweep()
    table = ((path / field.name).rglob("*.partial") for field in plan.schema.table)
    for left in chain(path.glob("*.partial"), *table):  # zarr's own
        left.unlink(missing_ok=True)


def _array_layout(plan: Plan, field: Field) -> dict[str, Any]:
    """The chunks and compressors of an array, as `zarr.Group.create_array` takes them."""
    codecs = [ZstdCodec(level=LEVEL), Crc32cCodec()]
    whole = (plan.unit, *field.shape)
    if field not in plan.schema.pixels:
        rows = plan.unit * max(1, TABLE_ROWS // plan.unit)  # chunks end where units end
        return {"chunks": (rows, *field.shape), "compressors": codecs}
    if plan.profile == LOCAL:
        return {"chunks": whole, "compressors": None}
    return {"shards": whole, "chunks": (1, *field.shape), "compressors": codecs}


def _joined(parts: Iterable[list], dtype: np.dtype) -> np.ndarray:
    return np.concatenate([np.array(part, dtype) for part in parts])


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _consolidate(path: Path | str) -> None:
    """Keep the arrays' metadata beside the group's, so that one read opens the store."""
    with warnings.catch_warnings():
        # zarr's version 3 has it as an extension that zarr and xarray both read.
        warnings.filterwarnings("ignore", "Consolidated metadata", ZarrUserWarning)
        zarr.consolidate_metadata(path)
