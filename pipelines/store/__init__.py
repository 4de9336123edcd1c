"""The store: one zarr group that plain `xarray.open_zarr` opens; its arrays are in
`pipelines.schema`.

Whole chunks only are written, under their names only once they are on the disk, and the table
last of all: a reader never sees half a unit. A store whose attribute `complete` is not true is
still being written.

What other packages need is here: `open_store`, `summary`, `open_items` for whoever reads item by
item, `Origins` to trace an item to its raw file, and `StoreError` where they refuse.
"""

from pipelines.errors import StoreError
from pipelines.store.arrays import open_items
from pipelines.store.attributes import read_attributes
from pipelines.store.damage import damaged
from pipelines.store.origins import Origin, Origins
from pipelines.store.reading import open_store
from pipelines.store.summary import StoreSummary, summary

__all__ = [
    "Origin",
    "Origins",
    "StoreError",
    "StoreSummary",
    "damaged",
    "open_items",
    "open_store",
    "read_attributes",
    "summary",
]
