"""Writes stores in the layout of the two profiles with plain zarr, for the readers' tests."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xxhash
import zarr
from zarr.codecs import BytesCodec, Crc32cCodec, ZstdCodec
from zarr.errors import ZarrUserWarning


def write_items(
    group: zarr.Group, name: str, items: np.ndarray, dims: Sequence[str], unit: int, profile: str
) -> None:
    """One array with an item a slot, and the digests of its items."""
    inner = 1 if profile == "remote" else unit
    layout = {} if profile == "local" else {"shards": (unit, *items.shape[1:])}
    compressors = [ZstdCodec(level=3), Crc32cCodec()] if profile == "remote" else None
    array = group.create_array(
        name,
        shape=items.shape,
        chunks=(inner, *items.shape[1:]),
        dtype=items.dtype,
        dimension_names=dims,
        serializer=BytesCodec(endian=None if items.dtype.itemsize == 1 else "little"),
        compressors=compressors,
        config={"write_empty_chunks": True},
        **layout,
    )
    array[:] = items
    digests = [xxhash.xxh3_64_intdigest(np.ascontiguousarray(item)) for item in items]
    write_table(group, f"{name}_xxh3", np.array(digests, np.uint64), dims[:1], unit)


def write_table(
    group: zarr.Group, name: str, values: np.ndarray, dims: Sequence[str], unit: int
) -> None:
    """One array with a value an item."""
    array = group.create_array(
        name,
        shape=values.shape,
        chunks=(unit, *values.shape[1:]),
        dtype=str if values.dtype.kind == "U" else values.dtype,
        dimension_names=dims,
    )
    array[:] = values.astype(object) if values.dtype.kind == "U" else values


def write_arrays(
    path: Path | str, items: dict[str, np.ndarray], *, unit: int, profile: str
) -> None:
    """A group with nothing but item arrays, all of them valid."""
    group = zarr.create_group(path)
    for name, values in items.items():
        dims = ("region", *"abcdef"[: values.ndim - 1])
        write_items(group, name, values, dims, unit, profile)
    count = len(next(iter(items.values())))
    write_table(group, "valid", np.ones(count, bool), ("region",), unit)


def write_regions(
    path: Path | str,
    count: int,
    *,
    unit: int = 8,
    profile: str = "local",
    size: int = 24,
    invalid: Sequence[int] = (),
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """A store of regions, three to an image, the last quarter of the images in another split.

    Every pixel of region i's first row is i modulo 251, so that a region tells its slot.

    Returns:
        images (count, size, size, 3) and masks (count, size, size), uint8.
    """
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    images[:, 0] = (np.arange(count) % 251)[:, None, None]
    masks = (rng.random((count, size, size)) < 0.5).astype(np.uint8)
    slots = np.arange(count)
    category = rng.integers(0, 3, count).astype(np.int32)
    image_id = slots // 3
    table = {
        "split": np.where(image_id < 0.75 * (count // 3), "train", "val"),
        "image_source": np.array([f"train/{i}.jpg" for i in image_id]),
        "category": category,
        "category_id": category * 10 + 1,
        "image_id": image_id.astype(np.int64),
        "annotation_id": 1000 + slots.astype(np.int64),
        "box": rng.random((count, 4)),
        "valid": ~np.isin(slots, invalid),
    }
    names = ("cat", "dog", "pear")
    attributes = {
        "kind": "structured-layers-regions",
        "schema_version": 2,
        "profile": profile,
        "fingerprint": f"{count}-{seed}",
        "unit": unit,
        "complete": True,
        "pixels": ["image", "mask"],
        "categories": [{"id": 10 * i + 1, "name": name} for i, name in enumerate(names)],
    }
    group = zarr.create_group(path, attributes=attributes)
    write_items(group, "image", images, ("region", "y", "x", "channel"), unit, profile)
    write_items(group, "mask", masks, ("region", "y", "x"), unit, profile)
    for name, values in table.items():
        dims = ("region", "edge") if values.ndim == 2 else ("region",)
        write_table(group, name, values, dims, unit)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Consolidated metadata", ZarrUserWarning)
        zarr.consolidate_metadata(path)
    return images, masks
