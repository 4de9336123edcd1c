"""Second-order matrices of regions in a trained network, and distances between them.

DeepO2P classifies log(XᵀX/cells + εI) linearly. The Frobenius norm of the difference of two such
logarithms is the log-Euclidean metric of positive definite matrices (Arsigny et al., "Log-Euclidean
metrics for fast and simple calculus on diffusion tensors", 2006), so the nearest regions are hard
to distinguish for the classifier. Under another function of the layer, the square root for
instance, the distance is the Euclidean one after that function.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64, Int
from torch import Tensor
from tqdm.auto import tqdm

from workbench.data import Region, RegionBatch, Regions, Schedule, region_reader
from workbench.data.region_split import SEED
from workbench.errors import WorkbenchError
from workbench.layers import SecondOrderPooling
from workbench.linalg.effective_rank import effective_rank
from workbench.linalg.gram import gram
from workbench.linalg.vectorise import unvectorise
from workbench.runs import Run
from workbench.runs.finding import resolved_path
from workbench.training.building import trained_model
from workbench.training.kinds import kind_name
from workbench.training.regions.config import RegionConfig
from workbench.training.regions.parts import split_as
from workbench.training.regions.task import opened_features

Part = Literal["train", "held", "test"]
PARTS: dict[Part, str] = {"held": "held out", "test": "test", "train": "training"}
"""Labels of the parts of a split; the default comes first, and the test part is shown on request
only."""
LIMIT = 2000
"""Largest number of regions: their matrices of 256 channels take 260 MB."""
BATCH = 32
_CHUNK = 64
"""Number of vectors that are compared at a time, to fit the processor's cache."""


@dataclass(frozen=True)
class RegionDetails:
    """Matrices, spectrum and probabilities of one region in the network.

    Attributes:
        region: the region, with mask and category.
        cells: number of pooled cells of the map.
        before: XᵀX/cells, float64; about the mean feature where the layer subtracts it.
        after: result of the layer's function.
        eigenvalues: eigenvalues of `before`, descending, padded with zeros.
        rank: numerical rank of X.
        probabilities: probability of every category.
    """

    region: Region
    cells: int
    before: Float64[np.ndarray, "channels channels"]
    after: Float[np.ndarray, "channels channels"]
    eigenvalues: Float64[np.ndarray, "channels"]
    rank: int
    probabilities: Float[np.ndarray, "classes"]

    @property
    def effective_rank(self) -> float:
        """Effective rank: exp of the entropy of the eigenvalues as shares of their sum."""
        return float(effective_rank(torch.from_numpy(self.eigenvalues)))


class RegionSpace:
    """Regions of one part of a run's split, with the vectors of their matrices.

    The vectors are computed in small steps by `advance`, so that an explorer stays responsive;
    everything else can be used at any time.

    Args:
        run: run of a region classifier with second-order pooling, or its folder.
        part: part of the split that its configuration defines.
        store: store of regions; None: the one that the run trained on.
        limit: largest number of regions, chosen at random, the same every time.

    Attributes:
        regions: regions in the store's order.
        model: network of the run's latest checkpoint, on the CPU.
        done: number of regions, from the first on, with vectors and predictions.
        seconds: computing time so far.

    Raises:
        PipelineError: the store does not exist.
        WorkbenchError: the run is of another kind, or has no checkpoint.
    """

    def __init__(
        self,
        run: Run | Path | str,
        part: Part = "held",
        store: Path | str | None = None,
        limit: int = LIMIT,
    ) -> None:
        self.run = run if isinstance(run, Run) else Run.open(run)
        self.part: Part = part
        self.config = _resolved_config(self.run, store)
        self.regions = _subset(getattr(split_as(self.config, ("image", "mask")), part), part, limit)
        self.version = _version(self.run)
        self.model = trained_model(self.run, RegionConfig)
        assert isinstance(self.model.pooling, SecondOrderPooling)  # as `_resolved_config` made sure
        self.pooling = self.model.pooling
        self._features = opened_features(self.config, self.regions, mirrored=False)
        count = len(self.regions)
        self.done, self.seconds = 0, 0.0
        self._vectors = np.empty((count, self.model.entries), np.float32)
        self._predicted = np.empty(count, np.int64)
        self._image_ids = self.regions.table["image_id"].values

    @property
    def complete(self) -> bool:
        """Whether the vectors of all regions are computed."""
        return self.done == len(self.regions)

    @property
    def stale(self) -> bool:
        """Whether the run has a newer checkpoint than the loaded one."""
        return _version(self.run) != self.version

    @property
    def remaining(self) -> float:
        """Estimated seconds until `complete`; NaN before the first `advance`."""
        return self.seconds / self.done * (len(self.regions) - self.done) if self.done else np.nan

    @property
    def function(self) -> str:
        """Formula of the layer's function of XᵀX/m, m the cells of the region."""
        c = "" if self.pooling.epsilon == 0 else " + εI"
        if self.pooling.function == "log":
            return f"log(XᵀX/m{c})"
        return f"(XᵀX/m{c})^{self.pooling.power:g}"

    def advance(self) -> bool:
        """Compute the vectors of the next few regions; False where all are done.

        Raises:
            StoreError: a region is missing or damaged.
        """
        if self.complete:
            return False
        begun = time.perf_counter()
        rows = np.arange(self.done, min(self.done + BATCH, len(self.regions)))
        batch = self._read(rows)
        with torch.inference_mode():
            vectors, _ = self.model.pool(self._maps(batch), batch.masks)
            logits = self.model.classifier(self.model.scaling(vectors))
        self._vectors[rows] = vectors.numpy()
        self._predicted[rows] = logits.argmax(1).numpy()
        self.done += len(rows)
        self.seconds += time.perf_counter() - begun
        return not self.complete

    def finish(self, progress: bool = True) -> None:
        """Compute all vectors, with a progress bar on stderr."""
        with tqdm(total=len(self.regions), initial=self.done, unit="region",
                  desc="matrices", disable=not progress) as bar:  # fmt: skip
            while not self.complete:
                self.advance()
                bar.update(self.done - bar.n)

    @property
    def right(self) -> Bool[np.ndarray, "done"]:
        """Mask of the computed regions whose category is predicted correctly."""
        return np.asarray(self._predicted[: self.done] == self.regions.categories[: self.done])

    def predicted(self, position: int) -> str | None:
        """Predicted category of a region; None where it is not computed yet."""
        return self.regions.names[self._predicted[position]] if position < self.done else None

    def details(self, position: int) -> RegionDetails:
        """Details of one region, read and computed now.

        Raises:
            StoreError: the region is missing or damaged.
        """
        batch = self._read(np.array([position]))
        with torch.inference_mode():
            maps = self._maps(batch)
            vectors, found = self.model.pool(maps, batch.masks)
            assert found is not None
            logits = self.model.classifier(self.model.scaling(vectors)).double()
            x, cells = self._pooled_features(maps, batch.masks)
        eigenvalues = np.zeros(self.model.channels)
        there = found.eigenvalues[0].numpy()[::-1]
        eigenvalues[: len(there)] = there
        return RegionDetails(
            self.regions[position],
            cells,
            (gram(x) / max(cells, 1)).numpy(),
            unvectorise(vectors)[0].numpy(),
            eigenvalues,
            int(found.rank[0]),
            logits.softmax(1)[0].numpy(),
        )

    def distances(self, position: int) -> Float32[np.ndarray, "done"]:
        """Distances ‖f(A) − f(B)‖_F to each computed region, f the layer's function."""
        own = self._vectors[position] if position < self.done else self._vector(position)
        found = np.empty(self.done, np.float32)
        for start in range(0, self.done, _CHUNK):
            part = self._vectors[start : min(start + _CHUNK, self.done)]
            found[start : start + len(part)] = np.linalg.norm(part - own, axis=1)
        return found

    def nearest(
        self, position: int, count: int, same_image: bool = False
    ) -> tuple[Int[np.ndarray, "found"], Float32[np.ndarray, "found"]]:
        """Nearest other regions of a region: positions and distances, ascending.

        Args:
            position: position of the region.
            count: largest number of computed regions.
            same_image: whether to include regions of its own image, which share light and often
                pixels.
        """
        distances = self.distances(position)
        allowed = np.arange(self.done) != position
        if not same_image:
            allowed &= self._image_ids[: self.done] != self._image_ids[position]
        candidates = np.flatnonzero(allowed)
        order = candidates[np.argsort(distances[candidates], kind="stable")][:count]
        return order, distances[order]

    def _vector(self, position: int) -> Float32[np.ndarray, "entries"]:
        batch = self._read(np.array([position]))
        with torch.inference_mode():
            vectors, _ = self.model.pool(self._maps(batch), batch.masks)
        return np.asarray(vectors[0].numpy())

    def _read(self, positions: Int[np.ndarray, "batch"]) -> RegionBatch:
        chosen = self.regions.select(positions)
        schedule = Schedule(len(chosen), len(chosen), shuffle=False)
        reader = region_reader(chosen, schedule, features=self._features)
        try:
            return reader.read(0, 0)
        finally:
            reader.close()

    def _maps(self, batch: RegionBatch) -> Float[Tensor, "batch channels rows columns"]:
        return self.model.features(batch.seen) if self._features is None else batch.seen

    def _pooled_features(
        self,
        maps: Float[Tensor, "1 channels rows columns"],
        masks: Bool[Tensor, "1 height width"] | None,
    ) -> tuple[Float64[Tensor, "cells reduced"], int]:
        """Features X of one region as the layer pools them, and their number of rows."""
        inside = self.model.inside(maps, masks)
        x = self.model.reduce(maps)[0].flatten(1).mT.double()
        if inside is not None:
            x = x[inside[0].flatten()]
        if self.pooling.centre and len(x):
            x = x - x.mean(0)
        return x, len(x)


def has_matrices(run: Run) -> bool:
    """Whether a run is of regions that have second-order matrices to look at."""
    regions = kind_name(run.config) == RegionConfig.kind
    return regions and RegionConfig.from_dict(run.config).architecture.pooling in ("log", "power")


def _resolved_config(run: Run, store: Path | str | None) -> RegionConfig:
    """Configuration of the run with its paths resolved."""
    config = RegionConfig.from_dict(run.config)
    if not has_matrices(run):
        raise WorkbenchError(
            f"a run of a region classifier with second-order pooling at {run.path}",
            f"pooling {config.architecture.pooling}",
            "give one: workbench train deep-o2p",
        )
    cache, weights = (
        name and str(resolved_path(run, name)) for name in (config.cache, config.weights)
    )
    # Without the cache, pixels go through the backbone, whose weights are in the checkpoint.
    if not all(name and Path(name).exists() for name in (cache, weights)):
        cache = None
    store = str(store or resolved_path(run, config.store))
    return replace(config, store=store, cache=cache, weights=weights)


def _subset(regions: Regions, part: Part, limit: int) -> Regions:
    if not len(regions):
        raise WorkbenchError(
            f"{PARTS[part]} regions", "none", f"choose another part: {', '.join(PARTS)}"
        )
    chosen = np.random.default_rng(SEED).permutation(len(regions))[:limit]
    return regions.select(np.sort(chosen))


def _version(run: Run) -> Sequence[tuple[str, int]]:
    """Version of the run's checkpoints: changes with every one that is written."""
    return sorted((file.name, file.stat().st_mtime_ns) for file in run.checkpoints.glob("*.pt"))
