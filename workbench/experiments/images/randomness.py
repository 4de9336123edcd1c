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

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from workbench.errors import WorkbenchError
from workbench.evaluation.statistics import differences
from workbench.experiments.images.randomness_items import (
    KINDS,
    TRAINED,
    Data,
    Item,
    Key,
    Settings,
    measure,
)
from workbench.runs.files import read_json_object
from workbench.runs.questions import QUESTION, agree_on_question

WIDTHS = (8, 16, 32)
LABELS = (40, 100, 500, 0)
"""Labels a class; 0: all."""
ITEMS = "items"


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
        best = self.best().set_index(["kind", "labels"]).width
        pairs = [each for each in best.index if each[0] != TRAINED and (TRAINED, each[1]) in best]
        if not pairs:
            return pd.DataFrame()
        wrong = {
            key: _mean_wrong(self._groups[key[0], int(best[key]), key[1]]) for key in best.index
        }
        above = [100 * (wrong[kind, labels] - wrong[TRAINED, labels]) for kind, labels in pairs]
        heads = [{"kind": k, "labels": n, "width": int(best[k, n])} for k, n in pairs]
        found = differences(np.stack(above, axis=1))
        return pd.DataFrame([h | asdict(each) for h, each in zip(heads, found, strict=True)])

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
