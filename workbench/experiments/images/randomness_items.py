"""Items of the experiment `randomness`: one classifier of features, trained and tested.

Training images come in an order of their own for each seed, in which the labels of few images a
class are the first ones of more: one pass over the features serves all numbers of labels.
"""

import io
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64, UInt8
from torch import Tensor
from torch.nn.functional import one_hot

from workbench.errors import WorkbenchError
from workbench.experiments.images.short_training import train_shortly
from workbench.models.linear_estimates import RunningMoments, chosen_ridge
from workbench.models.random_features import FEATURES, Standardised
from workbench.models.small_cnn import SmallCNN
from workbench.runs.files import atomic_write
from workbench.training.config import Precision
from workbench.training.images.config import ImageConfig
from workbench.training.images.task import parts_of

TRAINED = "trained"
KINDS = {
    "network": "random network",
    "patches": "random convolution of patches",
    "scattering": "scattering, wavelets",
    TRAINED: "trained network",
}
"""Features, and what they are called in tables and pictures."""
UNLABELLED = 2000
"""Training images, without their labels, that features are standardised and whitened with."""
_ROWS = 500


@dataclass(frozen=True)
class Settings:
    """Settings that all items share.

    Attributes:
        holdout: fraction of the training images held out, which choose the penalty.
        passes: passes of the trained network over its training images.
        steps: least number of steps of the trained network, which few images get by more passes.
        precision: of the convolutions; "bf16-mixed" or "32-true".
        test: number of test images at most.
    """

    holdout: float = 0.1
    passes: int = 8
    steps: int = 600
    precision: Precision = "32-true"
    test: int = 10_000


@dataclass(frozen=True)
class Key:
    """Name of an item.

    Attributes:
        kind: name out of `KINDS`.
        width: channels of the first block of the network with as many features.
        labels: labels a class; 0: all.
        seed: seed of the random weights and of the choice of the labels.
    """

    kind: str
    width: int
    labels: int
    seed: int

    @property
    def file(self) -> str:
        """Name of the item's file."""
        return f"{self.kind}--{self.width}--{in_words(self.labels)}--seed{self.seed}.npz"


@dataclass(frozen=True, eq=False)
class Item:
    """Figures of one classifier.

    Attributes:
        key: name of the item.
        features: number of features before the last layer.
        images: number of training images with labels.
        held_out: error on held-out training images, a fraction.
        wrong: whether the class of each test image is wrong.
        penalty: penalty of the ridge regression, relative; NaN for the trained network.
        seconds: time that it took; items of the same features share their time.
    """

    key: Key
    features: int
    images: int
    held_out: float
    wrong: Bool[np.ndarray, "images"]
    penalty: float
    seconds: float

    def write(self, path: Path) -> None:
        """Write the file atomically."""
        buffer = io.BytesIO()
        values = {name: value for name, value in vars(self).items() if name != "key"}
        np.savez_compressed(buffer, allow_pickle=False, **values)
        with atomic_write(path) as file:
            file.write(buffer.getvalue())

    @classmethod
    def read(cls, path: Path, key: Key) -> "Item":
        """Read a file that `write` wrote."""
        with np.load(path) as stored:
            plain = {name: stored[name].item() for name in stored.files if name != "wrong"}
            return cls(key, wrong=stored["wrong"], **plain)


@dataclass(frozen=True, eq=False)
class Data:
    """Images in memory.

    Attributes:
        train, held, test: pixels.
        train_labels, held_labels, test_labels: categories.
        classes: names of the categories.
        identity: digest of the images' origin.
    """

    train: UInt8[Tensor, "train 3 y x"]
    held: UInt8[Tensor, "held 3 y x"]
    test: UInt8[Tensor, "test 3 y x"]
    train_labels: Int64[Tensor, "train"]
    held_labels: Int64[Tensor, "held"]
    test_labels: Int64[Tensor, "test"]
    classes: tuple[str, ...]
    identity: str
    _fixed: dict[tuple[str, int], list[Tensor]] = field(default_factory=dict)

    @classmethod
    def of(cls, store: str, settings: Settings) -> "Data":
        """Read the images of a store."""
        parts = parts_of(ImageConfig(store=store, holdout=settings.holdout))
        test = parts.test
        if settings.test < len(test):
            order = np.random.default_rng(0).permutation(len(test))
            test = test.select(np.sort(order[: settings.test]))
        some = (parts.train, parts.held, test)
        pixels = [each.pixels() for each in some]
        labels = [each.labels for each in some]
        return cls(
            train=pixels[0], held=pixels[1], test=pixels[2],
            train_labels=labels[0], held_labels=labels[1], test_labels=labels[2],
            classes=tuple(test.names), identity=" ".join(each.identity for each in some),
        )  # fmt: skip

    def check(self, labels: Sequence[int]) -> None:
        """Refuse more labels a class than there are.

        Raises:
            WorkbenchError: a class has too few training images.
        """
        counts = torch.bincount(self.train_labels, minlength=len(self.classes))
        if max(labels) > counts.min():
            raise WorkbenchError(
                f"at most {counts.min()} labels a class, the training images of "
                f"{self.classes[int(counts.argmin())]} that are not held out",
                f"{max(labels)}",
                "lower --labels, or name all",
            )

    def order(self, seed: int) -> tuple[Int64[Tensor, "train"], Int64[Tensor, "train"]]:
        """Random order of the training images, the k-th of each class before the k+1-th of any.

        Returns:
            Positions in this order, and of each the number of images of its class before it.
        """
        generator = torch.Generator().manual_seed(seed)
        shuffled = torch.randperm(len(self.train_labels), generator=generator)
        hot = one_hot(self.train_labels[shuffled], len(self.classes))
        before = (hot.cumsum(0) * hot).sum(1) - 1
        by_rank = before.argsort(stable=True)
        return shuffled[by_rank], before[by_rank]

    def features(self, key: Key, precision: str) -> list["Rows"]:
        """Features of training, held-out and test images, as they are asked for.

        Those that no seed changes are kept for the next seeds.
        """
        kind, width = key.kind, key.width
        images = [self.train, self.held, self.test]
        if (kind, width) in self._fixed:
            return [Rows(kept) for kept in self._fixed[kind, width]]
        unlabelled = self.train[:UNLABELLED]
        made = FEATURES[kind](width, key.seed, unlabelled)
        network = Standardised(made, unlabelled, precision)
        rows = [Rows(pixels, network) for pixels in images]
        if kind == "scattering":
            self._fixed.clear()
            self._fixed[kind, width] = [each[torch.arange(len(each.kept))] for each in rows]
            return [Rows(kept) for kept in self._fixed[kind, width]]
        return rows


@dataclass(frozen=True, eq=False)
class Rows:
    """Features of images by position: kept, or computed of the pixels.

    Attributes:
        kept: features, or pixels.
        network: module from pixels to features; None: they are features.
    """

    kept: Tensor
    network: Standardised | None = None

    def __getitem__(self, positions: Int64[Tensor, "some"]) -> Float32[Tensor, "some features"]:
        parts = (self.kept[some] for some in positions.split(_ROWS))
        return torch.cat([part if self.network is None else self.network(part) for part in parts])


def measure(data: Data, keys: Sequence[Key], settings: Settings) -> Iterator[Item]:
    """Items of one kind, width and seed, by ascending numbers of labels, each when it is done."""
    many = max(key.labels for key in keys) + 1
    ascending = sorted(keys, key=lambda key: key.labels or many)
    if keys[0].kind == TRAINED:
        yield from (_trained(data, key, settings) for key in ascending)
    else:
        yield from _last_layers(data, ascending, settings)


def _last_layers(data: Data, keys: Sequence[Key], settings: Settings) -> Iterator[Item]:
    """Ridge regressions on the same features; labels come one by one, so each needs one pass."""
    started = time.monotonic()
    train, held, test = data.features(keys[0], settings.precision)
    y_held, y_test = (rows[torch.arange(len(rows.kept))] for rows in (held, test))
    order, before = data.order(keys[0].seed)
    sums = RunningMoments(len(data.classes), y_held.shape[1])
    seen = 0
    for key in keys:
        count = int((before < key.labels).sum()) if key.labels else len(order)
        for some in order[seen:count].split(_ROWS):
            sums.add(one_hot(data.train_labels[some], len(data.classes)).double(), train[some])
        seen = count
        to_class, penalty, error = chosen_ridge(sums.moments(), y_held, data.held_labels)
        wrong = to_class(y_test).argmax(1) != data.test_labels
        seconds, started = time.monotonic() - started, time.monotonic()
        yield Item(key, y_held.shape[1], count, error, wrong.numpy(), penalty, seconds)


def _trained(data: Data, key: Key, settings: Settings) -> Item:
    started = time.monotonic()
    order, before = data.order(key.seed)
    chosen = order[before < key.labels] if key.labels else order
    config = ImageConfig(store="")
    steps = max(settings.steps, settings.passes * -(-len(chosen) // config.batch))
    model = train_shortly(
        data.train[chosen], data.train_labels[chosen], classes=len(data.classes), steps=steps,
        config=replace(config, width=key.width, seed=key.seed, precision=settings.precision),
    )  # fmt: skip
    wrong = [
        _classes(model, pixels) != labels
        for pixels, labels in ((data.held, data.held_labels), (data.test, data.test_labels))
    ]
    return Item(
        key, model.logits.in_features, len(chosen), float(wrong[0].double().mean()),
        wrong[1].numpy(), float("nan"), time.monotonic() - started,
    )  # fmt: skip


@torch.no_grad()
def _classes(
    model: SmallCNN, pixels: UInt8[Tensor, "images 3 y x"]
) -> Int64[Tensor, "images"]:  # fmt: skip
    return torch.cat([model(model.prepare(some)).argmax(1) for some in pixels.split(_ROWS)])


def in_words(labels: int) -> str:
    """Number of labels a class in words."""
    return str(labels or "all")
