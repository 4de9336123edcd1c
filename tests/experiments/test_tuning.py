"""A search: it chooses what the held-out error says, and goes on as if it had not been stopped."""

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from workbench.errors import WorkbenchError
from workbench.evaluation.regions.scores import ErrorMonitor
from workbench.experiments.regions import tuning
from workbench.experiments.regions.tuning import Range, Search, results, run_search, with_values
from workbench.models.regions import RegionArchitecture
from workbench.runs import Run, Status
from workbench.training.regions.config import RegionConfig

RATES = Range("learning_rate", 1e-6, 1e-1)


@pytest.fixture
def search(sample_regions: Path, tmp_path: Path) -> Search:
    config = RegionConfig(
        store=str(sample_regions),
        architecture=RegionArchitecture("tiny", "relu3", classes=14),
        learning_rate=0.01,
        head_multiplier=1.0,
        holdout=0.3,
        passes=2,
        batch=20,
        jitter=0,
        device="cpu",
    )
    return Search("tiny", config, (RATES,), tmp_path / "search", trials=3)


@pytest.fixture
def happens(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[int, Any]]:
    """What happens when a monitor looks for the n-th time."""
    events: dict[int, Any] = {}
    looks = [0]
    look = ErrorMonitor.__call__

    def watched(self: ErrorMonitor, step: int) -> dict[str, float]:
        looks[0] += 1
        event = events.pop(looks[0], None)
        if isinstance(event, type):
            raise event
        if event is not None:
            os.kill(os.getpid(), event)
        return look(self, step)

    monkeypatch.setattr(ErrorMonitor, "__call__", watched)
    yield events
    assert not events, "it never came to that"


def essence(values: dict[str, Any]) -> list[Any]:
    return [(t["values"], t["errors"], t["error"], t["loss"]) for t in values["trials"]]


def test_the_trial_with_the_least_error_is_chosen(
    search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = run_search(search)
    trials = values["trials"]
    assert [t["state"] for t in trials] == ["complete"] * 3
    assert trials[0]["values"] == {"learning_rate": 0.01}  # the column's own
    assert all(len(t["errors"]) == 2 and t["errors"][-1] == t["error"] for t in trials)
    best = min(trials, key=lambda t: (t["error"], t["loss"]))
    assert values["best"] == best["number"]
    rates = [t["values"]["learning_rate"] for t in trials]
    assert all(RATES.low <= rate <= RATES.high for rate in rates)
    assert len(set(rates)) == 3
    run = Run.open(search.out / "trials/001")
    assert run.status is Status.FINISHED
    assert not any(run.checkpoints.iterdir())
    assert run.config["learning_rate"] == rates[1]
    # What is done is not done again; a larger number goes on.
    monkeypatch.setattr(tuning, "fit_regions", None)
    assert essence(run_search(search)) == essence(values)
    monkeypatch.undo()
    assert essence(run_search(replace(search, trials=4)))[:3] == essence(values)


def chosen(values: dict[str, Any]) -> dict[str, float]:
    return next(t["values"] for t in values["trials"] if t["number"] == values["best"])


@pytest.mark.parametrize("event", [KeyboardInterrupt, signal.SIGINT])
def test_a_stopped_search_goes_on_to_the_same_trials(
    search: Search, happens: dict[int, Any], event: Any
) -> None:
    whole = run_search(replace(search, out=search.out.with_name("whole")))
    happens[9 + 5] = event  # nine looks of the first search; in the second trial of this one
    with pytest.raises(KeyboardInterrupt):
        run_search(search)
    assert len(results(search)["trials"]) == 1
    found = run_search(search)
    assert essence(found) == essence(whole)
    assert chosen(found) == chosen(whole)


def test_trials_worse_than_the_median_end_early(
    search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []

    def worse_every_time(self: ErrorMonitor, step: int) -> dict[str, float]:
        looks.append(step)
        return {"held_out_error": len(looks) / 100, "held_out_loss": 1.0}

    monkeypatch.setattr(ErrorMonitor, "__call__", worse_every_time)
    monkeypatch.setattr(tuning, "UNPRUNED", 2)
    values = run_search(search)
    assert [t["state"] for t in values["trials"]] == ["complete", "complete", "pruned"]
    last = values["trials"][2]
    assert len(last["errors"]) == 1
    assert last["error"] is None
    assert values["best"] == 0
    assert Run.open(search.out / "trials/002").status is Status.INTERRUPTED


def test_a_trial_that_diverges_is_not_chosen(search: Search) -> None:
    wild = replace(
        search,
        config=replace(search.config, learning_rate=1e30, clip=1e30),
        ranges=(Range("learning_rate", 1e29, 1e30),),
        trials=1,
    )
    values = run_search(wild)
    assert values["trials"][0]["state"] == "diverged"
    assert values["best"] is None


def test_another_question_is_refused_by_name(search: Search) -> None:
    run_search(replace(search, trials=1))
    longer = replace(search, config=replace(search.config, passes=3))
    with pytest.raises(WorkbenchError, match=r"config\.passes 3, was 2; ask the same"):
        run_search(longer)
    with pytest.raises(WorkbenchError, match=r"ranges\.learning_rate\[1\] 1\.0, was 0\.1"):
        run_search(replace(search, ranges=(Range("learning_rate", 1e-6, 1.0),)))


def test_values_reach_the_configuration(search: Search) -> None:
    values = {"epsilon": 0.1, "dropout": 0.3, "weight_decay": 1e-3, "learning_rate": 0.2}
    config = with_values(search.config, values)
    assert (config.architecture.epsilon, config.architecture.dropout) == (0.1, 0.3)
    assert (config.weight_decay, config.learning_rate) == (1e-3, 0.2)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda s: Range("momentum", 0.1, 0.9), "a parameter out of"),
        (lambda s: Range("learning_rate", 0.0, 1.0), "both positive"),
        (lambda s: Range("dropout", 0.5, 0.2), "0.5 to 0.2"),
        (lambda s: replace(s, ranges=()), "one range for each"),
        (lambda s: replace(s, config=replace(s.config, holdout=0.0)), "--holdout"),
    ],
)
def test_mistakes_are_named(search: Search, make: Any, words: str) -> None:
    with pytest.raises(WorkbenchError, match=words):
        make(search)
