"""`workbench invariance`: how far a network's layers move when images are transformed."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from torch import nn

    from workbench.models.scattering import Scattering
    from workbench.probe.geometry.invariance_result import Invariance

SCATTERING = "scattering"


@click.command()
@click.argument("network", metavar="MODEL")
@click.option("--images", required=True, help="Folder of images, or a store.")
@click.option("--layers", help="Names or patterns, commas between; of a backbone: convolutions; "
              "scattering needs none.")  # fmt: skip
@click.option("--transformations", default="shift,turn,scale,blur,gain", show_default=True,
              help="Out of shift, turn, scale, blur, gain, gamma, gradient.")  # fmt: skip
@click.option("--pooling", default="given", show_default=True, help="Kinds of pooling in the "
              "network, commas between: given, average, maximum, none.")  # fmt: skip
@click.option("--beside", type=click.Choice(["random", SCATTERING]), multiple=True,
              help="Measure the architecture with random weights too, or a scattering network; "
              "may be repeated.")  # fmt: skip
@click.option("--draws", type=click.IntRange(min=1), default=1, show_default=True,
              help="Number of random networks.")  # fmt: skip
@click.option("--scale", type=click.IntRange(min=1), default=4, show_default=True,
              help="J of scattering networks, which average over 2^J pixels.")  # fmt: skip
@click.option("--count", type=click.IntRange(min=2), default=40, show_default=True,
              help="Number of images, the first by name.")  # fmt: skip
@click.option("--checkpoint", type=Path, help="State dict: .safetensors, or .pt of tensors alone.")
@click.option("--seed", default=0, show_default=True, help="Of random weights.")
@click.option("--memory", default=2.0, show_default=True, help="Gigabytes of features at most.")
@click.option("--out", type=Path, required=True, help="Folder of the record and the pictures.")
def invariance(
    network: str,
    images: str,
    layers: str | None,
    transformations: str,
    pooling: str,
    beside: tuple[str, ...],
    draws: int,
    scale: int,
    count: int,
    checkpoint: Path | None,
    seed: int,
    memory: float,
    out: Path,
) -> None:
    """Measure how far layers move when images are shifted, turned, scaled, blurred, lit otherwise.

    MODEL is a backbone (alexnet, vgg16, vgg19, with weights from WORKBENCH_DATA/weights), whose
    layers are numbers of convolutions, each after its ReLU; scattering; or package.module:function.
    Movements are relative to the median distance of another image. Images are resized to a shorter
    side of 256 pixels, the network sees the middle 160×160, unless the model states its own.

    Written to --out: invariance.json, invariance.csv, invariance.md and pictures. Networks that are
    done are kept in --out/networks: the same command goes on from there.

    \b
    Example:
      workbench invariance alexnet --images coco2017/val2017 --layers 1,2,3,4,5 \\
        --pooling given,none --beside random --beside scattering --out alexnet
    """
    from workbench.models.scattering import ORDERS, Scattering
    from workbench.probe.geometry.invariance import invariance as measure

    common: Any = {
        "images": images, "transformations": _listed(transformations), "count": count,
        "seed": seed, "memory": memory, "keep": out / "networks",
    }  # fmt: skip
    model, names = _network(network, layers, checkpoint, scale)
    looks = {
        network: measure(
            model, layers=names, pooling=_listed(pooling), draws=draws,
            beside="random" if "random" in beside else None, **common,
        )
    }  # fmt: skip
    fixed = model if isinstance(model, Scattering) else None
    if SCATTERING in beside and fixed is None:
        fixed = Scattering(scale).eval()
        looks[SCATTERING] = measure(fixed, layers=list(ORDERS), **common)
    for path in _write(looks, fixed, out):
        click.echo(str(path))
    for name, reason in looks[network].left_out.items():
        click.echo(f"left out: {name}: {reason}", err=True)
    click.echo("\n\n".join(map(repr, looks.values())))


def _listed(names: str) -> list[Any]:
    return [each.strip() for each in names.split(",")]


def _network(
    network: str, layers: str | None, checkpoint: Path | None, scale: int
) -> "tuple[nn.Module, list[str]]":
    from workbench.cli.networks import network_and_layers
    from workbench.errors import WorkbenchError
    from workbench.models.scattering import ORDERS, Scattering

    if network != SCATTERING:
        if layers is None:
            raise WorkbenchError(f"layers of {network}", "none", "name them: --layers 1,2,3")
        return network_and_layers(network, layers, checkpoint)
    if checkpoint is not None:
        raise WorkbenchError("scattering without a checkpoint", f"{checkpoint}", "leave it out")
    return Scattering(scale).eval(), _listed(layers) if layers else list(ORDERS)


def _write(
    looks: "dict[str, Invariance]", scattering: "Scattering | None", out: Path
) -> list[Path]:
    import holoviews as hv
    import pandas as pd

    from workbench.runs.files import to_json, write_files
    from workbench.runs.provenance import provenance
    from workbench.views.geometry.invariance import amount_charts, bound_chart, layer_charts
    from workbench.views.inline import png

    look = next(iter(looks.values()))
    beside = looks.get(SCATTERING)
    tables = [found.table().assign(network=name) for name, found in looks.items()]
    table = pd.concat(tables, ignore_index=True)
    record = {
        "networks": list(looks), "images": look.images, "left_out": look.left_out,
        "preprocessing": look.preprocessing, "view": look.view, "kept_pooling": look.kept_pooling,
        "scale": None if scattering is None else scattering.scale,
        "layers": table.to_dict("records"), "provenance": provenance(),
    }  # fmt: skip
    charts = {
        "layers.png": layer_charts(look, "kept", beside),
        "layers-averaged.png": layer_charts(look, "averaged", beside),
        "amounts.png": amount_charts(look),
    }
    if scattering is not None and "shift" in look.transformations:
        charts["bound.png"] = [bound_chart(looks.get(SCATTERING, look), scattering)]
    files = {
        "invariance.json": to_json(record, indent=1).encode(),
        "invariance.csv": table.to_csv(index=False, float_format="%.4g").encode(),
        "invariance.md": markdown(looks).encode(),
    }
    return write_files(
        out, files | {name: png(hv.Layout(each), 3) for name, each in charts.items()}
    )


def markdown(looks: "dict[str, Invariance]") -> str:
    """Tables of networks at each transformation's middle amount, with their conditions."""
    network, look = next(iter(looks.items()))
    lines = [
        f"# Invariance of the layers of {network}", "",
        f"{len(look.images)} images ({look.preprocessing['source']}; view "
        f"{look.view[0]}×{look.view[1]}). Relative movement, 1: as far as another image, median "
        "over images: of the map as it is · averaged over positions.",
    ]  # fmt: skip
    for name, each in looks.items():
        lines += ["", f"## {name}", "", *_rows(each)]
        if each.kept_pooling:
            lines += ["", f"Adaptive pooling stays as given: {', '.join(each.kept_pooling)}."]
    return "\n".join([*lines, ""])


def _rows(look: "Invariance") -> list[str]:
    from workbench.evaluation.rendering import as_markdown

    table = look.table()
    amounts = {name: look.middle(name) for name in look.transformations}
    header = ["layer", "weights", "pooling"]
    header += [f"{name} {amount:g}" for name, amount in amounts.items()]
    cells = [header]
    for (weights, pooling, layer), rows in table.groupby(
        ["weights", "pooling", "layer"], sort=False
    ):
        row = [layer, weights, pooling]
        for name, amount in amounts.items():
            here = rows[(rows.transformation == name) & (rows.amount == amount)].movement
            row.append(" · ".join("–" if each != each else f"{each:.2f}" for each in here))
        cells.append(row)
    said = table[table.outcome != ""][["weights", "pooling", "layer", "outcome"]]
    reasons = [f"- {': '.join(each)}" for each in said.drop_duplicates().values.tolist()]
    return [as_markdown(cells)] + [""] * bool(reasons) + reasons
