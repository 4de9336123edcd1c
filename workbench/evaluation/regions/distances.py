"""Regions as a trained network holds them apart: second-order matrices, and how far they lie apart.

DeepO2P classifies log(XᵀX/cells + εI) linearly. To take the logarithm first and the Frobenius norm
of the difference then is the log-Euclidean metric of positive definite matrices (Arsigny et al.,
"Log-Euclidean metrics for fast and simple calculus on diffusion tensors", 2006), so the nearest
regions in it are those that the classifier can hardly tell apart. Under another function of the
layer, the square root for instance, the distance is the Euclidean one after that function.
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
from tqdm import tqdm

from workbench.data import Region, RegionBatch, Regions, Schedule, region_reader
from workbench.data.region_split import SEED
from workbench.errors import WorkbenchError
from workbench.layers import SecondOrderPooling
from workbench.linalg.effective_rank import effective_rank
from workbench.linalg.gram import gram
from workbench.linalg.vectorise import unvectorise
from workbench.runs import Run
from workbench.runs.finding import named_by
from workbench.training.building import trained_model
from workbench.training.kinds import kind_name
from workbench.training.regions.config import RegionConfig
from workbench.training.regions.parts import split_as
from workbench.training.regions.task import opened_features

Part = Literal["train", "held", "test"]
PARTS: dict[Part, str] = {"held": "held out", "test": "test", "train": "training"}
"""Parts of the regions with the words for them, those first that are looked at without a thought:
the test part is looked at when somebody asks for it."""
LIMIT = 2000
"""Regions that are looked at: their matrices of 256 channels take 260 MB."""
BATCH = 32
_CHUNK = 64
"""Vectors that are compared at a time: what a processor's cache holds."""


@dataclass(frozen=True)
class RegionLook:
    """One region as the network sees it.

    Attributes:
        region: its frame, mask and category.
        cells: of the map that were pooled.
        before: XᵀX/cells, float64; about the mean feature where the layer takes that off.
        after: what the layer makes of it.
        eigenvalues: of `before`, descending; those that X cannot have are zero.
        rank: numerical rank of X.
        chances: probability of every category.
    """

    region: Region
    cells: int
    before: Float64[np.ndarray, "channels channels"]
    after: Float[np.ndarray, "channels channels"]
    eigenvalues: Float64[np.ndarray, "channels"]
    rank: int
    chances: Float[np.ndarray, "classes"]

    @property
    def effective_rank(self) -> float:
        """Exp of the entropy of the eigenvalues as shares of their sum."""
        return float(effective_rank(torch.from_numpy(self.eigenvalues)))


class RegionSpace:
    """The regions of one part of a run's split, with the vectors of their matrices.

    These are computed bit by bit, `advance` by `advance`, so that who shows them can go on
    answering; everything else here can be asked for at any time.

    Args:
        run: of a region classifier with second-order pooling; or its folder.
        part: of the split that its configuration makes.
        store: of regions; None: the one that it trained on.
        limit: at most so many regions, chosen at random, the same every time.

    Attributes:
        regions: in the store's order.
        model: as the run's latest checkpoint has it, on the CPU.
        done: of how many regions there are vectors and predictions: of the first ones.
        seconds: that took so far.

    Raises:
        PipelineError: the store is not there.
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
        self.config = _here(self.run, store)
        self.regions = _some(getattr(split_as(self.config, ("image", "mask")), part), part, limit)
        self.version = _version(self.run)
        self.model = trained_model(self.run, RegionConfig)
        assert isinstance(self.model.pooling, SecondOrderPooling)  # as `_here` made sure
        self.pooling = self.model.pooling
        self._features = opened_features(self.config, self.regions)
        count = len(self.regions)
        self.done, self.seconds = 0, 0.0
        self._vectors = np.empty((count, self.model.entries), np.float32)
        self._predicted = np.empty(count, np.int64)
        self._image_ids = self.regions.table["image_id"].values

    @property
    def complete(self) -> bool:
        """Whether there is a vector of every region."""
        return self.done == len(self.regions)

    @property
    def stale(self) -> bool:
        """Whether the run has a newer checkpoint than the one that is looked at."""
        return _version(self.run) != self.version

    @property
    def remaining(self) -> float:
        """Seconds until `complete`, about; NaN before the first `advance`."""
        return self.seconds / self.done * (len(self.regions) - self.done) if self.done else np.nan

    @property
    def function(self) -> str:
        """What the layer makes of XᵀX/m, m the cells of the region, as a formula."""
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
        """`advance` to the end, with a bar on stderr."""
        with tqdm(total=len(self.regions), initial=self.done, unit="region",
                  desc="matrices", disable=not progress) as bar:  # fmt: skip
            while not self.complete:
                self.advance()
                bar.update(self.done - bar.n)

    @property
    def right(self) -> Bool[np.ndarray, "done"]:
        """Of each region that is done, whether its category is predicted."""
        return np.asarray(self._predicted[: self.done] == self.regions.categories[: self.done])

    def predicted(self, position: int) -> str | None:
        """The category that the network gives a region; None where it is not done yet."""
        return self.regions.names[self._predicted[position]] if position < self.done else None

    def look(self, position: int) -> RegionLook:
        """One region, read and computed now.

        Raises:
            StoreError: it is missing or damaged.
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
        return RegionLook(
            self.regions[position],
            cells,
            (gram(x) / max(cells, 1)).numpy(),
            unvectorise(vectors)[0].numpy(),
            eigenvalues,
            int(found.rank[0]),
            logits.softmax(1)[0].numpy(),
        )

    def distances(self, position: int) -> Float32[np.ndarray, "done"]:
        """‖f(A) − f(B)‖_F of a region to each region that is done, f the layer's function."""
        own = self._vectors[position] if position < self.done else self._vector(position)
        found = np.empty(self.done, np.float32)
        for start in range(0, self.done, _CHUNK):
            part = self._vectors[start : min(start + _CHUNK, self.done)]
            found[start : start + len(part)] = np.linalg.norm(part - own, axis=1)
        return found

    def nearest(
        self, position: int, count: int, same_image: bool = False
    ) -> tuple[Int[np.ndarray, "found"], Float32[np.ndarray, "found"]]:
        """The regions nearest to one, itself left out: positions and distances, ascending.

        Args:
            position: of the region.
            count: at most so many, of those that are done.
            same_image: whether regions of its own image count, which share light and often pixels.
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
        """X of one region as the layer pools it, and its number of rows."""
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


def _here(run: Run, store: Path | str | None) -> RegionConfig:
    """The run's configuration with paths that are found from here."""
    config = RegionConfig.from_dict(run.config)
    if not has_matrices(run):
        raise WorkbenchError(
            f"a run of a region classifier with second-order pooling at {run.path}",
            f"pooling {config.architecture.pooling}",
            "give one: workbench train deep-o2p",
        )
    cache, weights = (name and str(named_by(run, name)) for name in (config.cache, config.weights))
    # Without them the frames' pixels go through the backbone, whose weights are in the checkpoint.
    if not all(name and Path(name).exists() for name in (cache, weights)):
        cache = None
    store = str(store or named_by(run, config.store))
    return replace(config, store=store, cache=cache, weights=weights)


def _some(regions: Regions, part: Part, limit: int) -> Regions:
    if not len(regions):
        raise WorkbenchError(
            f"{PARTS[part]} regions", "none", f"choose another part: {', '.join(PARTS)}"
        )
    chosen = np.random.default_rng(SEED).permutation(len(regions))[:limit]
    return regions.select(np.sort(chosen))


def _version(run: Run) -> Sequence[tuple[str, int]]:
    """Changes with every checkpoint that is written."""
    return sorted((file.name, file.stat().st_mtime_ns) for file in run.checkpoints.glob("*.pt"))
