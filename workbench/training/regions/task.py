"""Region classification as a task: batches of regions in, the logistic loss out."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from workbench.data import (
    Augmentation,
    MapSource,
    RegionFeatures,
    RegionReader,
    Regions,
    Schedule,
    batches_of,
    region_reader,
)
from workbench.linalg.effective_rank import effective_rank
from workbench.linalg.gram_log import GramFunction
from workbench.models.regions import RegionNetwork
from workbench.training.building import expected_features, parameter_groups
from workbench.training.processes import place
from workbench.training.regions.config import RegionConfig
from workbench.training.regions.pooled_vectors import PooledFeatures
from workbench.training.trainer import MicroBatch

CALIBRATION = 1000
"""Number of training regions on which the scale of the pooled vector is fixed."""


class LossOfRegions(nn.Module):
    """Network with its loss on top: regions and their categories to scalars.

    Regions are given as frames, as the backbone's maps read from a store, or as pooled vectors.
    """

    def __init__(self, model: RegionNetwork, config: RegionConfig) -> None:
        super().__init__()
        self.model = model
        self.frozen, self.cached = config.frozen, config.cache is not None

    def forward(
        self,
        seen: Float[Tensor, "batch *shape"],
        masks: Bool[Tensor, "batch y x"] | None,
        categories: Int64[Tensor, "batch"],
    ) -> dict[str, Tensor]:
        """Mean loss and top-1 error, and means of the structured layer's spectra."""
        found = self.model.classify(self.maps(seen), masks)
        loss = cross_entropy(found.logits.float(), categories)
        error = (found.logits.detach().argmax(1) != categories).double().mean()
        spectrum = {} if found.pooled is None else spectrum_of(found.pooled)
        return {"loss": loss, "error": error, **spectrum}

    def maps(self, seen: Float[Tensor, "batch *shape"]) -> Float[Tensor, "batch *cells"]:
        """Maps of the backbone, computed unless they were given."""
        if self.cached:
            return seen
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            return self.model.features(seen)


def spectrum_of(pooled: GramFunction) -> dict[str, Tensor]:
    """Measures of how ill-conditioned the layer's problem is, means over a batch.

    Smallest and largest eigenvalue of XᵀX/cells + εI and their ratio; the numerical and the
    effective rank of X.
    """
    found = {
        "smallest_eigenvalue": pooled.smallest,
        "largest_eigenvalue": pooled.largest,
        "condition": pooled.condition,
        "rank": pooled.rank,
        "effective_rank": effective_rank(pooled.eigenvalues.detach()),
    }
    return {name: value.detach().double().mean() for name, value in found.items()}


class RegionTask:
    """Task of training a classifier on regions, mirrored and shifted at random.

    Each process of a training makes its own task; together their batches are those of one process.
    A task must be closed at the end, because it reads ahead.

    Args:
        model: network to train.
        regions: regions to train on, with masks where the model pools over them.
        config: configuration of the training.

    Raises:
        WorkbenchError: the store of features belongs to another network or other regions.
    """

    def __init__(self, model: RegionNetwork, regions: Regions, config: RegionConfig) -> None:
        self.network = LossOfRegions(model, config)
        self.model, self.regions, self.config = model, regions, config
        self.samples = len(regions)
        if config.frozen:
            model.backbone.requires_grad_(False)
        self.features: MapSource | None = self._features()
        rank, ranks = place()
        self._schedule = Schedule(
            len(regions), config.batch // ranks, config.seed, rank=rank, world_size=ranks
        )
        self._reader: RegionReader | None = None

    def micro_batches(self, visits: Sequence[int], device: torch.device) -> Iterator[MicroBatch]:
        """Micro-batches of this process's part of a batch, with at most `micro_batch` regions."""
        if self._reader is None:
            augment = Augmentation(self.config.mirror, self.config.jitter)
            self._reader = region_reader(
                self.regions,
                self._schedule,
                features=self.features,
                augment=augment,
                device=device,
            )
        epoch, position = divmod(visits[0], self.samples)
        batch = self._reader.read(epoch, position // self.config.batch)
        own = batch.positions < self.samples  # the others fill up the ranks and have no weight
        if own.any() and not own.all():
            batch = batch.part(own)
        size = self.config.micro_batch or len(batch)
        for start in range(0, len(batch), size):
            piece = batch.part(slice(start, start + size))
            yield MicroBatch((piece.seen, piece.masks, piece.categories), len(piece))

    def _features(self) -> MapSource | None:
        """Source of maps in place of pixels: features, pooled ones if pooling once is enough."""
        opened = opened_features(self.config, self.regions)
        if opened is not None and PooledFeatures.suits(self.model, len(self.regions)):
            return PooledFeatures(self.model, opened)
        return opened

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Parameter groups, see `building.parameter_groups`."""
        return parameter_groups(self.network, self.model.backbone, self.config)

    def calibrate(self, device: torch.device) -> None:
        """Fix the scale of the pooled vector, on training regions without augmentation."""
        count = min(CALIBRATION, len(self.regions))
        chosen = self.regions.select(Schedule(len(self.regions), count, 0).indices(0, 0))
        schedule = Schedule(count, min(self.config.batch, count), shuffle=False)
        reader = region_reader(chosen, schedule, features=self.features, device=device)
        network = self.network.to(device).eval()
        with torch.no_grad():
            self.model.calibrate((network.maps(b.seen), b.masks) for b in batches_of(reader))

    def close(self) -> None:
        """End the threads that read ahead."""
        if self._reader is not None:
            self._reader.close()


def opened_features(
    config: RegionConfig, regions: Regions, *, mirrored: bool = True
) -> RegionFeatures | None:
    """Store of features, after a check that it fits the network; None without one.

    Args:
        config: configuration with the path of the store.
        regions: regions that will be asked for.
        mirrored: whether their mirror images will be asked for too.

    Raises:
        WorkbenchError: the store belongs to another network, or the weights are not known.
    """
    if config.cache is None:
        return None
    expected, features = expected_features(config), RegionFeatures(config.cache)
    features.check(regions, mirrored=mirrored, **expected)
    return features
