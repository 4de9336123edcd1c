"""Second-order pooling on a dataset with enough images (`workbench pooling`).

    DIR/tuning/<column>/<rate>         short trainings that choose the learning rate, run folders
    DIR/runs/<column>/seed0            the trainings, run folders with their checkpoints
    DIR/results/<column>/seed0.json    errors of all test images, and what led to them

`PooledCNN`s with three poolings and equally many parameters are trained from scratch, equally long.
The learning rate of each is the one of `RATES` with the least held-out error after a third of
the passes, with seed 0. Test images are looked at once, after the last pass.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float64
from tqdm.auto import tqdm

from workbench.data import Images
from workbench.evaluation.statistics import estimate, paired_difference, student
from workbench.experiments.images.training import Prepared, prepare, train_images
from workbench.experiments.tables.results import TableResult
from workbench.experiments.tables.table import Finished, Table, TableColumn, TableRequest
from workbench.experiments.tables.trainings import essence, finished_run
from workbench.models.pooled_cnn import Pooling
from workbench.models.small_cnn import SmallCNN
from workbench.runs import Run
from workbench.runs.plain import plain
from workbench.runs.provenance import provenance
from workbench.training.checkpoints import load_checkpoint
from workbench.training.images.config import ImageConfig
from workbench.training.images.task import BATCH, ImageTask
from workbench.training.trainer import Diverged, make_fabric

RATES = (0.02, 0.06, 0.2)
"""Learning rates that are tried with every column."""
TUNED = 3
"""Passes of a training to one of the trainings that choose its learning rate."""
TIMED_STEPS = 20
"""Steps that are timed, after some that are not."""


@dataclass(frozen=True)
class PoolingColumn(TableColumn):
    """Pooling and number of training images; attributes common to all tables are in `TableColumn`.

    Attributes:
        pooling: pooling of the network.
        images: number of training images; None: all that are not held out.
        passes: passes over them.
    """

    pooling: Pooling = "log"
    images: int | None = None
    passes: int = 6

    @property
    def trained(self) -> bool:
        """Whether seeds differ: all columns are trained."""
        return True

    @property
    def freezable(self) -> bool:
        """Whether there are pretrained weights to keep: there are none."""
        return False

    @property
    def command(self) -> str:
        """Command that runs the column."""
        return (
            "workbench pooling --store stores/cifar10.zarr --out runs/pooling --precision "
            f"bf16-mixed --column {self.name}"
        )


def _columns(suffix: str, words: str, share: float, **settings: Any) -> list[PoolingColumn]:
    """Columns of the three poolings with one number of images; `share` of a full cost each."""
    deep, average, connected = (
        name + suffix for name in ("deep-o2p-s", "average-s", "alexnet-like-s")
    )
    return [
        PoolingColumn(
            deep, f"DeepO2P (S){words}", round(3 * share), (average, connected), pooling="log",
            **settings,
        ),
        PoolingColumn(
            average, f"average pooling (S){words}", round(2 * share), (connected,),
            pooling="average", **settings,
        ),
        PoolingColumn(
            connected, f"AlexNet-like (S){words}", round(2 * share), pooling="connected",
            **settings,
        ),
    ]  # fmt: skip


POOLING_COLUMNS = {
    column.name: column
    for column in (
        *_columns("", "", 1.0),
        *_columns("-5000", ", 5,000 images", 0.4, images=5000, passes=18),
    )
}
"""Columns by name, in the order of the table."""


@dataclass(frozen=True)
class PoolingRequest(TableRequest):
    """Settings that all columns of the table share.

    Attributes:
        width: channels of the first block.
    """

    width: int = 16

    @cached_property
    def images(self) -> Images:
        """Images of the store."""
        return Images.open(self.store)

    def training(self, column: PoolingColumn, seed: int) -> ImageConfig:
        """Training of a column with a seed; its learning rate is not chosen yet."""
        return ImageConfig(
            store=str(self.store), width=self.width, pooling=column.pooling, images=column.images,
            passes=self.passes or column.passes, anchors=0, errors=(), seed=seed,
            device=self.device, precision=self.precision,  # type: ignore[arg-type]
        )  # fmt: skip


@dataclass(frozen=True)
class PoolingResult(TableResult):
    """Result of one training.

    Attributes:
        wrong: of each test image, in the order of the store, whether its class was not predicted.
        held_out: error on held-out training images before the training and after every pass.
        train_error: mean error on augmented training images in the last pass, while it learnt.
        train_images: number of training images.
        parameters: number of parameters.
        rate: learning rate.
        tuning: held-out error of the short training by learning rate; 1 where it diverged.
        seconds: of processor time a pass, from some steps after the training.
    """

    wrong: Bool[np.ndarray, "images"]
    held_out: Float64[np.ndarray, "looks"]
    train_error: float
    train_images: int
    parameters: int
    rate: float
    tuning: dict[str, float]
    seconds: float

    @property
    def said(self) -> str:
        """Error on the test images."""
        return f"error {100 * self.wrong.mean():.1f} %"


class PoolingTable(Table[PoolingColumn, PoolingResult, PoolingRequest]):
    """Table of poolings: error of small networks on CIFAR-10's test images."""

    name = "pooling"
    items = "small images"
    columns = POOLING_COLUMNS
    request = PoolingRequest
    result = PoolingResult
    learns_weights = False  # no backbones, no features

    def question(self, request: PoolingRequest) -> dict[str, Any]:
        """Question of a folder: all its columns are of one width and see the same test images."""
        images = request.images
        return {
            "store": images.table.attrs["fingerprint"],
            "test": len(images.test),
            "classes": list(images.names),
            "width": request.width,
            "precision": request.precision,
        }

    def asked(self, request: PoolingRequest, column: PoolingColumn, seed: int) -> dict[str, Any]:
        """Question of a result: the training but for its learning rate, and the rates to try."""
        config = essence(request.training(column, seed))
        del config["learning_rate"]
        return {"column": column.name, "seed": seed, "rates": list(RATES), "config": config}

    def evaluate(
        self, request: PoolingRequest, column: PoolingColumn, seed: int, asked: dict[str, Any]
    ) -> PoolingResult:
        """Choose the learning rate, train, and classify the test images."""
        config = request.training(column, seed)
        tuning = tuned(replace(config, seed=0), request.out / "tuning" / column.name, column.name)
        config = replace(config, learning_rate=min(tuning, key=tuning.__getitem__))
        place = request.out / "runs" / column.name / f"seed{seed}"
        run = finished_run(config, place, f"{column.name}, seed {seed}", train_images)
        prepared, metrics = prepare(config), run.metrics()
        model = trained_model(prepared, run)
        wrong = _wrong(model, prepared)  # before more steps are taken, to time them
        train_error = metrics["error"].dropna()
        return PoolingResult(
            asked,
            provenance(),
            wrong,
            metrics["held_out_error"].dropna().to_numpy(),
            float(train_error.iloc[-len(train_error) // config.passes :].mean()),
            len(prepared.parts.train),
            sum(each.numel() for each in model.parameters()),
            config.learning_rate,
            {f"{rate:g}": error for rate, error in tuning.items()},
            seconds_of_a_pass(prepared, config),
        )

    def summarise(
        self, found: Sequence[Finished[PoolingColumn, PoolingResult]], question: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Values of the table: rows and tests; errors are shares of 1."""
        by_name = {each.column.name: each for each in found}
        return {
            "test": question["test"],
            "width": question["width"],
            "rows": [_row(each) for each in found],
            "tests": [
                _test(each, by_name[name])
                for each in found
                for name in each.column.against
                if name in by_name and set(each.seeds) & set(by_name[name].seeds)
            ],
        }


POOLING = PoolingTable()


def tuned(config: ImageConfig, folder: Path, label: str) -> dict[float, float]:
    """Held-out error after a short training with each learning rate; 1 where it diverged.

    Args:
        config: training of which the learning rate is to be chosen.
        folder: folder of the short trainings, new or begun; finished ones are not repeated.
        label: name of the training, for messages.
    """
    found = {}
    short = replace(config, passes=max(1, config.passes // TUNED))
    for rate in RATES:
        path, name = folder / f"{rate:g}", f"{label}, learning rate {rate:g}"
        try:
            run = finished_run(replace(short, learning_rate=rate), path, name, train_images)
        except Diverged:
            tqdm.write(f"{name}: diverged")
            found[rate] = 1.0
            continue
        found[rate] = float(run.metrics()["held_out_error"].dropna().iloc[-1])
    return found


def trained_model(prepared: Prepared, run: Run) -> SmallCNN:
    """Network of a run's last checkpoint, in evaluation mode.

    Raises:
        WorkbenchError: there is no checkpoint, or it cannot be read.
    """
    state = load_checkpoint(run)["network"]
    own = {name.removeprefix("model."): value for name, value in state.items()}
    prepared.model.load_state_dict(own)
    return prepared.model.eval()


def seconds_of_a_pass(prepared: Prepared, config: ImageConfig) -> float:
    """Processor time of a pass over the training images: batches, gradients and steps."""
    fabric = make_fabric(config.device, config.precision)
    task = ImageTask(prepared.model, prepared.parts.train, config)
    network, optimizer = fabric.setup(
        task.network, torch.optim.SGD(task.parameter_groups(), momentum=0.9)
    )
    network.train()
    steps = min(TIMED_STEPS, -(-task.samples // config.batch))
    begun = 0.0
    for step in range(-steps, steps):
        if step == 0:
            begun = time.process_time()
        first = (step % steps) * config.batch
        for inputs, _ in task.micro_batches(range(first, first + 1), fabric.device):
            fabric.backward(network(*inputs)["loss"])
        optimizer.step()
        optimizer.zero_grad()
    done = min(steps * config.batch, task.samples)
    return (time.process_time() - begun) * task.samples / done


def _wrong(model: SmallCNN, prepared: Prepared) -> Bool[np.ndarray, "images"]:
    device, test = next(model.parameters()).device, prepared.test
    with torch.no_grad():
        parts = [
            model(model.prepare(part.to(device))).argmax(1).cpu()
            for part in test.pixels.split(BATCH)
        ]
    return np.asarray((torch.cat(parts) != test.labels).numpy())


def _row(each: Finished[PoolingColumn, PoolingResult]) -> dict[str, Any]:
    column, results = each.column, each.results
    errors = np.array([result.wrong.mean() for result in results])
    return {
        "key": column.name,
        "title": column.title,
        "command": column.command,
        "pooling": column.pooling,
        "seeds": each.seeds,
        "images": results[0].train_images,
        "passes": len(results[0].held_out) - 1,
        "parameters": results[0].parameters,
        "rate": results[0].rate,
        "tuning": results[0].tuning,
        "errors": errors,
        "error": plain(estimate(_mean_wrong(results))),
        "over_seeds": plain(student(errors)),
        "train_error": np.mean([result.train_error for result in results]),
        "held_out": np.array([result.held_out for result in results]),
        "seconds": np.median([result.seconds for result in results]),
    }


def _test(
    one: Finished[PoolingColumn, PoolingResult], other: Finished[PoolingColumn, PoolingResult]
) -> dict[str, Any]:
    """Difference of the errors of two columns, of the seeds that both have."""
    seeds = [seed for seed in one.seeds if seed in other.seeds]
    mine, theirs = (
        [each.results[each.seeds.index(seed)] for seed in seeds] for each in (one, other)
    )
    by_seed = [a.wrong.mean() - b.wrong.mean() for a, b in zip(mine, theirs, strict=True)]
    return {
        "row": one.column.title,
        "against": other.column.title,
        "seeds": len(seeds),
        "found": plain(paired_difference(_mean_wrong(mine), _mean_wrong(theirs))),
        "over_seeds": plain(student(np.array(by_seed))),
    }


def _mean_wrong(results: Sequence[PoolingResult]) -> Float64[np.ndarray, "images"]:
    """Share of the seeds that get each test image wrong."""
    return np.asarray(np.mean([result.wrong for result in results], axis=0))
