"""The experiment: its items one by one, and what their figures say at which ratio.

    study = compressed("stores/cifar10.zarr", "runs/compressed")
    study.table()       # a figure of an operator at a ratio a row, with its interval
    study.possible()    # the greatest n/m at which the image, and the class, can still be had

Each item is written below the folder when it is done; the same call leaves finished items alone.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float32
from tqdm.auto import tqdm

from workbench.data import Images
from workbench.errors import WorkbenchError
from workbench.experiments.compressed.data import PHOTOGRAPHS, ImageVectors, photographs_of
from workbench.experiments.compressed.items import (
    COLOUR,
    OPERATORS,
    RATIOS,
    Item,
    Key,
    Settings,
    keys,
    measure,
)
from workbench.runs.files import read_json_object
from workbench.runs.questions import QUESTION, agree_on_question

ITEMS = "items"
RECOVERED = 25.0
"""Mean PSNR, dB, from which an image counts as reconstructed."""
LOST = 3.0
"""Points of error above the least of a method behind an operator up to which the class is kept."""


@dataclass(frozen=True, eq=False)
class Study:
    """Finished items of the experiment.

    Attributes:
        items: finished items, in the order of the request.
        missing: items of the request that are not finished.
        settings: settings of the items, as recorded with the folder.
    """

    items: tuple[Item, ...]
    missing: tuple[Key, ...]
    settings: dict[str, object]

    def table(self) -> pd.DataFrame:
        """A figure of an operator at a ratio a row.

        Columns: operator, ratio (asked for), measurements m, pixels n, kind ("psnr", dB, or
        "error", %), method, mean, low and high (95 % over test images, of means over seeds),
        deviation (standard deviation over seeds, NaN for one seed), seeds, images.
        """
        groups: dict[tuple[str, int], list[Item]] = {}
        for item in self.items:
            groups.setdefault((item.key.operator, item.key.ratio), []).append(item)
        rows = []
        for (operator, ratio), found in groups.items():
            head = {"operator": operator, "ratio": ratio, "measurements": found[0].measurements,
                    "pixels": found[0].pixels}  # fmt: skip
            for method in found[0].psnr:
                values = np.stack([each.psnr[method] for each in found])
                rows.append(head | {"kind": "psnr", "method": method} | _figure(values))
            for method in found[0].wrong:
                values = 100.0 * np.stack([each.wrong[method] for each in found])
                rows.append(head | {"kind": "error", "method": method} | _figure(values))
        return pd.DataFrame(rows)

    def possible(self) -> pd.DataFrame:
        """Reach of each method: the greatest ratio asked for that passes its threshold.

        A mean PSNR passes at `RECOVERED`; a mean error passes up to `LOST` points above the least
        of the method behind the same operator. Columns: operator, kind, method, ratio (NaN: at
        none), most (greatest ratio measured), limit (worst figure that passes).
        """
        rows = []
        for (operator, kind, method), found in self.table().groupby(
            ["operator", "kind", "method"], sort=False
        ):
            limit = RECOVERED if kind == "psnr" else found["mean"].min() + LOST
            passes = found["mean"] >= limit if kind == "psnr" else found["mean"] <= limit
            rows.append({
                "operator": operator, "kind": kind, "method": method,
                "ratio": found.ratio[passes].max(), "most": found.ratio.max(), "limit": limit,
            })  # fmt: skip
        return pd.DataFrame(rows)

    def shown(self, operator: str, ratio: int) -> Item | None:
        """Item of the first finished seed, for its photographs; None where there is none."""
        asked = [i for i in self.items if (i.key.operator, i.key.ratio) == (operator, ratio)]
        return asked[0] if asked else None

    @staticmethod
    def photographs(operator: str) -> Float32[np.ndarray, "photographs pixels"]:
        """Photographs that items show, as an operator measures them."""
        return photographs_of(operator in COLOUR).numpy()


def compressed(
    store: Path | str,
    folder: Path | str,
    *,
    operators: Sequence[str] = tuple(OPERATORS),
    ratios: Sequence[int] = RATIOS,
    seeds: Sequence[int] = (0, 1, 2),
    train: int = 20_000,
    test: int = 10_000,
    settings: Settings | None = None,
    progress: bool = True,
) -> Study:
    """Class and image from the same few measurements, for operators and ratios, item by item.

    Args:
        store: store of images of 32×32 pixels with splits train and test.
        folder: folder of the items; those that lie there are not computed again.
        operators: names out of `items.OPERATORS`.
        ratios: pixels for each measurement out of `items.RATIOS`; tomography ends at 16, one view.
        seeds: seeds of operators, noise and networks.
        train: number of training images at most.
        test: number of test images at most.
        settings: noise and trainings; None: those of `Settings`.
        progress: show a bar.

    Raises:
        pipelines.errors.PipelineError: there is no finished store at that path.
        WorkbenchError: the folder holds items of other settings or images; an operator or a ratio
            does not exist; the images have another size.
    """
    asked = _asked(operators, ratios, seeds)
    settings = settings or Settings()
    images = ImageVectors(Images.open(store), train, test)
    question = {
        "images": images.identity, "train": len(images.train_labels),
        "test": len(images.test_labels), **asdict(settings), "photographs": list(PHOTOGRAPHS),
    }  # fmt: skip
    folder = Path(folder)
    agree_on_question(folder, question, "the items")
    items = []
    with tqdm(asked, unit="item", disable=not progress) as bar:
        for key in bar:
            bar.set_description(f"{key.operator}, 1:{key.ratio}, seed {key.seed}")
            path = folder / ITEMS / key.file
            if not path.is_file():
                measure(images, key, settings).write(path)
            items.append(Item.read(path, key))
    return Study(tuple(items), (), question)


def finished(
    folder: Path | str,
    *,
    operators: Sequence[str] = tuple(OPERATORS),
    ratios: Sequence[int] = RATIOS,
    seeds: Sequence[int] = (0, 1, 2),
) -> Study:
    """Items of a folder that are finished, while others are missing or being computed.

    Arguments as in `compressed`.

    Raises:
        WorkbenchError: nothing is finished.
    """
    folder, asked = Path(folder), _asked(operators, ratios, seeds)
    done = [key for key in asked if (folder / ITEMS / key.file).is_file()]
    if not done:
        raise WorkbenchError(
            f"finished items in {folder / ITEMS}", "none", "run the experiment without --assemble"
        )
    items = tuple(Item.read(folder / ITEMS / key.file, key) for key in done)
    missing = tuple(key for key in asked if key not in done)
    return Study(items, missing, read_json_object(folder / QUESTION))


def _asked(
    operators: Sequence[str], ratios: Sequence[int], seeds: Sequence[int]
) -> tuple[Key, ...]:
    for given, known in ((operators, OPERATORS), (ratios, RATIOS)):
        if not given or not set(given) <= set(known):
            raise WorkbenchError(
                f"some of {', '.join(map(str, known))}", ", ".join(map(str, given)) or "none",
                "name some of these",
            )  # fmt: skip
    return keys(operators, sorted(ratios), seeds)


def _figure(values: np.ndarray) -> dict[str, float | int]:
    """Mean over seeds and images; interval over images, of each one's mean over the seeds."""
    seeds, images = values.shape
    by_image = values.astype(float).mean(0)
    mean = float(by_image.mean())
    half = 1.96 * float(by_image.std(ddof=1)) / images**0.5 if images > 1 else np.nan
    spread = float(values.astype(float).mean(1).std(ddof=1)) if seeds > 1 else np.nan
    return {"mean": mean, "low": mean - half, "high": mean + half, "deviation": spread,
            "seeds": seeds, "images": images}  # fmt: skip
