"""Second-order pooling of a frozen backbone's features, computed once and stored.

Where nothing before the classifier learns, a region's pooled vector is the same in every pass, and
its matrix logarithm takes most of a pass's time. The vectors are beside the store of features, in
files that trainings, searches and seeds share.
"""

import json
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float32
from torch import Tensor

from workbench.data import RegionFeatures, Regions
from workbench.data.region_vectors import VectorFiles, region_vectors
from workbench.models.regions import RegionNetwork

LIMIT = 2 << 30
"""Largest size of the vectors of a training's regions and their mirror images, bytes."""
SUFFIX = ".pooled"
"""End of the name of the folder of vectors, after the name of the store of features."""


class PooledFeatures:
    """Pooled vectors in place of maps: a `data.MapSource` for `data.region_reader`.

    Args:
        model: network that pools; nothing before its classifier may learn.
        features: features of its backbone, `RegionFeatures.check`ed.
    """

    def __init__(self, model: RegionNetwork, features: RegionFeatures) -> None:
        self._model, self._features = model, features
        self._known: dict[tuple[str, bool], Float32[np.ndarray, "regions entries"]] = {}

    @staticmethod
    def suits(model: RegionNetwork, regions: int, sides: int = 2) -> bool:
        """Whether a network's vectors never change, are costly to compute, and fit in memory.

        Args:
            model: the network.
            regions: number of regions.
            sides: 2 where mirror images are pooled too, otherwise 1.
        """
        config = model.config
        needed = sides * regions * model.entries * 4
        return config.pooling in ("log", "power") and config.reduce is None and needed <= LIMIT

    def maps(
        self, regions: Regions, positions: np.ndarray, mirrored: Bool[np.ndarray, "batch"]
    ) -> Float32[Tensor, "batch entries"]:
        """Vectors of regions, in place of the maps of `RegionFeatures.maps`; the first call pools
        all `regions`.

        Raises:
            StoreError: an item is missing or damaged.
        """
        found = np.empty((len(positions), self._model.entries), np.float32)
        for way in (False, True):
            if (mirrored == way).any():
                found[mirrored == way] = self._vectors(regions, way)[positions[mirrored == way]]
        return torch.from_numpy(found)

    def _vectors(self, regions: Regions, mirrored: bool) -> Float32[np.ndarray, "regions entries"]:
        key = (regions.identity, mirrored)
        if key not in self._known:
            self._known[key] = region_vectors(
                regions,
                _Pool(self._model, self._features, mirrored),
                self._model.entries,
                files=self._files(regions, mirrored),
                workers=1,
                title="pooling mirror images" if mirrored else "pooling regions",
            )
        return self._known[key]

    def _files(self, regions: Regions, mirrored: bool) -> VectorFiles:
        config = self._model.config
        pooled_by = {
            "features": self._features.attributes["fingerprint"],
            "regions": regions.table.attrs["fingerprint"],
            "mirrored": mirrored,
            **{name: getattr(config, name)
               for name in ("pooling", "power", "epsilon", "centre", "masked")},
        }  # fmt: skip
        path = self._features.path
        folder = path.with_name(path.name + SUFFIX)
        return VectorFiles(folder, json.dumps(pooled_by, sort_keys=True), self._model.entries)


@dataclass(frozen=True)
class _Pool:
    """Computation of the vectors of regions, on the model's device."""

    model: RegionNetwork
    features: RegionFeatures
    mirrored: bool

    def __call__(self, regions: Regions) -> Float32[np.ndarray, "regions entries"]:
        device = next(self.model.parameters()).device
        positions = np.arange(len(regions))
        maps = self.features.maps(regions, positions, np.full(len(regions), self.mirrored))
        masks = None
        if self.model.config.masked:
            found = regions.items["mask"].gather(regions.slots).astype(bool)
            if self.mirrored:
                found = found[..., ::-1].copy()
            masks = torch.from_numpy(found).to(device)
        with torch.no_grad():
            vectors, _ = self.model.pool(maps.to(device), masks)
        return vectors.float().numpy(force=True)
