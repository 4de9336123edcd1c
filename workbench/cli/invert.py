"""`workbench invert`: photographs recovered from a network's layers."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from workbench.cli.networks import network_and_layers

if TYPE_CHECKING:
    from workbench.probe.geometry.inversions import LayerInversions

SHOWN = ("layer", "weights", "psnr", "start_psnr", "feature_error", "start_error", "steps",
         "converged")  # fmt: skip


@click.command()
@click.argument("network", metavar="MODEL")
@click.option("--images", required=True, help="Folder of images, or a store.")
@click.option("--layers", required=True,
              help="Names or patterns, commas between; of a backbone: convolutions.")  # fmt: skip
@click.option("--count", type=click.IntRange(min=1), default=2, show_default=True,
              help="Number of photographs, by name.")  # fmt: skip
@click.option("--skip", type=click.IntRange(min=0), default=0, show_default=True,
              help="Number of photographs passed over first.")  # fmt: skip
@click.option("--size", type=click.IntRange(min=32), default=64, show_default=True,
              help="Side of the square photographs, pixels.")  # fmt: skip
@click.option("--beside", type=click.Choice(["random"]),
              help="Invert the architecture with random weights too.")  # fmt: skip
@click.option("--draws", type=click.IntRange(min=1), default=1, show_default=True,
              help="Number of random networks.")  # fmt: skip
@click.option("--optimiser", type=click.Choice(["lbfgs", "adam"]), default="lbfgs",
              show_default=True)  # fmt: skip
@click.option("--steps", type=click.IntRange(min=1), default=300, show_default=True,
              help="Most steps of the optimiser.")  # fmt: skip
@click.option("--rate", type=float, help="Length of a step: see workbench.invert.")
@click.option("--tv", default=0.0, show_default=True,
              help="Weight of the total variation: try 0.3.")  # fmt: skip
@click.option("--tolerance", default=0.01, show_default=True,
              help="Relative feature error at which it counts as converged.")  # fmt: skip
@click.option("--checkpoint", type=Path, help="State dict: .safetensors, or .pt of tensors alone.")
@click.option("--seed", default=0, show_default=True, help="Seed of random weights.")
@click.option("--out", type=Path, required=True, help="Folder of the record and the pictures.")
def invert(
    network: str,
    images: str,
    layers: str,
    count: int,
    skip: int,
    size: int,
    beside: Literal["random"] | None,
    draws: int,
    optimiser: Literal["lbfgs", "adam"],
    steps: int,
    rate: float | None,
    tv: float,
    tolerance: float,
    checkpoint: Path | None,
    seed: int,
    out: Path,
) -> None:
    """Recover photographs from layers: find the image whose features are the photograph's.

    MODEL is a backbone (alexnet, vgg16, vgg19, with weights from WORKBENCH_DATA/weights), whose
    layers are numbers of convolutions, each after its ReLU; or package.module:function, whose
    layers are names or patterns as in `workbench probe MODEL --list`.

    Minimised is the squared relative feature error plus --tv times the total variation.

    Written to --out: inversion.json, inversion.csv, inversion.md, inversion.png, psnr.png, and
    each recovered photograph when it is done. Stopped, the same command goes on.

    A PSNR is a lower bound of what the layer keeps; where a feature error is left, it says nothing
    of information that is lost.

    \b
    Example:
      workbench invert vgg19 --images coco2017/val2017 --layers 2,4,8 --beside random --out inverted
    """
    from dataclasses import replace

    from workbench.probe.geometry.inversions import invert_layers
    from workbench.probe.preprocessing import preprocessing_of
    from workbench.runs.provenance import provenance

    started = provenance()
    model, names = network_and_layers(network, layers, checkpoint)
    own = preprocessing_of(model)
    prepared = replace(own, shorter=size, longest=None, size=None, crop=(size, size),
                       source=f"shorter side {size}, middle {size}×{size}")  # fmt: skip
    look = invert_layers(
        model, images, names, out, preprocessing=prepared, beside=beside, draws=draws, count=count,
        skip=skip, seed=seed, tv_weight=tv, optimiser=optimiser, steps=steps, rate=rate,
        tolerance=tolerance,
    )  # fmt: skip
    for path in _write(look, network, started, out):
        click.echo(str(path))
    for name, reason in look.left_out.items():
        click.echo(f"left out: {name}: {reason}", err=True)
    click.echo(look.means()[list(SHOWN)].to_string(index=False, float_format="{:.3f}".format))


def _write(look: "LayerInversions", network: str, started: dict[str, Any], out: Path) -> list[Path]:
    from workbench.runs.files import read_json_object, to_json, write_files
    from workbench.runs.questions import QUESTION
    from workbench.views.geometry.inversion import psnr_chart, strip
    from workbench.views.inline import png

    table = look.table()
    record = {
        "network": network, "settings": read_json_object(out / QUESTION),
        "left_out": look.left_out, "items": table.to_dict("records"),
        "histories": [each.found.history for each in look.items], "provenance": started,
    }  # fmt: skip
    files = {
        "inversion.json": to_json(record).encode(),
        "inversion.csv": table.to_csv(index=False, float_format="%.5g").encode(),
        "inversion.md": markdown(look, network).encode(),
        "inversion.png": png(strip(look), columns=1 + len(look.layers)),
        "psnr.png": png(psnr_chart(look)),
    }
    return write_files(out, files)


def markdown(look: "LayerInversions", network: str) -> str:
    """Table of means over photographs, with what its figures mean."""
    from workbench.evaluation.rendering import as_markdown

    header = ["layer", "weights", "PSNR, dB", "start, dB", "feature error", "start's", "steps",
              "converged"]  # fmt: skip
    rows = [
        [row.layer, row.weights, f"{row.psnr:.1f}", f"{row.start_psnr:.1f}",
         f"{row.feature_error:.2%}", f"{row.start_error:.0%}", f"{row.steps:.0f}",
         f"{row.converged:.0%}"]
        for row in look.means().itertuples(index=False)
    ]  # fmt: skip
    height, width = next(iter(look.photographs.values())).shape[1:]
    return "\n".join(
        [
            f"# Photographs recovered from the layers of {network}", "",
            f"Means over {len(look.photographs)} photographs of {height}×{width}. Feature error: "
            "‖f(x) − f(x₀)‖ / ‖f(x₀)‖ that is left. A PSNR is a lower bound of what the layer "
            "keeps; where a feature error is left (not converged), it says nothing of information "
            "that is lost.",
            "", as_markdown([header, *rows]), "",
            "![Photographs](inversion.png)", "", "![PSNR](psnr.png)", "",
        ]
    )  # fmt: skip
