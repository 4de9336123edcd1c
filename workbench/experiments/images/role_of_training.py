"""Role of training: distances before and after it, by layer (`workbench role-of-training`).

    OUT/question.json      settings of the trainings; a folder with others is refused
    OUT/seed-0 …           run folders (`experiments.images.training`)

Of every network that the trainings kept, the random start and the first ones below given held-out
errors, ratios of random, boundary and control triplets of test images are measured, the same
triplets for all networks (`evaluation.triplets`), and compared with those of the random start.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from tqdm.auto import tqdm

from workbench.errors import WorkbenchError
from workbench.evaluation.triplets import Kind, Ratios, Triplets, at_equal_rank, effects, measure
from workbench.experiments.images.training import (
    KEPT,
    START,
    Prepared,
    kept_networks,
    name_of,
    prepare,
    train_images,
)
from workbench.experiments.tables.trainings import essence, finished_run
from workbench.models.small_cnn import TAPS
from workbench.runs import Run
from workbench.runs.questions import agree_on_question
from workbench.training.images.config import ImageConfig


@dataclass(frozen=True, eq=False)
class Measured:
    """Ratios of one network.

    Attributes:
        seed: seed of its training.
        name: "start", or "error-25" of the first one with at most 25 % held-out error.
        step: steps of the optimizer before it.
        held_out_error, test_error: fractions.
        ratios: ratios by kind of triplets.
    """

    seed: int
    name: str
    step: int
    held_out_error: float
    test_error: float
    ratios: Mapping[Kind, Ratios]


@dataclass(frozen=True, eq=False)
class RoleOfTraining:
    """Ratios of the networks of one or several trainings.

    Attributes:
        config: configuration of the trainings, of the first seed.
        seeds: seeds of the trainings.
        networks: networks in the order of the trainings and of their steps.
        through: measurements after every pass, by seed.
        prepared: images and triplets.
    """

    config: ImageConfig
    seeds: tuple[int, ...]
    networks: list[Measured]
    through: dict[int, pd.DataFrame]
    prepared: Prepared

    @property
    def triplets(self) -> dict[Kind, Triplets]:
        """Triplets of test images by kind, the same for all networks."""
        return {each.kind: each for each in self.prepared.triplets}

    def of(self, seed: int) -> dict[str, Measured]:
        """Networks of one training by name."""
        return {each.name: each for each in self.networks if each.seed == seed}

    @property
    def names(self) -> list[str]:
        """Names of the networks: the start, then by falling error, where a training reached it."""
        wanted = [START, *(name_of(error) for error in sorted(self.config.errors)[::-1])]
        there = {each.name for each in self.networks}
        return [name for name in wanted if name in there]

    @property
    def missing(self) -> list[str]:
        """Networks that no training reached, or not all of them, in words."""
        found = []
        for seed in self.seeds:
            own, best = self.of(seed), 100 * float(self.through[seed]["held_out_error"].min())
            found += [
                f"seed {seed} did not reach {error:g} % of held-out error (least: {best:.1f} %)"
                for error in self.config.errors
                if name_of(error) not in own
            ]
        return found

    def quantiles(self) -> pd.DataFrame:
        """Quantiles of all ratios with unit and AUC, a row a network, layer, kind and side."""
        parts = []
        for each in self.networks:
            for kind, found in each.ratios.items():
                table = found.quantiles().reset_index()
                table.columns = [c if isinstance(c, str) else f"q{100 * c:g}" for c in table]
                extra = {"auc": found.auc, "delta": found.delta, "unit": found.unit}
                for name, values in extra.items():
                    table[name] = table["tap"].map(values)
                parts.append(_labelled(table.assign(kind=kind), each))
        return pd.concat(parts, ignore_index=True)

    def effects(self) -> pd.DataFrame:
        """Effect sizes of `evaluation.triplets.effects` against the start of the same seed."""
        parts = [
            _labelled(effects(self.of(each.seed)[START].ratios, each.ratios).reset_index(), each)
            for each in self.networks
            if each.name != START
        ]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()

    def ranked(self) -> pd.DataFrame:
        """Quotients at equal rank of `evaluation.triplets.at_equal_rank`, of every network."""
        parts = [_labelled(at_equal_rank(n.ratios).reset_index(), n) for n in self.networks]
        return pd.concat(parts, ignore_index=True)


def role_of_training(
    config: ImageConfig, out: Path | str, seeds: Sequence[int] = (0,), *, train: bool = True
) -> RoleOfTraining:
    """Train networks and measure the distance ratios of those that were kept.

    Finished trainings are not repeated, stopped ones go on.

    Args:
        config: configuration of the trainings; its seed is replaced by each of `seeds`.
        out: folder of the trainings, new or begun.
        seeds: seeds of the trainings.
        train: False: measure what the trainings in `out` have kept until now.

    Raises:
        PipelineError: there is no finished store.
        WorkbenchError: the folder has other trainings, or the store is too small.
        KeyboardInterrupt: a training was stopped at a checkpoint.
    """
    out = Path(out)
    question = {name: each for name, each in essence(config).items() if name != "seed"}
    agree_on_question(out, question, "trainings", essence(ImageConfig(store="")))
    paths = {seed: out / f"seed-{seed}" for seed in seeds}
    if train:
        for seed, path in paths.items():
            finished_run(replace(config, seed=seed), path, f"seed {seed}", train_images)
    runs = {seed: Run.open(path) for seed, path in paths.items() if path.exists()}
    if not all(run.events(KEPT) for run in runs.values()) or not runs:
        raise WorkbenchError(f"trainings in {out}", "none that began", "train first")
    prepared = prepare(replace(config, seed=seeds[0]))
    inputs, networks = prepared.test.inputs, []
    for seed, run in runs.items():
        for name, (model, event) in kept_networks(run).items():
            tqdm.write(f"seed {seed}: ratios of {name}")
            found = measure(model, inputs, prepared.triplets, TAPS)
            errors = event["held_out_error"], event["test_error"]
            networks.append(Measured(seed, name, event["step"], *errors, found))
    through = {seed: run.metrics().dropna(subset=["held_out_error"]) for seed, run in runs.items()}
    return RoleOfTraining(config, tuple(runs), networks, through, prepared)


def _labelled(table: pd.DataFrame, network: Measured) -> pd.DataFrame:
    """Table with the network's name and errors in front."""
    labels = {
        "seed": network.seed, "network": network.name, "step": network.step,
        "held_out_error": network.held_out_error, "test_error": network.test_error,
    }  # fmt: skip
    return pd.concat([pd.DataFrame(labels, index=table.index), table], axis=1)
