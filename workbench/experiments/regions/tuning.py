"""Hyper-parameters of a column, chosen by the error on held-out training images (`workbench tune`).

    DIR/question.json     what is searched, and on what; a folder with another one is refused
    DIR/journal.log       optuna's record of every trial
    DIR/trials/000 …      run folders, without their checkpoints

The first trial has the column's own values. The random numbers of each further trial follow from
the number of finished trials, so that an interrupted search continues with the same trials. Trials
that are worse than the median of the others after as many passes end early. The error after the
last pass, where the learning rate is small, decides; the loss decides between equal errors. The
test part is never used.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState
from tqdm.auto import tqdm

from workbench.data import RegionParts
from workbench.errors import WorkbenchError
from workbench.experiments.regions.training import fit_regions
from workbench.experiments.tables.trainings import essence
from workbench.runs import Run, Status
from workbench.runs.files import read_json_object
from workbench.runs.questions import QUESTION, agree_on_question
from workbench.training.building import fresh_model
from workbench.training.devices import threads
from workbench.training.regions.config import RegionConfig
from workbench.training.regions.parts import parts_of
from workbench.training.run_folders import failures_on_record

PARAMETERS = {
    "learning_rate": True,
    "head_multiplier": True,
    "weight_decay": True,
    "epsilon": True,
    "dropout": False,
}
"""Parameters that can be searched, and whether on a logarithmic scale."""
ARCHITECTURE = ("epsilon", "dropout")
"""Parameters of the architecture among `PARAMETERS`."""
UNPRUNED = 3
"""Number of trials that run to their end before any is pruned."""
RANDOM = 4
"""Number of trials drawn at random before the sampler learns from them."""
DIGITS = 3
"""Number of significant digits of a value, so that a command can state it."""


@dataclass(frozen=True)
class Range:
    """Interval in which a parameter is searched.

    Attributes:
        name: key of `PARAMETERS`.
        low, high: bounds, both included.
    """

    name: str
    low: float
    high: float

    def __post_init__(self) -> None:
        if self.name not in PARAMETERS:
            raise WorkbenchError(
                f"a parameter out of {', '.join(PARAMETERS)}", self.name, "name one of them"
            )
        least = 0.0 if PARAMETERS[self.name] else -1e-300
        if not least < self.low <= self.high:
            raise WorkbenchError(
                f"a range of {self.name.replace('_', ' ')} from low to high"
                + (", both positive" if PARAMETERS[self.name] else ""),
                f"{self.low:g} to {self.high:g}",
                "correct it",
            )

    def draw(self, trial: optuna.Trial) -> float:
        """Value for a trial."""
        found = trial.suggest_float(self.name, self.low, self.high, log=PARAMETERS[self.name])
        return float(f"{found:.{DIGITS}g}")


@dataclass(frozen=True)
class Search:
    """Settings of a search.

    Attributes:
        name: name of the column.
        config: values of everything that is not searched, and first values of what is searched.
        ranges: ranges of the searched parameters.
        out: folder of the search.
        trials: total number of trials, with those of earlier calls.
        seed: seed of the sampler.
    """

    name: str
    config: RegionConfig
    ranges: tuple[Range, ...]
    out: Path
    trials: int = 12
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.ranges or len({r.name for r in self.ranges}) < len(self.ranges):
            raise WorkbenchError(
                "one range for each of one or more parameters",
                f"{[r.name for r in self.ranges]}",
                "name each once",
            )
        if self.config.holdout == 0:
            raise WorkbenchError("held-out images to choose by", "none", "raise --holdout above 0")
        if self.config.frozen and any(r.name == "head_multiplier" for r in self.ranges):
            raise WorkbenchError(
                "a backbone in training, to search how much faster the new layers learn",
                "a frozen one",
                "search the learning rate alone",
            )


def run_search(search: Search) -> dict[str, Any]:
    """Run the missing trials.

    Returns:
        `results`: all trials, the best one and how it differs from the column.

    Raises:
        PipelineError, WorkbenchError: store, features or weights are not there; the folder has
            another search, or another command works on it.
        KeyboardInterrupt: SIGINT or SIGTERM; finished trials are kept, the present one is not.
    """
    parts = parts_of(search.config)
    _agree_on_question(search, parts)
    study = _study(search)
    for stale in study.get_trials(states=(TrialState.RUNNING,)):
        _give_up(search, study, stale)
    with (
        threads(search.config.threads_chosen),
        tqdm(total=search.trials, initial=len(_done(study)), desc="trials", unit="trial") as bar,
    ):
        while len(_done(study)) < search.trials:
            if not _done(study) and not study.get_trials(states=(TrialState.WAITING,)):
                study.enqueue_trial(_own_values(search))
            study.sampler = _sampler(search.seed + len(_done(study)))
            _try(search, study, parts)
            bar.update()
    return results(search)


def results(search: Search) -> dict[str, Any]:
    """Results of a search from its folder, as plain values.

    Keys: column, question, trials (number, values, state, errors by pass, error, loss, minutes),
    best: the number of the best trial, None if no trial is complete.
    """
    trials = [_plain(trial) for trial in _done(_study(search))]
    ended = [trial for trial in trials if trial["error"] is not None]
    best = min(ended, key=lambda t: (t["error"], t["loss"], t["number"]), default=None)
    return {
        "column": search.name,
        "question": read_json_object(search.out / QUESTION),
        "own": _own_values(search),
        "trials": trials,
        "best": best and best["number"],
    }


def with_values(config: RegionConfig, values: Mapping[str, float]) -> RegionConfig:
    """Configuration with the values of a trial."""
    shape: dict[str, Any] = {n: value for n, value in values.items() if n in ARCHITECTURE}
    others: dict[str, Any] = {n: value for n, value in values.items() if n not in ARCHITECTURE}
    return replace(config, architecture=replace(config.architecture, **shape), **others)


def _try(search: Search, study: optuna.Study, parts: RegionParts) -> None:
    """Train one trial, in a run folder of its own."""
    trial = study.ask()
    values = {each.name: each.draw(trial) for each in search.ranges}
    trial.set_user_attr("values", values)
    run = Run.create(_folder(search, trial.number), with_values(search.config, values).to_dict())
    shown = ", ".join(f"{name} {value:g}" for name, value in values.items())
    tqdm.write(f"trial {trial.number}: {shown}")
    with failures_on_record(run):
        try:
            finished = _train(search.config, values, parts, run, trial)
        except optuna.TrialPruned:
            run.append(Status.INTERRUPTED, None, because="worse than the median of the trials")
            study.tell(trial, state=TrialState.PRUNED)
            _tidy(run)
            return
        except WorkbenchError as error:
            if run.step == 0:
                raise
            # After the first step only numerical errors are expected: the loss, or a layer's input.
            run.append(Status.INTERRUPTED, None, because=str(error))
            trial.set_user_attr("diverged", True)
            study.tell(trial, 1.0)  # told as an error of 100 %, which keeps the sampler away
            _tidy(run)
            return
    if not finished:
        _give_up(search, study, study.trials[trial.number])
        tqdm.write("Stopped; finished trials are kept, the same command goes on.")
        raise KeyboardInterrupt
    last = run.metrics()[["held_out_error", "held_out_loss"]].dropna().iloc[-1]
    trial.set_user_attr("loss", float(last["held_out_loss"]))
    study.tell(trial, float(last["held_out_error"]))
    _tidy(run)


def _train(
    config: RegionConfig,
    values: Mapping[str, float],
    parts: RegionParts,
    run: Run,
    trial: optuna.Trial,
) -> bool:
    config = with_values(config, values)
    steps_per_pass = -(-len(parts.train) // config.batch)

    def watch(step: int, seen: Mapping[str, float]) -> None:
        number = step // steps_per_pass
        if number:
            trial.report(seen["held_out_error"], number)
            # The last pass is done already: its outcome is worth more than the saving.
            if number < config.passes and trial.should_prune():
                raise optuna.TrialPruned

    return fit_regions((fresh_model(config), parts), config, run, watch=watch)


def _study(search: Search) -> optuna.Study:
    """Study of the folder, loaded or new."""
    search.out.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = JournalStorage(JournalFileBackend(str(search.out / "journal.log")))
    patience = max(1, search.config.passes // 3)
    return optuna.create_study(
        storage=storage,
        study_name=search.name,
        load_if_exists=True,
        sampler=_sampler(search.seed),
        pruner=optuna.pruners.MedianPruner(UNPRUNED, n_warmup_steps=patience),
    )


def _sampler(seed: int) -> optuna.samplers.BaseSampler:
    return optuna.samplers.TPESampler(n_startup_trials=RANDOM, seed=seed)


def _done(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def _give_up(search: Search, study: optuna.Study, trial: FrozenTrial) -> None:
    """Mark an interrupted trial as failed; another one replaces it.

    Raises:
        WorkbenchError: the trial is still being trained.
    """
    folder = _folder(search, trial.number)
    if folder.exists():
        if (run := Run.open(folder)).status is Status.RUNNING:
            run.resume(0)  # raises an error that names the process
        shutil.rmtree(folder)
    study.tell(trial.number, state=TrialState.FAIL)


def _tidy(run: Run) -> None:
    """Delete a trial's checkpoint: trials are many, and a checkpoint may take a gigabyte."""
    shutil.rmtree(run.checkpoints)
    run.checkpoints.mkdir()


def _folder(search: Search, number: int) -> Path:
    return search.out / "trials" / f"{number:03d}"


def _own_values(search: Search) -> dict[str, float]:
    """Values of the configuration, clipped to the ranges."""
    config = search.config
    found = {}
    for each in search.ranges:
        value = getattr(config.architecture if each.name in ARCHITECTURE else config, each.name)
        # Without an ε of its own, a logarithm has the layer's default.
        found[each.name] = min(max(1e-3 if value is None else value, each.low), each.high)
    return found


def _plain(trial: FrozenTrial) -> dict[str, Any]:
    start, end = trial.datetime_start, trial.datetime_complete
    return {
        "number": trial.number,
        "values": trial.user_attrs["values"],
        "state": "diverged" if trial.user_attrs.get("diverged") else trial.state.name.lower(),
        "errors": [trial.intermediate_values[p] for p in sorted(trial.intermediate_values)],
        "error": trial.value if "loss" in trial.user_attrs else None,
        "loss": trial.user_attrs.get("loss"),
        "minutes": None if not start or not end else (end - start).total_seconds() / 60,
    }


def _agree_on_question(search: Search, parts: RegionParts) -> None:
    """Record the folder's one question, or refuse a different one."""
    question = {
        "column": search.name,
        "config": essence(search.config),
        "train": parts.train.identity,
        "held": parts.held.identity,
        "held_regions": len(parts.held),
        "ranges": {each.name: [each.low, each.high] for each in search.ranges},
        "seed": search.seed,
    }
    agree_on_question(search.out, question, "the search")
