"""Scores of a region classifier, and the monitor of its held-out error during training."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch.nn.functional import cross_entropy

from workbench.data import MapSource, Regions, Schedule, batches_of, region_reader
from workbench.models.regions import RegionNetwork

BATCH = 100
"""Regions in a batch."""


@dataclass(frozen=True)
class RegionScores:
    """Logits of regions with their categories and ids.

    Attributes:
        logits: one logit a category.
        categories: true categories, contiguous from 0.
        image_ids, annotation_ids: ids of the dataset.
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
    """Classify regions without augmentation, in the order of `regions`, on the model's device.

    Args:
        model: network; put into evaluation mode.
        regions: regions, with masks where the model pools over them; at least one.
        features: stored features of a frozen backbone, read instead of computed.

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
    """Monitor of the error on held-out regions while a classifier trains.

    Args:
        model: network in training.
        regions: held-out regions; empty: nothing is measured.
        features: as in `score_regions`.
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
