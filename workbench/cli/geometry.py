"""`workbench geometry`: widths, dimensions and angles of a network's layers on images."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from workbench.cli.networks import network_and_layers

if TYPE_CHECKING:
    from workbench.probe.geometry.result import LayerGeometry

SHOWN = (
    "layer", "weights", "squared_width", "stable_dimension", "effective_rank", "unit_width",
    "unit_ceiling", "angle", "ratio", "ratio_05", "ratio_95", "correlation", "predicted", "formula",
)  # fmt: skip


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
    out: Path,
) -> None:
    """Measure the geometry of layers on images: mean width, dimensions, angles of all pairs.

    MODEL is a backbone (alexnet, vgg16, vgg19, with weights from WORKBENCH_DATA/weights), whose
    layers are numbers of convolutions, each after its ReLU; or package.module:function, whose
    layers are names or patterns as in `workbench probe MODEL --list`. Images are resized to a
    shorter side of 256 pixels, the middle 224×224 is kept, unless the model states its own.

    Written to --out: geometry.json, layers.csv, pairs.csv, geometry.md and pictures.

    \b
    Example:
      workbench geometry vgg19 --images coco2017/val2017 --layers 8,16 --beside random --out vgg19
    """
    from workbench.probe.geometry.layers import layer_geometry

    model, names = network_and_layers(network, layers, checkpoint)
    look = layer_geometry(
        model, images, names, beside=beside, draws=draws, gauge=gauge, count=count, seed=seed,
        memory=memory,
    )  # fmt: skip
    for path in _write(look, network, out):
        click.echo(str(path))
    for name, reason in look.left_out.items():
        click.echo(f"left out: {name}: {reason}", err=True)
    click.echo(look.table()[list(SHOWN)].to_string(index=False, float_format="{:.3f}".format))


def _write(look: "LayerGeometry", network: str, out: Path) -> list[Path]:
    import holoviews as hv

    from workbench.runs.files import to_json, write_files
    from workbench.runs.provenance import provenance
    from workbench.views.geometry.layers import angle_chart, dimension_charts, ratio_chart
    from workbench.views.inline import png

    table = look.table()
    record = {
        "network": network, "gauge": look.gauge, "images": look.images, "left_out": look.left_out,
        "preprocessing": look.preprocessing, "layers": table.to_dict("records"),
        "provenance": provenance(),
    }  # fmt: skip
    files = {
        "geometry.json": to_json(record, indent=1).encode(),
        "layers.csv": table.to_csv(index=False, float_format="%.6g").encode(),
        "pairs.csv": look.pairs().to_csv(index=False, float_format="%.6g").encode(),
        "geometry.md": markdown(look, network).encode(),
        "dimensions.png": png(hv.Layout(dimension_charts(look))),
        "angles.png": png(hv.Layout([angle_chart(look, each) for each in look.layers])),
        "ratios.png": png(hv.Layout([ratio_chart(look, each) for each in look.layers])),
    }
    return write_files(out, files)


def markdown(look: "LayerGeometry", network: str) -> str:
    """Table of a result with its conditions, and what no prediction could be made of."""
    table = look.table()
    rows = [
        [each if isinstance(each, str) else "–" if each != each else f"{each:.3g}" for each in row]
        for row in table[list(SHOWN)].itertuples(index=False)
    ]
    header = [name.replace("_", " ") for name in SHOWN]
    lines = [f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(SHOWN), *rows)]
    reasons = [f"- {each.layer}: no exact prediction, for {each.why_not}"
               for each in look.predictions if each.why_not]  # fmt: skip
    return "\n".join(
        [
            f"# Geometry of the layers of {network}", "",
            f"{len(look.images)} images ({look.preprocessing['source']}), all pairs; gauge: "
            f"{look.gauge}. Angles in radians; ratio: output over input angle, median [5 %, 95 %].",
            "", *lines, "", *reasons, "",
        ]
    )  # fmt: skip
