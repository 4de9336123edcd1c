"""A run in words: what was trained, how, where, and how far it came."""

from collections.abc import Mapping
from typing import Any

from workbench.runs import Run, Status

_BACKBONES = {"alexnet": "AlexNet", "vgg16": "VGG-16", "tiny": "a tiny network"}
_STATUS = {
    Status.RUNNING: "training",
    Status.FINISHED: "finished",
    Status.FAILED: "failed",
    Status.INTERRUPTED: "interrupted",
}


def what_it_is(config: Mapping[str, Any]) -> str:
    """One or two sentences: network, objective, length of the training.

    Args:
        config: a `DeepNCutsConfig` as the run keeps it.
    """
    shape = config["architecture"]
    start = "pretrained" if config["weights"] else "from random weights"
    backbone = _BACKBONES.get(shape["backbone"], shape["backbone"])
    enlarged = f" of the image enlarged {shape['enlarge']:g}×" if shape["enlarge"] != 1 else ""
    coupling = "Λ learned" if shape["learn_coupling"] else "Λ the identity"
    passes, batch = config["passes"], config["batch"]
    return (
        f"DeepNCuts on {backbone}, {start}, up to {shape['tap']}{enlarged}; two new convolutions "
        f"to {shape['features']} features, whose products are the affinity W = XΛXᵀ ({coupling}). "
        f"Trained with {config['objective'].upper()} in {_counted(passes, 'pass')}, "
        f"{_counted(batch, 'image')} a step, by {config['optimizer'].upper()} at "
        f"{config['learning_rate']:g}, the new layers {config['head_multiplier']:g} times faster."
    )


def state(run: Run) -> str:
    """How far it came: "finished after 300 steps"."""
    steps = _counted(run.step, "step")
    return (
        f"{_STATUS[run.status]}, at step {run.step}"
        if running(run)
        else (f"{_STATUS[run.status]} after {steps}")
    )


def running(run: Run) -> bool:
    """Whether the training goes on while we look."""
    return run.status is Status.RUNNING


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
