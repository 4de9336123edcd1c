"""Randomness as a network: features without training, with the last layer alone trained.

    found = randomness("stores/cifar10.zarr", "runs/randomness")
    found.table()        # test error of features at a width with some labels a class, a row
    found.compared()     # with as many labels: the best widths, and their paired differences

    OUT/question.json    settings; a folder with others is refused
    OUT/items            a file for each features, width, labels and seed, written when it is done

Features of `models.random_features` are followed by ridge regression to one-hot labels, summed
image by image (`RunningMoments`), its penalty chosen on held-out training images; "trained" is a
`SmallCNN` of the same width, all of whose layers are trained. Test images choose nothing.
"""

import io
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float32, Int64, UInt8
from torch import Tensor
from torch.nn.functional import one_hot
from tqdm.auto import tqdm

from workbench.errors import WorkbenchError
from workbench.evaluation.statistics import Difference, paired_difference
from workbench.experiments.images.short_training import train_shortly
from workbench.models.linear_estimates import RunningMoments, chosen_ridge
from workbench.models.random_features import FEATURES, Standardised
from workbench.models.small_cnn import SmallCNN
from workbench.runs.files import atomic_write, read_json_object
from workbench.runs.questions import QUESTION, agree_on_question
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
WIDTHS = (8, 16, 32)
LABELS = (40, 100, 500, 0)
"""Labels a class; 0: all."""
UNLABELLED = 2000
"""Training images, without their labels, that features are standardised and whitened with."""
ITEMS = "items"
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
class Randomness:
    """Finished items of the experiment.

    Attributes:
        items: finished items.
        missing: items of the request that are not finished.
        settings: settings of the items, as recorded with the folder.
    """

    items: tuple[Item, ...]
    missing: tuple[Key, ...]
    settings: dict[str, object]

    def table(self) -> pd.DataFrame:
        """Test error of features at a width with some labels a class, a row.

        Columns: kind, width, features, labels (a class; 0: all), images (with labels), error (%,
        mean over seeds), low and high (95 % over test images, of means over seeds), least and most
        (of the seeds), held_out (%), seeds.
        """
        rows = []
        for (kind, width, labels), found in self._groups.items():
            errors = [100 * float(item.wrong.mean()) for item in found]
            by_image = 100 * _mean_wrong(found)
            half = 1.96 * by_image.std(ddof=1) / len(by_image) ** 0.5
            rows.append({
                "kind": kind, "width": width, "features": found[0].features, "labels": labels,
                "images": found[0].images, "error": by_image.mean(),
                "low": by_image.mean() - half, "high": by_image.mean() + half,
                "least": min(errors), "most": max(errors),
                "held_out": 100 * np.mean([item.held_out for item in found]), "seeds": len(found),
            })  # fmt: skip
        return pd.DataFrame(rows)

    def best(self) -> pd.DataFrame:
        """Rows of `table` with the width of the least held-out error, by kind and labels."""
        table = self.table()
        return table.loc[table.groupby(["kind", "labels"], sort=False)["held_out"].idxmin()]

    def compared(self) -> pd.DataFrame:
        """Test errors above the trained network's with as many labels, both at their best widths.

        Columns: kind, labels, width, and mean, low, high (points; 95 % over test images, paired, of
        means over seeds) and p; empty without trained networks.
        """
        best = self.best().set_index(["kind", "labels"])
        rows = []
        for (kind, labels), row in best.iterrows():
            if kind != TRAINED and (TRAINED, labels) in best.index:
                other = best.loc[(TRAINED, labels)]
                found = self._difference((kind, int(row.width)), int(other.width), labels)
                rows.append({"kind": kind, "labels": labels, "width": int(row.width),
                             **asdict(found)})  # fmt: skip
        return pd.DataFrame(rows)

    def _difference(self, own: tuple[str, int], width: int, labels: int) -> Difference:
        some, others = self._groups[(*own, labels)], self._groups[(TRAINED, width, labels)]
        return paired_difference(100 * _mean_wrong(some), 100 * _mean_wrong(others))

    @cached_property
    def _groups(self) -> dict[tuple[str, int, int], list[Item]]:
        """Items of all seeds."""
        groups: dict[tuple[str, int, int], list[Item]] = {}
        for item in self.items:
            groups.setdefault((item.key.kind, item.key.width, item.key.labels), []).append(item)
        return groups


def randomness(
    store: Path | str,
    folder: Path | str,
    *,
    kinds: Sequence[str] = tuple(KINDS),
    widths: Sequence[int] = WIDTHS,
    labels: Sequence[int] = LABELS,
    seeds: Sequence[int] = (0, 1, 2),
    settings: Settings | None = None,
    progress: bool = True,
) -> Randomness:
    """Errors of random features and of trained networks, by width and labels, item by item.

    Args:
        store: store of small images with splits train and test.
        folder: folder of the items; those that lie there are not computed again.
        kinds: names out of `KINDS`.
        widths: channels of the first block of a `SmallCNN`; the others have about as many features.
        labels: labels a class, the same for all kinds and nested; 0: all training images but
            those held out.
        seeds: seeds of weights and labels.
        settings: settings of the items; None: those of `Settings`.
        progress: show a bar.

    Raises:
        pipelines.errors.PipelineError: there is no finished store at that path.
        WorkbenchError: the folder holds items of other settings or images; a kind, width or number
            of labels cannot be had; kymatio is not installed.
    """
    asked = _asked(kinds, widths, labels, seeds)
    settings, folder = settings or Settings(), Path(folder)
    data = Data.of(str(store), settings)
    data.check(labels)
    question = {"images": data.identity, **asdict(settings)}
    agree_on_question(folder, question, "the items")
    paths = {key: folder / ITEMS / key.file for key in asked}
    groups: dict[tuple[str, int, int], list[Key]] = {}
    for key, path in paths.items():
        if not path.is_file():
            groups.setdefault((key.kind, key.width, key.seed), []).append(key)
    done = len(asked) - sum(map(len, groups.values()))
    with tqdm(total=len(asked), initial=done, unit="item", disable=not progress) as bar:
        for (kind, width, seed), missing in groups.items():
            bar.set_description(f"{KINDS[kind]}, width {width}, seed {seed}")
            for item in measure(data, missing, settings):
                item.write(paths[item.key])
                bar.update()
    return Randomness(tuple(Item.read(path, key) for key, path in paths.items()), (), question)


def finished(
    folder: Path | str,
    *,
    kinds: Sequence[str] = tuple(KINDS),
    widths: Sequence[int] = WIDTHS,
    labels: Sequence[int] = LABELS,
    seeds: Sequence[int] = (0, 1, 2),
) -> Randomness:
    """Items of a folder that are finished; arguments as in `randomness`.

    Raises:
        WorkbenchError: nothing is finished.
    """
    folder, asked = Path(folder), _asked(kinds, widths, labels, seeds)
    paths = {key: folder / ITEMS / key.file for key in asked}
    done = tuple(Item.read(path, key) for key, path in paths.items() if path.is_file())
    if not done:
        raise WorkbenchError(
            f"finished items in {folder / ITEMS}", "none", "run the experiment without --assemble"
        )
    missing = tuple(key for key, path in paths.items() if not path.is_file())
    return Randomness(done, missing, read_json_object(folder / QUESTION))


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


def _mean_wrong(found: Sequence[Item]) -> np.ndarray:
    """Share of the seeds at which each test image is wrong."""
    return np.asarray(np.mean([item.wrong for item in found], axis=0))


def _asked(
    kinds: Sequence[str], widths: Sequence[int], labels: Sequence[int], seeds: Sequence[int]
) -> tuple[Key, ...]:
    """Items in the order of their work: by width, so that a stopped run has whole figures."""
    if not kinds or not set(kinds) <= set(KINDS):
        raise WorkbenchError(
            f"some of {', '.join(KINDS)}", ", ".join(kinds) or "none", "name some of these"
        )
    if not widths or min(widths) < 1 or not labels or min(labels) < 0 or not seeds:
        raise WorkbenchError(
            "widths from 1, labels a class from 1 or all, and a seed",
            f"widths {_listed(widths)}, labels {_listed(labels)}, seeds {_listed(seeds)}",
            "correct them",
        )
    return tuple(
        Key(kind, width, count, seed)
        for width in sorted(set(widths)) for seed in seeds for kind in KINDS if kind in kinds
        for count in sorted(set(labels), key=lambda count: count or np.inf)
    )  # fmt: skip


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers)) or "none"
