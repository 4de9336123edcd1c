"""Samples of a store that have one category each: what regions and small images share."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr
import xxhash
from jaxtyping import Int, Integer

from pipelines.store import ItemArray


class Samples:
    """Samples of a store, or a part of them, in the store's order; pixels are read on demand.

    Attributes:
        dimension: name of the samples' dimension, "region" or "image".
        table: one row a sample, without pixels; `slot` is its slot in the store.
        items: readers of the pixel arrays, by name.
        names: names of the categories, by their contiguous number.
        slots: slots of the samples in the store.
        categories: categories of the samples, contiguous from 0.
    """

    dimension = "sample"

    def __init__(
        self, table: xr.Dataset, items: Mapping[str, ItemArray], names: Sequence[str]
    ) -> None:
        self.table = table
        self.items = dict(items)
        self.names = tuple(names)
        # Plain arrays, needed for every batch: xarray would take a tenth of its time.
        self.slots: Int[np.ndarray, samples] = table["slot"].values
        self.categories: Integer[np.ndarray, samples] = table["category"].values

    def __len__(self) -> int:
        return len(self.slots)

    @property
    def identity(self) -> str:
        """Digest of the store and of the selected samples in their order."""
        digest = xxhash.xxh3_64(self.slots.tobytes())
        digest.update(str(self.table.attrs["fingerprint"]).encode())
        return digest.hexdigest()

    def counts(self) -> pd.Series:
        """Number of samples of each category, by name, the most frequent first."""
        counted = np.bincount(self.categories, minlength=len(self.names))
        return pd.Series(counted, self.names, name=f"{self.dimension}s").sort_values(
            ascending=False, kind="stable"
        )
