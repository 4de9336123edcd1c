"""Datasets: from files in a published layout to records, and from records to pixels.

A dataset is one module here, which exports one `Source`, and a line in `SOURCES`. The modules know
neither Dask nor zarr.
"""

from pipelines.sources import bsds, cifar, coco, images
from pipelines.sources.source import (
    IMAGES,
    REGIONS,
    SCENES,
    Option,
    Parameters,
    Product,
    Reader,
    Source,
)

__all__ = [
    "IMAGES",
    "REGIONS",
    "SCENES",
    "SOURCES",
    "Option",
    "Parameters",
    "Product",
    "Reader",
    "Source",
]

SOURCES: dict[str, Source] = {
    each.name: each for each in (bsds.SOURCE, coco.SOURCE, cifar.SOURCE, images.SOURCE)
}
"""Name on the command line → source."""
