"""The store: one zarr group of scenes that plain `xarray.open_zarr` opens.

Every scene has a slot along `scene`. Its image sits in the top left corner of a canvas that the
largest image of the dataset fills, both orientations in one array: nothing is resampled, nothing
is lost, and the zeros beside it cost next to nothing once compressed. `height`, `width` and
`annotators` say how much of the slot is the scene's; `label` is 0 outside it.

    image               uint8   (scene, y, x, channel)      one chunk a scene
    label               uint16  (scene, annotator, y, x)    one chunk a scene; segments from 1
    height, width,
    annotators          int32   (scene)                     one chunk a unit, as all below
    id, split           string  (scene)
    image_source, image_sha256, annotation_sources, annotation_sha256
                        string  (scene)                     a line for each file
    valid               bool    (scene)                     False: quarantined, or not yet written

Whole chunks only are written, `valid` last: a reader never sees half a unit. A store whose
attribute `complete` is not true is still being written.

What other packages need is `open_store`, and `StoreError` where it refuses.
"""

import shutil
import warnings
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import numpy as np
import xarray as xr
import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec
from zarr.errors import ZarrUserWarning

from pipelines.errors import PipelineError
from pipelines.ledger import Ledger
from pipelines.plan import SCHEMA_VERSION, Plan, Unit

KIND = "structured-layers-scenes"
TABLE: dict[str, type] = {
    "height": np.int32,
    "width": np.int32,
    "annotators": np.int32,
    "id": str,
    "split": str,
    "image_source": str,
    "image_sha256": str,
    "annotation_sources": str,
    "annotation_sha256": str,
}
"""The arrays with one value a scene, without `valid`."""
PIXELS: dict[str, type] = {"image": np.uint8, "label": np.uint16}
"""The arrays with one chunk a scene."""


class StoreError(PipelineError):
    """A store that is missing, foreign, of another version, unfinished, or damaged."""


def create(plan: Plan, path: Path | str) -> None:
    """Lay out an empty store for the plan; `complete` is false and no scene is valid."""
    path = Path(path)
    height, width = plan.canvas
    # Laid out aside and renamed: a store that lies there has all of its arrays.
    draft = path.with_name(f".{path.name}.draft")
    group = zarr.create_group(
        draft,
        overwrite=True,
        attributes={
            "kind": KIND,
            "schema_version": plan.schema_version,
            "code_version": plan.code_version,
            "fingerprint": plan.fingerprint,
            "source": plan.layout,
            "protocol": plan.protocol,
            "splits": list(plan.splits),
            "notes": list(plan.notes),
            "created_with": {
                name: version(name) for name in ("zarr", "numpy", "pillow", "scipy", "dask")
            },
            "complete": False,
        },
    )
    slots: dict[str, dict[str, int]] = {
        "image": {"y": height, "x": width, "channel": 3},
        "label": {"annotator": plan.annotators, "y": height, "x": width},
    }
    for name, dtype in {**PIXELS, **TABLE, "valid": np.bool_}.items():
        slot = slots.get(name, {})
        group.create_array(
            name,
            shape=(plan.scenes, *slot.values()),
            chunks=(1 if name in PIXELS else plan.unit, *slot.values()),
            dtype=dtype,
            dimension_names=("scene", *slot),
            compressors=[ZstdCodec(level=3), Crc32cCodec()],
        )
    _consolidate(draft)
    draft.replace(path)


class UnitWriter:
    """Writes one unit of a store: every slot once, then the table, which makes it visible."""

    def __init__(self, path: Path | str, unit: Unit) -> None:
        self._group = zarr.open_group(path, mode="r+")
        self._unit = unit
        scenes, chunk = self._array("valid").shape[0], self._array("valid").chunks[0]
        if unit.start % chunk or (unit.stop - unit.start != chunk and unit.stop != scenes):
            raise StoreError(
                f"a unit of whole chunks of {chunk} scenes out of {scenes}",
                f"slots {unit.start} to {unit.stop}",
                "write with the plan that the store was created for",
            )

    def write_scene(
        self, slot: int, image: np.ndarray | None, labels: tuple[np.ndarray, ...]
    ) -> dict[str, np.ndarray]:
        """Fill a slot, with zeros for a scene that is quarantined; gives back the arrays.

        Args:
            slot: position along `scene`.
            image: (height, width, 3) uint8, or None.
            labels: (height, width) uint16 each.
        """
        slots: dict[str, np.ndarray] = {
            name: np.zeros(self._array(name).shape[1:], dtype) for name, dtype in PIXELS.items()
        }
        if image is not None:
            height, width, _ = image.shape
            slots["image"][:height, :width] = image
            for annotator, each in enumerate(labels):
                slots["label"][annotator, :height, :width] = each
        for name, array in slots.items():
            self._array(name)[slot] = array
        return slots

    def finish(self, table: Mapping[str, np.ndarray], valid: np.ndarray) -> None:
        """Write the values of the unit's scenes and, with `valid` at last, show them."""
        for name in TABLE:
            self._array(name)[self._unit.slots] = table[name]
        self._array("valid")[self._unit.slots] = valid

    def _array(self, name: str) -> zarr.Array:
        # A slot is written even where it is all zero: a chunk that is missing is a fault.
        return array_of(self._group, name).with_config({"write_empty_chunks": True})


def finish(path: Path | str) -> None:
    """Declare the store complete; one that is already is left alone, as others may be reading."""
    group = zarr.open_group(path, mode="r+", use_consolidated=False)
    if not group.attrs["complete"]:
        group.attrs["complete"] = True
        _consolidate(path)


def open_store(path: Path | str, *, allow_incomplete: bool = False) -> xr.Dataset:
    """The valid scenes of a store: values of scenes in memory, pixels read when asked for.

    Indexing one scene reads one chunk an array. Append `.chunk()` for Dask arrays.

    Args:
        path: the store's folder.
        allow_incomplete: open what is there of a store that is still being written.

    Raises:
        StoreError: no store there, one of another program or version, or an unfinished one.
    """
    path = Path(path)
    attributes = read_attributes(path)
    if not (attributes["complete"] or allow_incomplete):
        raise StoreError(
            f"a finished store in {path}",
            f"one with {len(Ledger(path).marks())} of {_units(path)} units done",
            f"finish it: python -m pipelines resume --store {path}",
        )
    dataset: xr.Dataset = xr.open_zarr(path, chunks=None)
    dataset = dataset.assign({name: dataset[name].load() for name in (*TABLE, "valid")})
    return dataset.isel(scene=np.flatnonzero(dataset["valid"].values))


def read_attributes(path: Path | str) -> dict:
    """The attributes of a store that this version can read.

    Raises:
        StoreError: no store there, or one of another program or version.
    """
    path = Path(path)
    try:
        attributes = dict(zarr.open_group(path, mode="r").attrs)
    except (OSError, ValueError, KeyError) as error:
        found = "something else" if path.exists() else "nothing"
        raise StoreError(
            f"a store of scenes in {path}",
            found,
            f"write one: python -m pipelines run bsds --root <dataset> --store {path}",
        ) from error
    if attributes.get("kind") != KIND:
        raise StoreError(
            f"a store of scenes in {path}",
            f"a zarr group of kind {attributes.get('kind')!r}",
            "name another folder",
        )
    if attributes.get("schema_version") != SCHEMA_VERSION:
        raise StoreError(
            f"schema version {SCHEMA_VERSION} in {path}",
            f"version {attributes.get('schema_version')}, built by another version",
            "rebuild it: python -m pipelines run … --overwrite",
        )
    return attributes


def array_of(group: zarr.Group, name: str) -> zarr.Array:
    """An array of the group, by name."""
    array = group[name]
    assert isinstance(array, zarr.Array)
    return array


def remove(path: Path | str) -> None:
    """Delete a store and its ledger; anything that is not a store of ours is refused.

    Raises:
        StoreError: something else lies there.
    """
    path, ledger = Path(path), Ledger(path)
    try:
        kind = zarr.open_group(path, mode="r").attrs.get("kind")
    except (OSError, ValueError, KeyError):
        kind = None
    if path.exists() and kind != KIND and not ledger.exists() and not _is_empty(path):
        raise StoreError(
            f"a store of scenes to overwrite in {path}",
            "something else",
            "move it away or name another folder",
        )
    for folder in (path, ledger.folder):
        if folder.exists():
            shutil.rmtree(folder)


def _units(path: Path) -> int:
    return array_of(zarr.open_group(path, mode="r"), "valid").nchunks


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _consolidate(path: Path | str) -> None:
    """One read opens the store: the arrays' metadata beside the group's."""
    with warnings.catch_warnings():
        # zarr's version 3 has it as an extension that zarr and xarray both read.
        warnings.filterwarnings("ignore", "Consolidated metadata", ZarrUserWarning)
        zarr.consolidate_metadata(path)
