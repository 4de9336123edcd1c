"""`workbench geometry`: widths, dimensions and angles of a network's layers on images."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import click

from workbench.cli.networks import network_and_layers


@click.command()
@click.argument("network", metavar="MODEL")
@click.option("--images", required=True, help="Folder of images, or a store.")
@click.option("--layers", required=True,
              help="Names or patterns, commas between; of a backbone: convolutions.")  # fmt: skip
@click.option("--count", type=click.IntRange(min=2), default=40, show_default=True,
              help="Number of images, the first by name.")  # fmt: skip
@click.option("--beside", type=click.Choice(["random"]),
              help="Measure the architecture with random weights too.")  # fmt: skip
@click.option("--draws", type=click.IntRange(min=1), default=2, show_default=True,
              help="Number of random networks.")  # fmt: skip
@click.option("--gauge", type=click.Choice(["given", "balanced"]), default="given",
              show_default=True, help="Scales of the channels, on which angles at a layer depend: "
              "as given, or incoming and outgoing weights of equal norm.")  # fmt: skip
@click.option("--checkpoint", type=Path, help="State dict: .safetensors, or .pt of tensors alone.")
@click.option("--seed", default=0, show_default=True, help="Of random weights and directions.")
@click.option("--memory", default=2.0, show_default=True, help="Gigabytes of features at most.")
@click.option("--against", type=Path, metavar="DIR",
              help="Folder of another result on the same images, put beside it.")  # fmt: skip
@click.option("--out", type=Path, required=True, help="Folder of the record and the pictures.")
def geometry(
    network: str,
    images: str,
    layers: str,
    count: int,
    beside: Literal["random"] | None,
    draws: int,
    gauge: Literal["given", "balanced"],
    checkpoint: Path | None,
    seed: int,
    memory: float,
    against: Path | None,
    out: Path,
) -> None:
    """Measure the geometry of layers on images: mean width, dimensions, angles of all pairs.

    MODEL is a backbone (alexnet, vgg16, vgg19, with weights from WORKBENCH_DATA/weights), whose
    layers are numbers of convolutions, each after its ReLU; or package.module:function, whose
    layers are names or patterns as in `workbench probe MODEL --list`. Images are resized to a
    shorter side of 256 pixels, the middle 224×224 is kept, unless the model states its own.

    Written to --out: the record geometry.npz, which `workbench lab --app` and
    `workbench.explore` open; the page geometry.html; geometry.json, layers.csv, pairs.csv,
    geometry.md and pictures.

    \b
    Example:
      workbench geometry vgg19 --images coco2017/val2017 --layers 8,16 --beside random --out vgg19
    """
    from workbench.evaluation.rendering import as_text
    from workbench.probe.geometry.layers import layer_geometry
    from workbench.probe.geometry.result import LayerGeometry
    from workbench.runs.files import write_files
    from workbench.views.geometry.report import files, rows

    other = None if against is None else LayerGeometry.open(against)
    model, names = network_and_layers(network, layers, checkpoint)
    look = layer_geometry(
        model, images, names, beside=beside, draws=draws, gauge=gauge, count=count, seed=seed,
        memory=memory,
    )  # fmt: skip
    look = replace(look, network=network if checkpoint is None else f"{network} ({checkpoint})")
    for path in [look.save(out), *write_files(out, files(look, other))]:
        click.echo(str(path))
    for name, reason in look.left_out.items():
        click.echo(f"left out: {name}: {reason}", err=True)
    click.echo(as_text(rows(look)))
