"""What all commands of `workbench train` have in common: options of the loop, and how they end."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from workbench.errors import WorkbenchError
from workbench.runs import Run, Status
from workbench.training.config import PRECISIONS, LoopConfig

Command = Callable[..., Any]
Decorator = Callable[[Command], Command]


def decorated(*decorators: Decorator) -> Decorator:
    """Several click options as one decorator, in the order in which help shows them."""

    def decorate(command: Command) -> Command:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


def loop_options(default: LoopConfig) -> tuple[Decorator, ...]:
    """The options of `LoopConfig`, with a configuration's values as their defaults."""
    return (
        click.option(
            "--passes", default=default.passes, show_default=True, help="Over the training data."
        ),
        click.option(
            "--batch", default=default.batch, show_default=True,
            help="Samples a step, of all processes together.",
        ),
        click.option(
            "--optimizer", type=click.Choice(["sgd", "adamw"]), default=default.optimizer,
            show_default=True,
        ),
        click.option(
            "--learning-rate", default=default.learning_rate, show_default=True,
            help="Of pretrained parameters.",
        ),
        click.option(
            "--head-multiplier", default=default.head_multiplier, show_default=True,
            help="How many times faster the new layers learn.",
        ),
        click.option("--weight-decay", default=default.weight_decay, show_default=True),
        click.option(
            "--warmup", default=default.warmup, show_default=True,
            help="Fraction of the steps in which the rate rises; then it falls as a cosine.",
        ),
        click.option(
            "--clip", default=default.clip, show_default=True,
            help="Largest norm of a step's gradient.",
        ),
        click.option("--seed", default=default.seed, show_default=True),
        click.option(
            "--device", type=click.Choice(["auto", "cpu", "cuda"]), default=default.device,
            show_default=True,
        ),
        click.option(
            "--precision", type=click.Choice(PRECISIONS),
            default=default.precision, show_default=True,
            help="Of the convolutions; structured layers keep float64.",
        ),
        click.option(
            "--processes", default=default.processes, show_default=True,
            help="That share each batch: on CUDA one a GPU.",
        ),
    )  # fmt: skip


RUN_OPTIONS: tuple[Decorator, ...] = (
    click.option("--resume", is_flag=True, help="Continue the run, exactly where it stopped."),
    click.option("--overwrite", is_flag=True, help="Delete the run that is there first."),
)


def weights_to_load(backbone: str, given: Path | None, from_scratch: bool) -> str | None:
    """The file of a backbone's pretrained weights; None from scratch.

    Without one given it is the one in the folder of weights that WORKBENCH_DATA names.

    Raises:
        WorkbenchError: the variable is not set, or there is no such file.
    """
    if from_scratch or given:
        return None if from_scratch else str(given)
    root = os.environ.get("WORKBENCH_DATA")
    if root:
        found = sorted((Path(root) / "weights").glob(f"{backbone}*"))
        if found:
            return str(found[0])
    where = f"no {backbone}* in {root}/weights" if root else "neither --weights nor WORKBENCH_DATA"
    raise WorkbenchError(
        f"pretrained weights of {backbone}", where, "give --weights FILE, or --from-scratch"
    )


def report(run: Run, following: str) -> None:
    """Say how a training ended and what comes next; the exit status 130 where it was stopped."""
    if run.status is Status.INTERRUPTED:
        click.echo(
            "Stopped at a checkpoint. Continue with the same options and --resume.", err=True
        )
        click.get_current_context().exit(130)
    click.echo(f"\nTrained: {run.path}\nNext: {following}", err=True)
