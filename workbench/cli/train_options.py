"""Parts that all commands of `workbench train` share: options of the loop, and the last message."""

from pathlib import Path

import click

from workbench.cli.options import Decorator, options_of
from workbench.models.weights import known_weights
from workbench.runs import Run, Status
from workbench.training.config import LoopConfig

LOOP = (
    "passes", "batch", "optimizer", "learning_rate", "head_multiplier", "weight_decay", "warmup",
    "clip", "seed", "device", "precision", "threads", "processes", "geometry", "geometry_samples",
)  # fmt: skip
"""Fields of `LoopConfig` that are options."""
WEIGHTS = click.option(
    "--weights", type=click.Path(path_type=Path),
    help="Pretrained weights, .safetensors or torchvision's .pth. "
    "[default: the backbone's file in $WORKBENCH_DATA/weights]",
)  # fmt: skip


def ending_options(default: LoopConfig) -> tuple[Decorator, ...]:
    """Options of the loop, with a configuration's values as defaults, and those of the run."""
    return (
        *options_of(default, *LOOP),
        click.option("--resume", is_flag=True, help="Continue the run, exactly where it stopped."),
        click.option("--overwrite", is_flag=True, help="Delete the run that is there first."),
    )


def weights_to_load(backbone: str, given: Path | None, from_scratch: bool) -> str | None:
    """File of a backbone's pretrained weights; None from scratch.

    Default: the backbone's file in $WORKBENCH_DATA/weights.

    Raises:
        WorkbenchError: the variable is not set, or there is no such file.
    """
    if from_scratch:
        return None
    return str(given or known_weights(backbone, "give --weights FILE, or --from-scratch"))


def report(run: Run, following: str) -> None:
    """Print how a training ended and the next command; exit with status 130 if it was stopped."""
    if run.status is Status.INTERRUPTED:
        click.echo(
            "Stopped at a checkpoint. Continue with the same options and --resume.", err=True
        )
        click.get_current_context().exit(130)
    click.echo(f"\nTrained: {run.path}\nNext: {following}", err=True)
