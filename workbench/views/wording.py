"""A run in words: what was trained, how, where, and how far it came; and where a table is from."""

from collections.abc import Mapping
from typing import Any

from workbench.runs import Run, Status

_BACKBONES = {"alexnet": "AlexNet", "vgg16": "VGG-16", "tiny": "a tiny network"}


def backbone(config: Mapping[str, Any]) -> str:
    """The backbone of a run's network."""
    name: str = config["architecture"]["backbone"]
    return _BACKBONES.get(name, name)


def sentence(words: str) -> str:
    """The same with a capital at its beginning."""
    return words[:1].upper() + words[1:]


def training(config: Mapping[str, Any], item: str) -> str:
    """How long and how fast a network was trained, on what kind of items."""
    return (
        f"in {_counted(config['passes'], 'pass')}, {_counted(config['batch'], item)} a step, by "
        f"{config['optimizer'].upper()} at {config['learning_rate']:g}, the new layers "
        f"{config['head_multiplier']:g} times faster"
    )


def state(run: Run) -> str:
    """How far it came."""
    if run.status is Status.RUNNING:
        return f"in training, at step {run.step}"
    return f"{run.status} after {_counted(run.step, 'step')}"


def where_and_when(provenance: Mapping[str, Any]) -> list[str]:
    """Short facts for the page's header: start, machine, code."""
    machine = provenance["machine"]
    facts = [
        f"started {provenance['started'].replace('T', ' ').replace('+00:00', ' UTC')}",
        machine["device"] or f"{machine['cpu']}, {machine['cores']} cores",
    ]
    if provenance["commit"]:
        changed = " with changes" if provenance["dirty"] else ""
        facts.append(f"commit {provenance['commit'][:10]}{changed}")
    return facts


def _counted(number: int, noun: str) -> str:
    plural = "es" if noun.endswith("s") else "s"
    return f"{number} {noun}{'' if number == 1 else plural}"


def origin(values: Mapping[str, Any]) -> list[str]:
    """Where the figures of Table 1 or 2 come from, and what is missing."""
    lines = [
        f"Evaluated at commit {', '.join(values['commits'])} on {', '.join(values['machines'])}."
    ]
    if values["missing"]:
        lines.append(f"Not run yet: {', '.join(values['missing'])}.")
    return lines
