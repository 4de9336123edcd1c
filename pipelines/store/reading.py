"""Opens a store as an `xarray.Dataset` that raises where it is damaged.

zarr reads a missing chunk as zeros and an uncompressed one with a flipped bit as it is. Here every
item is held against the digest that the table has of it, the first time that it is read.
"""

from typing import Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from pipelines.errors import StoreError
from pipelines.ledger import Ledger
from pipelines.schema import digest_name
from pipelines.store.attributes import Place, array_of, is_url, open_group, read_attributes
from pipelines.store.damage import damaged
from pipelines.store.items import open_items


def open_store(path: Place, *, allow_incomplete: bool = False) -> xr.Dataset:
    """The valid items of a store: the table in memory, pixels read when asked for.

    Append `.chunk()` for Dask arrays.

    Args:
        path: the store's folder, or its URL as fsspec knows it (s3://bucket/coco.zarr).
        allow_incomplete: open what is there of a store that is still being written; its table is
            then that of its ledger.

    Raises:
        StoreError: no store there, one of another program or version, an unfinished or a damaged
            one. Indexing raises it too.
    """
    attributes = read_attributes(path)
    complete = attributes["complete"]
    if not (complete or allow_incomplete):
        raise StoreError(
            f"a finished store in {path}",
            _progress(path),
            f"finish it: python -m pipelines resume --store {path}",
        )
    dataset: xr.Dataset = xr.open_zarr(str(path), chunks=None)
    names = [str(name) for name in dataset.data_vars if name not in attributes["pixels"]]
    table = {n: read_table(path, n) for n in names} if complete else _table_so_far(path)
    dataset = dataset.assign({name: (dataset[name].dims, table[name]) for name in names})
    for name in attributes["pixels"]:
        pixels = indexing.LazilyIndexedArray(_Pixels(path, name, table[digest_name(name)]))
        dataset[name] = xr.Variable(dataset[name].dims, pixels, dataset[name].attrs)
    dimension = dataset["valid"].dims[0]
    return dataset.isel({dimension: np.flatnonzero(table["valid"])})


class _Pixels(BackendArray):
    """A pixel array behind xarray's indexing: whole items are read and compared, then cut."""

    def __init__(self, path: Place, name: str, digests: np.ndarray) -> None:
        self._opening = str(path), name, digests
        self._items = open_items(*self._opening)
        self.shape, self.dtype = self._items.shape, self._items.dtype

    def __reduce__(self) -> tuple:
        return _Pixels, self._opening  # Dask's workers open it for themselves

    def __getitem__(self, key: indexing.ExplicitIndexer) -> np.ndarray:
        support = indexing.IndexingSupport.OUTER
        found: np.ndarray = indexing.explicit_indexing_adapter(
            key, self.shape, support, self._outer
        )
        return found

    def _outer(self, key: tuple) -> np.ndarray:
        """Integers, slices and arrays of integers, each along its own dimension."""
        items = self._items.gather(np.atleast_1d(np.arange(self.shape[0])[key[0]]))
        for axis, each in enumerate(key[1:], start=1):
            items = items[(slice(None),) * axis + (_kept(each),)]
        dropped = tuple(axis for axis, each in enumerate(key) if isinstance(each, int | np.integer))
        return items.squeeze(dropped)


def _kept(index: Any) -> Any:
    """An index that keeps its dimension."""
    return [index] if isinstance(index, int | np.integer) else index


def read_table(path: Place, name: str) -> np.ndarray:
    """An array of the table, whole.

    Raises:
        StoreError: a chunk of it is missing or damaged.
    """
    array = array_of(open_group(path), name)
    if array.nchunks_initialized != array.nchunks:
        raise damaged(path, name, None, "a missing chunk")
    try:
        return np.asarray(array[:])
    # A damaged chunk ends in whatever error its codecs meet first.
    except Exception as error:
        raise damaged(path, name, None, f"a damaged chunk ({error})") from error


def _table_so_far(path: Place) -> dict[str, np.ndarray]:
    """The table by the ledger's rows; items of units that are not done are not valid."""
    ledger = Ledger(str(path))
    plan, done = ledger.plan(), ledger.done()
    table = {
        field.name: np.zeros((plan.items, *field.shape), field.numpy) for field in plan.schema.table
    }
    for unit in plan.units:
        if unit.index in done:
            columns = ledger.columns(unit.index)
            for field in plan.schema.table:
                table[field.name][unit.start : unit.stop] = columns[field.name]
    return table


def _progress(path: Place) -> str:
    if is_url(path):
        return "an unfinished one"
    ledger = Ledger(path)
    return f"one with {len(ledger.done())} of {len(ledger.plan().units)} units done"
