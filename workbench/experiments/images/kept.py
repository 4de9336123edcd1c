"""Networks that a run of small images kept, on test images of its store.

    kept = KeptNetworks(run)
    network = kept.networks()[-1]
    kept.features(network, "block3"), kept.codes(network, "block3", "lsh", 48)
    kept.nearest(network, "block3", query=0, count=10), kept.ratios(network)

Features are the outputs of a layer, maps averaged to 4×4 cells. Codes are signs of random
hyperplanes, or of a hasher that is fitted on features of training images with their categories:
test images are only looked at. What was computed is kept in memory as long as it is used.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64, UInt8
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from workbench.data import Images
from workbench.errors import WorkbenchError
from workbench.evaluation.retrieval import (
    AveragePrecision,
    average_precision,
    euclidean_rankings,
    nearest,
)
from workbench.evaluation.triplets import Kind, Ratios, choose, measure
from workbench.experiments.images.training import KEPT, Seen, load_network
from workbench.hashing import HASHERS, Codes, Labelled
from workbench.models.small_cnn import TAPS, SmallCNN
from workbench.probe.capture import Capture
from workbench.runs import Run
from workbench.runs.finding import resolved_path

CODERS = ("lsh", "itq", "agh-2", "ksh", "neural-2")
"""Methods of `hashing.HASHERS` that make codes of features; the first is random hyperplanes."""
MOST_IMAGES = 10_000
"""Largest number of test images; of more, so many are drawn."""
ANCHORS = 200
"""Anchors of the triplets: their choice compares each with all images, 0.05 s an anchor."""
LABELLED = 100
"""Training images of each category on which hashers are fitted."""
QUERIES = 20
"""Test images of each category whose average precision is measured."""
CELLS = 4
"""Rows and columns to which maps are averaged."""
_ANCHORED, _ANCHORS = ("agh-2", "ksh"), 300
"""Methods with anchors, and how many these have where there are enough training images."""
_BATCH = 500


@dataclass(frozen=True)
class Kept:
    """Network that a run kept.

    Attributes:
        name: name of its file.
        step: step at which it was kept.
        test_error: its error on test images, a fraction.
        seq: number of the event; a training that is done again has others.
    """

    name: str
    step: int
    test_error: float
    seq: int

    @property
    def words(self) -> str:
        """Name, step and error."""
        return f"{self.name}, step {self.step}, {100 * self.test_error:.1f} % test error"


@dataclass(frozen=True, eq=False)
class CodeFigures:
    """Figures of the codes of test images.

    Attributes:
        balance: share of the images whose bit is 1, by bit.
        distinct: number of different codes.
        images: number of images.
        by_codes: average precision of a sample of queries by Hamming distance.
        by_features: the same by Euclidean distance of the features.
    """

    balance: Float64[np.ndarray, "bits"]
    distinct: int
    images: int
    by_codes: AveragePrecision
    by_features: AveragePrecision


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Test images nearest to a query, the nearest first.

    Attributes:
        positions: positions among the test images.
        distances: their distances, bits or Euclidean.
    """

    positions: Int64[np.ndarray, "count"]
    distances: Float64[np.ndarray, "count"]


class KeptNetworks:
    """Networks of a run, measured on test images of its store.

    Args:
        run: run of a classifier of small images.

    Every method but `networks` raises:
        PipelineError: the run's store is not there, or not finished.
        WorkbenchError: the store has other images, or a network's file is missing or damaged.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.features = lru_cache(maxsize=4)(self._features)
        """Features of the test images: (images, features) float32, of a network at a layer."""
        self.codes = lru_cache(maxsize=16)(self._codes)
        """Codes of the test images: of a network, a layer, a name of `CODERS`, and bits."""
        self.figures = lru_cache(maxsize=64)(self._figures)
        """Figures of codes; arguments as those of `codes`."""
        self.ratios = lru_cache(maxsize=8)(self._ratios)
        """Distance ratios of triplets of test images by kind, at all layers of a network."""

    def networks(self) -> list[Kept]:
        """Networks in the order in which they were kept; the first has random weights."""
        return [
            Kept(each.fields["name"], each.step or 0, each.fields["test_error"], each.seq)
            for each in self.run.events(KEPT)
        ]

    @cached_property
    def images(self) -> Images:
        """All images of the run's store."""
        path = resolved_path(self.run, str(self.run.config["store"]))
        if isinstance(path, Path) and not path.exists():
            raise WorkbenchError(
                f"the store that {self.run.path.name} was trained on at {path}",
                "nothing there",
                "put it back: histograms, codes and nearest images are of its test images",
            )
        return Images.open(path)

    @cached_property
    def test(self) -> Seen:
        """Test images in memory."""
        test = self.images.test
        if len(test) > MOST_IMAGES:
            drawn = np.random.default_rng(0).choice(len(test), MOST_IMAGES, replace=False)
            test = test.select(np.sort(drawn))
        return Seen.of(test)

    @property
    def labels(self) -> Int64[np.ndarray, "images"]:
        """Categories of the test images."""
        return self.test.labels.numpy()

    def picture(self, position: int) -> UInt8[np.ndarray, "y x 3"]:
        """Test image at a position."""
        return self.test.pixels[position].permute(1, 2, 0).numpy()

    def predicted(self, network: Kept, query: int) -> int:
        """Category that a network gives a test image."""
        return int(self.features(network, "logits")[query].argmax())

    def nearest(
        self, network: Kept, layer: str, query: int, count: int, coder: str = "", bits: int = 0
    ) -> Neighbours:
        """Test images nearest to one of them, which is left out.

        Args:
            network: network whose features are compared.
            layer: name of the layer.
            query: position of the image.
            count: number of images.
            coder: name of `CODERS`, for Hamming distance of codes, whose ties are in random order;
                "": Euclidean distance of the features.
            bits: length of the codes.
        """
        every: Any
        if coder:
            every = self.codes(network, layer, coder, bits)
            away = every[query : query + 1].hamming(every)[0]
        else:
            every = self.features(network, layer)
            away = np.linalg.norm(every - every[query], axis=1)
        found = nearest(every[query : query + 1], every, count + 1)[0]
        found = found[found != query][:count]
        return Neighbours(found, away[found].astype(np.float64))

    def _features(self, network: Kept, layer: str) -> Float32[np.ndarray, "images features"]:
        return self._of(network, layer, self.test.pixels)

    def _of(
        self, network: Kept, layer: str, pixels: UInt8[Tensor, "images 3 y x"]
    ) -> Float32[np.ndarray, "images features"]:
        model, parts = self._loaded(network), []
        with torch.no_grad(), Capture(model, [layer]) as capture:
            for part in pixels.split(_BATCH):
                found = capture.until_reached(model.prepare(part))[layer]
                maps = adaptive_avg_pool2d(found, CELLS) if found.dim() == 4 else found
                parts.append(maps.flatten(1).float().numpy())
        return np.concatenate(parts)

    def _loaded(self, network: Kept) -> SmallCNN:
        model = load_network(self.run, network.name)
        known, shape = len(self.images.names), tuple(self.test.pixels.shape[2:])
        if (known, shape) != (model.classes, (model.side, model.side)):
            raise WorkbenchError(
                f"the images that {network.name} was trained on: {model.classes} categories, "
                f"{model.side}×{model.side} pixels",
                f"{known} categories, {shape[0]}×{shape[1]} pixels in {self.run.config['store']}",
                "put the store back that the run names",
            )
        return model

    def _codes(self, network: Kept, layer: str, coder: str, bits: int) -> Codes:
        labels, pixels = self._labelled
        known = Labelled(self._of(network, layer, pixels), labels, len(self.images.names))
        few = {"anchors": min(_ANCHORS, len(known))} if coder in _ANCHORED else {}
        return HASHERS[coder](bits=bits, **few).fit(known).encode(self.features(network, layer))

    @cached_property
    def _labelled(self) -> tuple[Int64[np.ndarray, "labelled"], UInt8[Tensor, "labelled 3 y x"]]:
        """Categories and pixels of some training images, equally many of each category."""
        train = self.images.train
        chosen = _of_each(train.labels.numpy(), LABELLED)
        some = train.select(chosen)
        return some.labels.numpy(), some.pixels()

    def _figures(self, network: Kept, layer: str, coder: str, bits: int) -> CodeFigures:
        codes, features = self.codes(network, layer, coder, bits), self.features(network, layer)
        labels = self.labels
        asked = _of_each(labels, min(QUERIES, int(np.bincount(labels).min()) // 2))
        rest = np.setdiff1d(np.arange(len(labels)), asked)
        of = labels[asked], labels[rest]
        return CodeFigures(
            codes.balance, codes.distinct, len(codes),
            average_precision(codes[asked], codes[rest], *of),
            euclidean_rankings(features[asked], features[rest], *of).average_precision(),
        )  # fmt: skip

    def _ratios(self, network: Kept) -> dict[Kind, Ratios]:
        return measure(self._loaded(network), self.test.inputs, self._triplets, TAPS)

    @cached_property
    def _triplets(self) -> list[Any]:
        test = self.test
        return choose(test.inputs, test.labels, anchors=min(ANCHORS, len(test.labels)))


def _of_each(labels: Int64[np.ndarray, "images"], most: int) -> Int64[np.ndarray, "chosen"]:
    """Positions of so many images of each category, or of all where it has fewer, at random."""
    order = np.random.default_rng(0).permutation(len(labels))
    every = [order[labels[order] == k][:most] for k in np.unique(labels)]
    return np.sort(np.concatenate(every))
