"""`workbench role-of-training`: distance ratios of triplets before, during and after training."""

from pathlib import Path
from typing import Any

import click

from workbench.cli.options import decorated, options_of
from workbench.training.images.config import ImageConfig

DEFAULT = ImageConfig(store="")
OPTIONS = (
    "width", "passes", "batch", "learning_rate", "holdout", "anchors", "precision", "device",
)  # fmt: skip


def _errors(_: click.Context, __: click.Parameter, value: str) -> tuple[float, ...]:
    try:
        return tuple(float(each) for each in value.split(","))
    except ValueError:
        raise click.BadParameter("numbers with commas between, as in 25,21,18") from None


@click.command("role-of-training")
@click.option("--store", required=True, help="Zarr store of small images, from "
              "`python -m pipelines run cifar10`.")  # fmt: skip
@click.option("--out", type=Path, required=True, help="Folder of the result, new or begun.")
@click.option("--errors", callback=_errors, show_default=True,
              default=",".join(f"{error:g}" for error in DEFAULT.errors),
              help="Held-out errors in percent, at the first crossing of which a network is "
              "kept.")  # fmt: skip
@click.option("--seeds", type=click.IntRange(min=1), default=1, show_default=True,
              help="Number of trainings, seeds counted from 0.")  # fmt: skip
@decorated(*options_of(DEFAULT, *OPTIONS))
@click.option("--measure", "only_measure", is_flag=True,
              help="Train nothing: measure what the trainings in --out have kept.")  # fmt: skip
def role_of_training(out: Path, seeds: int, only_measure: bool, **options: Any) -> None:
    """Train a small network and measure what training does to distances, layer by layer.

    Ratios of output to input distances, of pairs of test images of one class and of two, are
    measured for random triplets, for triplets at the boundary of classes (farthest in class,
    closest out of class) and for their control, in the random network, after every pass (in the
    run: `workbench lab --app OUT`) and in the networks kept at --errors. The training is
    --passes long; a learning rate that falls to 0 within them gives the least error at the end.
    On one core of a recent server a pass over CIFAR-10 takes half a minute at width 24, a minute
    at 48 (with --precision bf16-mixed two thirds of that).

    Written to --out: a run folder for each seed; role-of-training.json and .md, quantiles.csv,
    effects.csv, ranks.csv, ratios.npz, histograms.png, through-training.png, triplets.png. The
    same command goes on where it was stopped.

    \b
    Example:
      workbench role-of-training --store stores/cifar10.zarr --out runs/role --width 48
    """
    from workbench.experiments.images.role_of_training import role_of_training as run
    from workbench.runs.files import write_files
    from workbench.views.images.role import files, text

    config = ImageConfig(**options)
    found = run(config, out, range(seeds), train=not only_measure)
    paths = write_files(out, files(found))
    click.echo(text(found))
    for path in paths:
        click.echo(f"wrote {path}", err=True)
