"""Scores of a region classifier, and the monitor of its held-out error during training."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor
from torch.nn.functional import cross_entropy
from tqdm.auto import tqdm

from workbench.data import MapSource, Regions, Schedule, batches_of, region_reader
from workbench.models.regions import RegionNetwork

BATCH = 100
"""Regions in a batch."""
BEFORE_CLASSIFIER = (
    "backbone", "tap", "pooling", "power", "epsilon", "centre", "reduce", "masked"
)  # fmt: skip
"""Settings of an architecture that decide its pooled vectors."""


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
    return score_together([model], regions, features)[0]


def score_together(
    models: Sequence[RegionNetwork],
    regions: Regions,
    features: MapSource | None = None,
    title: str = "",
) -> list[RegionScores]:
    """Classify regions by networks that pool alike: each region is read and pooled once.

    Args:
        models: networks of equal `pooling_key` on one device; put into evaluation mode.
        regions, features: as in `score_regions`, also for the error.
        title: title of a progress bar; empty: none.
    """
    first = models[0]
    device = next(first.parameters()).device
    schedule = Schedule(len(regions), min(BATCH, len(regions)), shuffle=False)
    reader = region_reader(regions, schedule, features=features, device=device)
    logits: list[list[Tensor]] = [[] for _ in models]
    bar = tqdm(total=len(regions), desc=title, unit="region", disable=not title)
    with torch.inference_mode(), bar:
        for model in models:
            model.eval()
        for batch in batches_of(reader):
            maps = first.features(batch.seen) if features is None else batch.seen
            vectors, _ = first.pool(maps, batch.masks)
            for model, found in zip(models, logits, strict=True):
                found.append(model.classifier(model.scaling(vectors)).float().cpu())
            bar.update(len(batch))
    return [
        RegionScores(
            torch.cat(found).numpy(),
            regions.categories.astype(np.int64),
            regions.table["image_id"].values.astype(np.int64),
            regions.table["annotation_id"].values.astype(np.int64),
        )
        for found in logits
    ]


def pooling_key(model: RegionNetwork) -> str:
    """Digest of all that comes before the scaling and the classifier: settings and parameters."""
    config = model.config
    shape = {name: getattr(config, name) for name in BEFORE_CLASSIFIER}
    digest = hashlib.sha256(json.dumps(shape, sort_keys=True).encode())
    for part in (model.backbone, model.reduce):
        for name, value in sorted(part.state_dict().items()):
            digest.update(name.encode() + value.numpy(force=True).tobytes())
    return digest.hexdigest()


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
