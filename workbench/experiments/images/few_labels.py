"""Few labels: does a metric criterion in the objective save labels? (`workbench few-labels`)

    OUT/question.json           settings of the trainings; a folder with others is refused
    OUT/runs/40--triplet--0 …   run folders of the trainings
    OUT/results/….json          their figures; what has one is not trained again

Small networks learn from a few labelled images a class of a store, by cross-entropy alone and by
cross-entropy + λ × a metric criterion of the embedding of length 1 that the classifier reads. For
every number of labels, settings are chosen by the error on training images that are held out:

1. cross-entropy alone with the learning rates and weight decays `COMMON`;
2. at the best of these, each criterion with all its λ, and cross-entropy alone with equally many
   further learning rates and weight decays (`FURTHER`), so that each has equally many trials.

Then each is trained on several draws of the labels, whose seed is also that of the weights and of
the order: differences are paired by draw. The draw of the choices is none of these. The test images
are looked at once by each of these networks: error, and mean average precision of the embedding.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float32
from torch import Tensor
from torch.nn.functional import normalize
from tqdm.auto import tqdm

from workbench.data import Images
from workbench.errors import WorkbenchError
from workbench.evaluation.retrieval import euclidean_rankings
from workbench.evaluation.statistics import Estimate, student
from workbench.experiments.tables.trainings import essence, finished_run
from workbench.models.small_cnn import SmallCNN
from workbench.objectives.metric import CRITERIA, Criterion, criterion_named
from workbench.runs import Run
from workbench.runs.files import atomic_write, read_json_object, to_json
from workbench.runs.questions import agree_on_question, refuse_other
from workbench.training.checkpoints import load_checkpoint
from workbench.training.images.config import ImageConfig
from workbench.training.images.task import BATCH, ImageTask, labelled, outcome, parts_of
from workbench.training.run_folders import train_into
from workbench.training.trainer import Trainer

ALONE = "cross-entropy"
"""Name of cross-entropy without a criterion."""
COMMON = ((0.02, 0.01), (0.06, 0.01))
"""Learning rates with weight decays that all criteria share."""
FURTHER = ((1.0, 0.1), (0.5, 1.0), (1.0, 3.0), (2.0, 1.0), (0.5, 3.0), (0.5, 0.1))
"""Factors of the best rate and decay that cross-entropy alone tries beside, first ones first."""
WEIGHTS = (0.1, 0.5, 2.0)
CHOOSING = 1000
"""Seed of the draw on which settings are chosen."""
TUNED = ("learning_rate", "weight_decay", "weight", "labelled", "criterion", "seed")
"""Settings of a training that the experiment chooses or varies."""


@dataclass(frozen=True)
class Settings:
    """Settings that all trainings share.

    Attributes:
        config: configuration of the trainings; what is `TUNED` is replaced. A training has
            `config.passes` over its labelled images, or more.
        steps: steps of the optimizer at least.
        queries: test images of each class that the mean average precision asks with; the other
            test images are the database.
        weights: factors λ of the metric criteria that are tried.

    Raises:
        WorkbenchError: a number is not positive, or there are more weights than `FURTHER`.
    """

    config: ImageConfig
    steps: int = 250
    queries: int = 100
    weights: tuple[float, ...] = WEIGHTS

    def __post_init__(self) -> None:
        if self.steps < 1 or self.queries < 1:
            raise WorkbenchError(
                "steps and queries from 1", f"{self.steps} and {self.queries}", "raise them"
            )
        if not 1 <= len(self.weights) <= len(FURTHER) or not min(self.weights) > 0:
            raise WorkbenchError(
                f"1 to {len(FURTHER)} positive weights of the criteria",
                ", ".join(f"{each:g}" for each in self.weights) or "none",
                "correct --weights; cross-entropy alone needs none",
            )

    @property
    def question(self) -> dict[str, Any]:
        """Plain values that decide the results."""
        config = {name: v for name, v in essence(self.config).items() if name not in TUNED}
        return {"steps": self.steps, "queries": self.queries, **config}

    def of(self, labels: int, classes: int, seed: int, **chosen: Any) -> ImageConfig:
        """Configuration of one training, with whole passes."""
        steps_per_pass = -(-labels * classes // self.config.batch)
        passes = max(self.config.passes, -(-self.steps // steps_per_pass))
        return replace(self.config, labelled=labels, seed=seed, passes=passes, **chosen)


@dataclass(frozen=True, eq=False)
class FewLabels:
    """Figures of all trainings.

    Attributes:
        settings: settings of the trainings.
        labels: numbers of labels a class.
        criteria: names, cross-entropy alone first.
        cells: a training a row: labels, criterion, draw, the chosen weight, learning_rate and
            weight_decay, held_out_error, test_error and map, fractions, and seconds; also
            those of cross-entropy alone at further numbers of labels.
        choices: trials of the choice a row: the same without test figures.
        test: number of test images.
    """

    settings: Settings
    labels: tuple[int, ...]
    criteria: tuple[str, ...]
    cells: pd.DataFrame
    choices: pd.DataFrame
    test: int

    def table(self) -> pd.DataFrame:
        """Mean over draws with its 95 % interval: a measure of a criterion at some labels a row.

        Columns: labels, criterion, measure ("test_error" or "map", percent), mean, low, high,
        draws.
        """
        rows = []
        for (labels, criterion), found in self.cells.groupby(["labels", "criterion"], sort=False):
            for measure in ("test_error", "map"):
                values = 100 * found[measure].to_numpy()
                head = {"labels": labels, "criterion": criterion, "measure": measure}
                rows.append(head | _figures(student(values)) | {"draws": len(values)})
        return pd.DataFrame(rows).sort_values(["measure", "labels"], kind="stable")

    def differences(self) -> pd.DataFrame:
        """Differences from cross-entropy alone, paired by draw, points; columns as in `table`."""
        rows = []
        for labels in self.labels:
            for measure in ("test_error", "map"):
                some = self.cells[self.cells.labels == labels]
                wide = 100 * some.pivot_table(index="draw", columns="criterion", values=measure)
                for criterion in self.criteria[1:]:
                    values = (wide[criterion] - wide[ALONE]).dropna().to_numpy()
                    head = {"labels": labels, "criterion": criterion, "measure": measure}
                    rows.append(head | _figures(student(values)) | {"draws": len(values)})
        return pd.DataFrame(rows)

    def equivalents(self) -> pd.DataFrame:
        """Labels a class with which cross-entropy alone has the error of each criterion.

        The mean error of cross-entropy alone is interpolated linearly in the logarithm of the
        labels; the paired difference and the ends of its interval are added to the error at the
        criterion's labels, and the curve is read there. Columns: labels, criterion, mean, low,
        high (NaN: beyond the ends of the curve), fewest, most (ends of the curve).
        """
        curve = self.curve()
        found = self.differences()
        rows = []
        for row in found[found.measure == "test_error"].itertuples():
            at = float(curve[int(row.labels)])
            ends = [labels_of(curve, at + shift) for shift in (row.mean, row.high, row.low)]
            rows.append({
                "labels": row.labels, "criterion": row.criterion,
                **dict(zip(("mean", "low", "high"), ends, strict=True)),
                "fewest": int(curve.index[0]), "most": int(curve.index[-1]),
            })  # fmt: skip
        return pd.DataFrame(rows)

    def curve(self) -> pd.Series:
        """Mean test error of cross-entropy alone by labels a class, percent, never rising."""
        alone = self.cells[self.cells.criterion == ALONE]
        return 100 * alone.groupby("labels")["test_error"].mean().sort_index().cummin()


def few_labels(
    settings: Settings,
    out: Path | str,
    *,
    labels: Sequence[int] = (40, 100, 500),
    further: Sequence[int] = (20, 200, 1000),
    criteria: Sequence[str] | Mapping[str, Criterion] = tuple(CRITERIA),
    draws: int = 5,
    progress: bool = True,
) -> FewLabels:
    """Train with and without metric criteria on a few labels a class, and compare.

    Finished trainings are not repeated, stopped ones go on.

    Args:
        settings: settings of all trainings.
        out: folder of the trainings, new or begun.
        labels: numbers of labels a class.
        further: numbers at which cross-entropy alone is trained too, with the settings of the
            nearest of `labels`, so that its error can be interpolated.
        criteria: names out of `objectives.metric.CRITERIA`, or functions `loss(embedding, labels)`
            by names of one's own; those of any library fit.
        draws: number of draws of the labels.
        progress: show a bar.

    Raises:
        PipelineError: there is no finished store.
        WorkbenchError: an unknown criterion, more labels than a class has, fewer test images than
            queries; the folder has other trainings; or a training diverged.
        KeyboardInterrupt: a training was stopped at a checkpoint.
    """
    known = _criteria(criteria)
    if draws < 1 or not labels or min(*labels, *further, 1) < 1:
        raise WorkbenchError(
            "one draw or more, of one label a class or more",
            f"{draws} draws of {', '.join(map(str, (*labels, *further))) or 'none'}",
            "correct --draws, --labels and --further",
        )
    labels, further = sorted(set(labels)), sorted(set(further) - set(labels))
    work = _Work(settings, Path(out), known)
    work.require(max((*labels, *further)))
    agree_on_question(work.out, settings.question, "trainings")
    trials = len(settings.weights)
    count = len(labels) * (len(COMMON) + trials * (1 + len(known)))
    count += draws * (len(labels) * (1 + len(known)) + len(further))
    with tqdm(total=count, unit="training", disable=not progress) as bar:
        work.bar = bar
        chosen = {number: work.choose(number) for number in labels}
        cells = []
        for draw in range(draws):
            for number in labels:
                cells += [work.cell(number, name, draw, chosen[number]) for name in (ALONE, *known)]
            for number in further:
                near = labels[int(np.abs(np.log(np.array(labels) / number)).argmin())]
                cells.append(work.cell(number, ALONE, draw, chosen[near]))
    names = (ALONE, *known)
    frames = pd.DataFrame(cells), pd.DataFrame(work.choices)
    return FewLabels(settings, tuple(labels), names, *frames, len(work.parts.test))


def labels_of(curve: pd.Series, error: float) -> float:
    """Labels a class at which a curve has an error; NaN beyond its ends.

    Args:
        curve: errors by number of labels, ascending numbers, errors that never rise.
        error: error to look for.
    """
    errors, places = curve.to_numpy(float)[::-1], np.log(curve.index.to_numpy(float))[::-1]
    found = np.interp(error, errors, places, left=np.nan, right=np.nan)
    return float(np.exp(found))


class _Work:
    """Trainings of the experiment, those that exist left alone."""

    def __init__(self, settings: Settings, out: Path, criteria: Mapping[str, Criterion]) -> None:
        self.settings, self.out, self.criteria = settings, out, criteria
        self.parts = parts_of(settings.config)
        self.looked = self.parts.test.parts(queries=settings.queries, labelled=0)
        self.held = self.parts.held.pixels(), self.parts.held.labels
        self.seen = [
            (each.pixels(), each.labels) for each in (self.looked.queries, self.looked.database)
        ]
        self.choices: list[dict[str, Any]] = []
        self.bar: Any = None

    def require(self, labels: int) -> None:
        """Refuse more labels than a class has."""
        labelled(self.parts.train, replace(self.settings.config, labelled=labels))

    def choose(self, labels: int) -> dict[str, dict[str, float]]:
        """Settings by criterion with the least held-out errors; the first of equal ones."""
        common = [{"learning_rate": rate, "weight_decay": decay} for rate, decay in COMMON]
        tried = [self._trial(labels, ALONE, each) for each in common]
        best = min(tried, key=_held_out)
        rate, decay = best["learning_rate"], best["weight_decay"]
        weights = self.settings.weights
        for rates, decays in FURTHER[: len(weights)]:
            near = {"learning_rate": rate * rates, "weight_decay": decay * decays}
            tried.append(self._trial(labels, ALONE, near))
        chosen = {ALONE: _setting(min(tried, key=_held_out))}
        for name in self.criteria:
            own = [self._trial(labels, name, _setting(best) | {"weight": w}) for w in weights]
            found = min(own, key=_held_out)
            chosen[name] = _setting(found) | {"weight": found["weight"]}
        return chosen

    def cell(
        self, labels: int, criterion: str, draw: int, chosen: Mapping[str, dict[str, float]]
    ) -> dict[str, Any]:
        """Figures of the training of a draw, those of the test images among them."""
        return self._figures(labels, criterion, draw, chosen[criterion], f"{draw}", test=True)

    def _trial(self, labels: int, criterion: str, setting: dict[str, float]) -> dict[str, Any]:
        values = "-".join(f"{value:g}" for value in setting.values())
        found = self._figures(labels, criterion, CHOOSING, setting, f"choice-{values}", test=False)
        self.choices.append(found)
        return found

    def _figures(
        self,
        labels: int,
        criterion: str,
        seed: int,
        setting: dict[str, float],
        what: str,
        test: bool,
    ) -> dict[str, Any]:
        """Figures of a training, from its file or measured."""
        own = "" if criterion == ALONE else criterion
        classes = len(self.parts.train.names)
        config = self.settings.of(labels, classes, seed, criterion=own, **setting)
        name = f"{labels}--{criterion}--{what}"
        self.bar.set_description(f"{labels} labels, {criterion}, {what}")
        path = self.out / "results" / f"{name}.json"
        if path.exists():
            then = read_json_object(path)
            remedy = f"ask the same, give another --out, or delete {self.out}"
            refuse_other(then["config"], essence(config), name, remedy)
        else:
            measured = self._measured(config, self.out / "runs" / name, test)
            then = {"config": essence(config), "figures": measured}
            with atomic_write(path) as file:
                file.write(to_json(then).encode())
        self.bar.update()
        weight = config.weight if own else None
        head = {"labels": labels, "criterion": criterion, "draw": seed, "weight": weight}
        rates = {name: getattr(config, name) for name in ("learning_rate", "weight_decay")}
        figures: dict[str, Any] = then["figures"]
        return head | rates | figures

    def _measured(self, config: ImageConfig, path: Path, test: bool) -> dict[str, float]:
        began = time.perf_counter()
        fit = partial(_fit, criteria=self.criteria)
        train = partial(train_into, self._prepared, fit, progress=False)
        run = finished_run(config, path, path.name, train)
        seconds = time.perf_counter() - began
        model = _trained(run, self._prepared(config)[0])
        found = {"held_out_error": outcome(model, *self.held)[0], "seconds": seconds}
        return found | self._tested(model) if test else found

    def _prepared(self, config: ImageConfig) -> tuple[SmallCNN, Images]:
        """Random network and the labelled images of a training."""
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)
            model = SmallCNN(config.width, len(self.parts.train.names), self.held[0].shape[-1])
        return model, labelled(self.parts.train, config)

    def _tested(self, model: SmallCNN) -> dict[str, float]:
        """Error on the test images, and mean average precision of their embedding."""
        embedded = [_embedded(model, pixels) for pixels, _ in self.seen]
        with torch.no_grad():
            wrong = [
                model.logits(x).argmax(1) != labels
                for x, (_, labels) in zip(embedded, self.seen, strict=True)
            ]
        vectors = [normalize(x).numpy() for x in embedded]
        labels = [labels.numpy() for _, labels in self.seen]
        precision = euclidean_rankings(*vectors, *labels).average_precision()
        return {
            "test_error": float(torch.cat(wrong).double().mean()),
            "map": float(precision.expected.mean()),
        }


def _criteria(criteria: Sequence[str] | Mapping[str, Criterion]) -> dict[str, Criterion]:
    if isinstance(criteria, Mapping):
        if ALONE in criteria:
            raise WorkbenchError(
                "names of criteria", repr(ALONE), "leave it out: it is always compared with"
            )
        return dict(criteria)
    return {name: criterion_named(name) for name in criteria}


def _fit(
    prepared: tuple[SmallCNN, Images],
    config: ImageConfig,
    run: Run,
    resume: bool,
    progress: bool,
    *,
    criteria: Mapping[str, Criterion],
) -> bool:
    task = ImageTask(*prepared, config, criteria)
    return Trainer(task, config, run, progress=progress).fit(resume)


def _trained(run: Run, model: SmallCNN) -> SmallCNN:
    """Network of a finished run, on the host, in evaluation mode."""
    state = load_checkpoint(run)["network"]
    own = {n.removeprefix("model."): v for n, v in state.items() if n.startswith("model.")}
    model.load_state_dict(own)
    return model.eval()


def _embedded(model: SmallCNN, pixels: Tensor) -> Float32[Tensor, "images features"]:
    with torch.no_grad():
        return torch.cat([model.embed(model.prepare(part)) for part in pixels.split(BATCH)])


def _held_out(trial: Mapping[str, Any]) -> float:
    return float(trial["held_out_error"])


def _setting(trial: Mapping[str, Any]) -> dict[str, float]:
    return {name: trial[name] for name in ("learning_rate", "weight_decay")}


def _figures(found: Estimate) -> dict[str, float]:
    return {"mean": found.mean, "low": found.low, "high": found.high}
