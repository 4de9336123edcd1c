"""Descriptions of a run in words: what was trained, how, where, and how far."""

from collections.abc import Mapping
from typing import Any

from workbench.models.backbones import BACKBONES
from workbench.runs import Run, Status
from workbench.runs.provenance import commit_in_words, machine_in_words

_OPTIMIZERS = {"adamw": "AdamW", "sgd": "SGD"}


def backbone(config: Mapping[str, Any]) -> str:
    """Name of the backbone of a run's network."""
    name: str = config["architecture"]["backbone"]
    return BACKBONES[name].title if name in BACKBONES else name


def sentence(words: str) -> str:
    """Words with a capital at the beginning."""
    return words[:1].upper() + words[1:]


def training(config: Mapping[str, Any], item: str) -> str:
    """Length of a training, optimizer and rates, in words; `item` names its samples."""
    faster, optimizer = float(config["head_multiplier"]), _OPTIMIZERS[config["optimizer"]]
    said = (
        f"in {_counted(config['passes'], 'pass')}, {_counted(config['batch'], item)} a step, by "
        f"{optimizer} at {config['learning_rate']:g}"
    )
    return said if faster == 1 else f"{said}, the new layers {faster:g} times faster"


def state(run: Run) -> str:
    """State of a run in words: its status and the steps so far."""
    if run.status is Status.RUNNING:
        return f"in training, at step {run.step}"
    return f"{run.status} after {_counted(run.step, 'step')}"


def where_and_when(provenance: Mapping[str, Any]) -> list[str]:
    """Short facts for the page's header: start, machine, code."""
    facts = [
        f"started {provenance['started'].replace('T', ' ').replace('+00:00', ' UTC')}",
        machine_in_words(provenance["machine"]),
    ]
    return facts + [f"commit {commit_in_words(provenance)}"] * bool(provenance["commit"])


def _counted(number: int, noun: str) -> str:
    plural = "es" if noun.endswith("s") else "s"
    return f"{number} {noun}{'' if number == 1 else plural}"
