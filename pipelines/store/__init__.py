"""The store: one zarr group that plain `xarray.open_zarr` opens; its arrays are in
`pipelines.schema`.

Whole chunks only are written, under their names only once they are on the disk, and the table
last of all: a reader never sees half a unit. A store whose attribute `complete` is not true is
still being written.

Other packages import from here alone: `open_store`, `summary`, `open_items` with `valid_slots` for
reading item by item, `Origins` to trace an item to its raw file, and `StoreError`.
"""

from pipelines.errors import StoreError
from pipelines.store.attributes import read_attributes
from pipelines.store.damage import damaged
from pipelines.store.items import ItemArray, open_items, valid_slots
from pipelines.store.origins import Origin, Origins
from pipelines.store.reading import open_store
from pipelines.store.summary import StoreSummary, summary

__all__ = [
    "ItemArray",
    "Origin",
    "Origins",
    "StoreError",
    "StoreSummary",
    "damaged",
    "open_items",
    "open_store",
    "read_attributes",
    "summary",
    "valid_slots",
]
