"""`workbench randomness`: features without training beside a trained network, on CIFAR-10."""

from pathlib import Path
from typing import Any

import click

from workbench.cli.options import names_of, numbers_of
from workbench.training.config import PRECISIONS


def _labels(
    context: click.Context, parameter: click.Parameter, value: str
) -> tuple[int, ...] | None:
    """Labels a class; all of them are 0 in the experiment."""
    names = [name.strip() for name in value.split(",")]
    if "0" in names:
        raise click.BadParameter("labels from 1, or all, as in 40,500,all")
    return numbers_of(context, parameter, ",".join("0" if n == "all" else n for n in names))


@click.command()
@click.option("--store", required=True, help="Store of CIFAR-10: python -m pipelines run cifar10.")
@click.option("--out", type=Path, required=True, help="Folder of the items, record and picture.")
@click.option("--kinds", callback=names_of, metavar="NAMES",
              default="network,patches,scattering,trained", show_default=True,
              help="Features, commas between; scattering needs kymatio.")  # fmt: skip
@click.option("--widths", callback=numbers_of, default="8,16,32", show_default=True,
              metavar="NUMBERS", help="Channels of the network's first block, commas between: "
              "64 features before the last layer for each.")  # fmt: skip
@click.option("--labels", callback=_labels, default="40,100,500,all", show_default=True,
              metavar="NUMBERS", help="Labels a class, commas between.")  # fmt: skip
@click.option("--seeds", callback=numbers_of, default="0,1,2", show_default=True,
              metavar="NUMBERS", help="Seeds of weights and of the choice of labels.")  # fmt: skip
@click.option("--holdout", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.1,
              show_default=True, help="Fraction of the training images that is held out; it "
              "chooses the penalty of the last layer.")  # fmt: skip
@click.option("--passes", type=click.IntRange(min=1), default=8, show_default=True,
              help="Passes of the trained network over its images.")  # fmt: skip
@click.option("--steps", type=click.IntRange(min=1), default=600, show_default=True,
              help="Least number of its steps, of 100 images each.")  # fmt: skip
@click.option("--precision", type=click.Choice(PRECISIONS[:2]), default="32-true",
              show_default=True, help="Precision of the convolutions.")  # fmt: skip
@click.option("--test", type=click.IntRange(min=2), default=10_000, show_default=True,
              help="Number of test images at most.")  # fmt: skip
@click.option("--assemble", is_flag=True,
              help="Compute nothing: write the record of the items that are finished.")  # fmt: skip
def randomness(
    store: str,
    out: Path,
    kinds: tuple[str, ...],
    widths: tuple[int, ...],
    labels: tuple[int, ...],
    seeds: tuple[int, ...],
    assemble: bool,
    **settings: Any,
) -> None:
    """How far randomness alone goes: only the last layer is trained behind fixed features.

    Features are those of a convolutional network with random weights, of one random convolution of
    whitened patches (ReLU, means over quarters), and of a scattering network, about as many of
    each; behind them ridge regression in closed form. Beside them the same network, trained. Test
    errors against the width and against the labels a class, for the same labels.

    Written to --out: an item for each features, width, labels and seed when it is done;
    randomness.json, .csv, .md and .png. Stopped, the same command goes on; other --widths, --labels
    or --seeds add items to the folder.

    \b
    Example, about half an hour on one core of a recent server:
      workbench randomness --store stores/cifar10.zarr --out runs/randomness --precision bf16-mixed
    """
    from workbench.experiments.images.randomness import finished
    from workbench.experiments.images.randomness import randomness as run
    from workbench.experiments.images.randomness_items import Settings
    from workbench.runs.files import write_files
    from workbench.runs.provenance import provenance
    from workbench.views.images.randomness import files

    started = provenance()
    asked: dict[str, Any] = {"kinds": kinds, "widths": widths, "labels": labels, "seeds": seeds}
    found = (
        finished(out, **asked)
        if assemble
        else run(store, out, settings=Settings(**settings), **asked)
    )
    for path in write_files(out, files(found, started)):
        click.echo(str(path))
    if found.missing:
        click.echo(f"not finished: {len(found.missing)} items", err=True)
