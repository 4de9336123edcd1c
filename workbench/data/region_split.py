"""Split of regions into training, held-out and test part, shared by all comparisons of models.

Regions of one image share its light, its camera and often their category: parts never share an
image. The test part is the same for every configuration and seed, and is used neither in training
nor in the choice of hyper-parameters.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr

from workbench.data.regions import Regions
from workbench.errors import WorkbenchError

Protocol = Literal["pooled", "official"]
PROTOCOLS: tuple[Protocol, ...] = ("pooled", "official")
TEST, SEED = 0.2, 2015
"""Fraction of the images in the test part of "pooled", and the seed of all splits."""


@dataclass(frozen=True)
class RegionParts:
    """Split of a store's regions by image.

    Attributes:
        train: training part.
        held: held-out part, to monitor a training and to choose hyper-parameters.
        test: test part, for one final evaluation.
    """

    train: Regions
    held: Regions
    test: Regions

    def limited(self, limit: int | None) -> "RegionParts":
        """Parts with at most `limit` regions each, chosen at random, the same every time."""
        if limit is None:
            return self

        def some(regions: Regions) -> Regions:
            chosen = np.random.default_rng(SEED).permutation(len(regions))[:limit]
            return regions.select(np.sort(chosen))

        return RegionParts(some(self.train), some(self.held), some(self.test))

    @property
    def whole(self) -> Regions:
        """Regions of all parts, in the store's order."""
        parts = [part.table for part in (self.train, self.held, self.test)]
        table = xr.concat(parts, "region", data_vars="minimal", combine_attrs="override")
        return Regions(table, self.test.items, self.test.names).select(
            np.argsort(table["slot"].values)
        )


def region_parts(
    regions: Regions, protocol: Protocol = "pooled", holdout: float = 0.1
) -> RegionParts:
    """Split regions into parts.

    Args:
        regions: all regions of a store.
        protocol: "pooled": a fifth of all images, from any split of the dataset, is the test part,
            for subsets that are too small to train without their `val`; "official": the dataset's
            `val` is the test part, as in the paper.
        holdout: fraction of the other images that is held out; 0: none.

    Raises:
        WorkbenchError: there are too few images, or no `val` for "official".
    """
    if protocol == "pooled":
        rest, test = regions.split_by_image((1 - TEST, TEST), SEED)
    else:
        official = regions.table["split"].values == "val"
        rest, test = regions.select(~official), regions.select(official)
        if not len(test) or not len(rest):
            raise WorkbenchError(
                "the splits train and val in the store",
                "/".join(sorted(set(regions.table["split"].values.tolist()))),
                "give --protocol pooled, or preprocess both splits",
            )
    if holdout == 0:
        return RegionParts(rest, rest.select(np.zeros(len(rest), bool)), test)
    train, held = rest.split_by_image((1 - holdout, holdout), SEED + 1)
    return RegionParts(train, held, test)
