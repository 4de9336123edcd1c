"""A run in words: what was trained, how, where, and how far it came."""

from collections.abc import Mapping
from typing import Any

from workbench.models.backbones import BACKBONES
from workbench.runs import Run, Status
from workbench.runs.provenance import commit_in_words, machine_in_words


def headline(config: Mapping[str, Any]) -> str:
    """The network in three words."""
    return f"DeepNCuts on {_backbone(config)}"


def what_it_is(config: Mapping[str, Any]) -> str:
    """One or two sentences: network, objective, length of the training.

    Args:
        config: a `DeepNCutsConfig` as the run keeps it.
    """
    shape = config["architecture"]
    start = "pretrained" if config["weights"] else "from random weights"
    enlarged = f" of the image enlarged {shape['enlarge']:g}×" if shape["enlarge"] != 1 else ""
    coupling = "Λ learned" if shape["learn_coupling"] else "Λ the identity"
    taps = ", ".join(shape["taps"])
    passes, batch = config["passes"], config["batch"]
    return (
        f"{_backbone(config)[:1].upper()}{_backbone(config)[1:]} {start}, up to {taps}"
        f"{enlarged}; two new convolutions to {shape['features']} features, whose products are the "
        f"affinity W = XΛXᵀ ({coupling}). "
        f"Trained with {config['objective'].upper()} in {_counted(passes, 'pass')}, "
        f"{_counted(batch, 'image')} a step, by {config['optimizer'].upper()} at "
        f"{config['learning_rate']:g}, the new layers {config['head_multiplier']:g} times faster."
    )


def state(run: Run) -> str:
    """How far it came."""
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


def _backbone(config: Mapping[str, Any]) -> str:
    name: str = config["architecture"]["backbone"]
    return BACKBONES[name].title if name in BACKBONES else name


def _counted(number: int, noun: str) -> str:
    plural = "es" if noun.endswith("s") else "s"
    return f"{number} {noun}{'' if number == 1 else plural}"
