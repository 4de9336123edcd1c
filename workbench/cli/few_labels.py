"""`workbench few-labels`: does a metric criterion in the objective save labels?"""

from pathlib import Path
from typing import Any

import click

from workbench.cli.options import decorated, options_of
from workbench.training.images.config import ImageConfig

DEFAULT = ImageConfig(store="", width=16, passes=8)
OPTIONS = ("width", "passes", "batch", "holdout", "precision", "device")


def _listed(kind: type) -> Any:
    """Callback that reads values with commas between."""

    def read(_: click.Context, __: click.Parameter, value: str) -> tuple[Any, ...]:
        try:
            return tuple(kind(each) for each in value.replace(" ", "").split(",") if each)
        except ValueError:
            raise click.BadParameter(f"numbers with commas between, found {value!r}") from None

    return read


@click.command("few-labels")
@click.option("--store", required=True, help="Zarr store of small images, from "
              "`python -m pipelines run cifar10`.")  # fmt: skip
@click.option("--out", type=Path, required=True, help="Folder of the result, new or begun.")
@click.option("--labels", callback=_listed(int), default="40,100,500", show_default=True,
              metavar="NUMBERS", help="Labelled images of each class.")  # fmt: skip
@click.option("--further", callback=_listed(int), default="20,200,1000", show_default=True,
              metavar="NUMBERS", help="Numbers of labels at which cross-entropy alone is trained "
              "too, to interpolate its error.")  # fmt: skip
@click.option("--criteria", callback=_listed(str), default="contrastive,triplet,supcon",
              show_default=True, metavar="NAMES", help="Metric criteria to compare with "
              "cross-entropy alone.")  # fmt: skip
@click.option("--weights", callback=_listed(float), default="0.1,0.5,2", show_default=True,
              metavar="NUMBERS", help="Factors λ of the criteria to choose from.")  # fmt: skip
@click.option("--draws", type=click.IntRange(min=1), default=5, show_default=True,
              help="Number of draws of the labels, seeds counted from 0.")  # fmt: skip
@click.option("--steps", type=click.IntRange(min=1), default=250, show_default=True,
              help="Steps of a training at least; at many labels --passes make more.")  # fmt: skip
@click.option("--queries", type=click.IntRange(min=1), default=100, show_default=True,
              help="Test images of each class that the mean average precision asks with.",
              )  # fmt: skip
@decorated(*options_of(DEFAULT, *OPTIONS))
def few_labels(
    out: Path,
    labels: tuple[int, ...],
    further: tuple[int, ...],
    criteria: tuple[str, ...],
    weights: tuple[float, ...],
    draws: int,
    steps: int,
    queries: int,
    **options: Any,
) -> None:
    """Compare cross-entropy alone with cross-entropy + λ × a metric criterion on few labels.

    A small convolutional network learns from some labelled images of each class, mirrored and
    shifted. The criteria draw the embedding of a class together: contrastive, batch-hard triplet,
    supcon (supervised contrastive). Learning rate, weight decay and λ are chosen on training images
    that are held out, with equally many trials for all; every draw of the labels is then trained
    with and without each criterion. Error and mean average precision of the embedding on the test
    images, paired differences with intervals, and the labels with which cross-entropy alone would
    err as little.

    Written to --out: run folders; few-labels.json, .md and .png, cells.csv and choices.csv. The
    same command goes on where it was stopped, and adds draws, labels and criteria to it.

    \b
    Example:
      workbench few-labels --store stores/cifar10.zarr --out runs/few --precision bf16-mixed
    """
    from workbench.experiments.images.few_labels import Settings
    from workbench.experiments.images.few_labels import few_labels as run
    from workbench.runs.files import write_files
    from workbench.runs.provenance import provenance
    from workbench.views.images.few_labels import files, text

    started = provenance()
    settings = Settings(ImageConfig(**options), steps, queries, weights)
    found = run(settings, out, labels=labels, further=further, criteria=criteria, draws=draws)
    paths = write_files(out, files(found, started))
    click.echo(text(found, started))
    for path in paths:
        click.echo(f"wrote {path}", err=True)
