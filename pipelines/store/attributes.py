"""Attributes of a store in a folder or at a URL, and the errors where there is none."""

from pathlib import Path
from typing import Any

import zarr

from pipelines.errors import StoreError
from pipelines.schema import KIND, SCHEMA_VERSION

Place = Path | str
"""A folder, or a URL that fsspec knows, as in s3://bucket/coco.zarr."""


def is_url(place: Place) -> bool:
    """Whether a place is a URL and not a folder."""
    return "://" in str(place)


def open_group(place: Place, mode: Any = "r") -> zarr.Group:
    """The store's group, as zarr opens it."""
    return zarr.open_group(str(place) if is_url(place) else Path(place), mode=mode)


def array_of(group: zarr.Group, name: str) -> zarr.Array:
    """An array of the group, by name."""
    array = group[name]
    assert isinstance(array, zarr.Array)
    return array


def read_attributes(place: Place) -> dict[str, Any]:
    """The attributes of a store that this version can read.

    Raises:
        StoreError: no store there, or one of another program or version.
    """
    try:
        attributes = dict(open_group(place).attrs)
    except (OSError, ValueError, KeyError) as error:
        found = "nothing" if is_url(place) or not Path(place).exists() else "something else"
        raise StoreError(
            f"a store in {place}",
            found,
            f"write one: python -m pipelines run bsds --root <dataset> --store {place}",
        ) from error
    if not str(attributes.get("kind")).startswith(KIND):
        raise StoreError(
            f"a store of scenes, regions or other items in {place}",
            f"a zarr group of kind {attributes.get('kind')!r}",
            "name another folder",
        )
    if attributes.get("schema_version") != SCHEMA_VERSION:
        raise StoreError(
            f"schema version {SCHEMA_VERSION} in {place}",
            f"version {attributes.get('schema_version')}, built by another version",
            "rebuild it: python -m pipelines run … --overwrite",
        )
    return attributes
