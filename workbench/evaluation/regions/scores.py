"""What a region classifier says of regions: scores to evaluate, and the error that is watched."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch.nn.functional import cross_entropy

from workbench.data import MapSource, Regions, Schedule, batches_of, region_reader
from workbench.models.regions import RegionNetwork

BATCH = 100
"""Regions that are looked at together."""


@dataclass(frozen=True)
class RegionScores:
    """Logits of regions beside what they are.

    Attributes:
        logits: of every category.
        categories: the true ones, contiguous from 0.
        image_ids, annotation_ids: of the dataset.
    """

    logits: Float32[np.ndarray, "regions classes"]
    categories: Int64[np.ndarray, "regions"]
    image_ids: Int64[np.ndarray, "regions"]
    annotation_ids: Int64[np.ndarray, "regions"]

    @property
    def error(self) -> float:
        """Top-1 classification error, a fraction."""
        return float((self.logits.argmax(1) != self.categories).mean())

    @property
    def loss(self) -> float:
        """Mean logistic loss, nats."""
        logits, categories = torch.from_numpy(self.logits), torch.from_numpy(self.categories)
        return float(cross_entropy(logits, categories))


def score_regions(
    model: RegionNetwork, regions: Regions, features: MapSource | None = None
) -> RegionScores:
    """Classify regions as they are, in the order of `regions`, on the device of the model.

    Args:
        model: put into evaluation mode.
        regions: with masks where the model pools over them; at least one.
        features: of a frozen backbone, to read instead of computing.

    Raises:
        StoreError: a region is missing or damaged.
    """
    model.eval()
    device = next(model.parameters()).device
    schedule = Schedule(len(regions), min(BATCH, len(regions)), shuffle=False)
    reader = region_reader(regions, schedule, features=features, device=device)
    logits = []
    with torch.inference_mode():
        for batch in batches_of(reader):
            maps = model.features(batch.seen) if features is None else batch.seen
            logits.append(model.classify(maps, batch.masks).logits.float().cpu())
    return RegionScores(
        torch.cat(logits).numpy(),
        regions.categories.astype(np.int64),
        regions.table["image_id"].values.astype(np.int64),
        regions.table["annotation_id"].values.astype(np.int64),
    )


class ErrorMonitor:
    """Watches the error on held-out regions while a classifier trains.

    Args:
        model: the network in training.
        regions: held out; none: nothing is watched.
        features: as `score_regions` has them.
    """

    def __init__(
        self, model: RegionNetwork, regions: Regions, features: MapSource | None = None
    ) -> None:
        self.model, self.regions, self.features = model, regions, features

    def __call__(self, step: int) -> dict[str, float]:
        """Top-1 error and loss at a step."""
        if not len(self.regions):
            return {}
        scores = score_regions(self.model, self.regions, self.features)
        return {"held_out_error": scores.error, "held_out_loss": scores.loss}
