"""`workbench probe`: record the layers of any network on a folder of images."""

from pathlib import Path
from typing import Any

import click

from workbench.errors import WorkbenchError


@click.command()
@click.argument("network", metavar="PACKAGE:FUNCTION")
@click.option("--images", required=True, help="Folder of images, a file, or a store.")
@click.option("--truths", type=Path,
              help="Label maps named as the images: .png, .npy, BSDS's .mat.")  # fmt: skip
@click.option("--layer", "layers", multiple=True, help="Name or pattern, as in blocks.*; repeat.")
@click.option("--run", "path", type=Path, help="Folder of the record. [default: runs/probe-…]")
@click.option("--checkpoint", type=Path, help="State dict: .safetensors, or .pt of tensors alone.")
@click.option("--shorter", type=click.IntRange(min=1), help="Resize the shorter side, pixels.")
@click.option("--longest", type=click.IntRange(min=1), help="Limit the longer side, pixels.")
@click.option("--size", type=(int, int), help="Stretch to HEIGHT WIDTH.")
@click.option("--mean", type=(float, float, float), help="Of the channels, in [0, 1].")
@click.option("--std", type=(float, float, float), help="Of the channels, in [0, 1].")
@click.option("--tokens", type=(int, int), help="ROWS COLUMNS of the grid of tokens.")
@click.option("--channels-last", is_flag=True, help="Maps are (batch, rows, columns, channels).")
@click.option("--call", type=int, help="Which run of a layer that runs several times, from 0.")
@click.option("--batch", type=click.IntRange(min=1), default=8, show_default=True)
@click.option("--keep", default=4.0, show_default=True, help="Gigabytes of features kept at most.")
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True
)
@click.option("--resume", is_flag=True, help="Go on with the record that is there.")
@click.option("--overwrite", is_flag=True, help="Delete the record that is there first.")
@click.option("--list", "only_list", is_flag=True, help="List the layers with their shapes; record "
              "nothing.")  # fmt: skip
def probe(
    network: str,
    images: str,
    truths: Path | None,
    layers: tuple[str, ...],
    path: Path | None,
    checkpoint: Path | None,
    shorter: int | None,
    longest: int | None,
    size: tuple[int, int] | None,
    mean: tuple[float, float, float] | None,
    std: tuple[float, float, float] | None,
    tokens: tuple[int, int] | None,
    channels_last: bool,
    call: int | None,
    batch: int,
    keep: float,
    device: str,
    resume: bool,
    overwrite: bool,
    only_list: bool,
) -> None:
    """Record the outputs of layers of your network on images.

    The network is what PACKAGE:FUNCTION returns, a torch.nn.Module. Its record is a run: look at it
    with workbench.explore in JupyterLab, or on the page of `workbench lab --app`. Where images have
    ground truth (--truths, a store of scenes), each layer's cuts are scored against it.

    \b
    Example:
      workbench probe my_package:build_model --images holiday/ --list
      workbench probe my_package:build_model --checkpoint last.safetensors --images holiday/ \\
        --layer blocks.9 --run runs/mine
    """
    from dataclasses import replace

    import workbench.probe as probes
    from workbench.evaluation.scenes.probes import evaluate_probe
    from workbench.probe.images import image_source
    from workbench.probe.networks import network_of
    from workbench.probe.preprocessing import preprocessing_of
    from workbench.training.devices import device_of

    model = network_of(network, checkpoint).to(device_of(device))
    given: dict[str, Any] = {
        "shorter": shorter,
        "longest": longest,
        "size": size,
        "mean": mean,
        "std": std,
    }
    stated = {name: value for name, value in given.items() if value is not None}
    preprocessing = preprocessing_of(model)
    if stated:
        preprocessing = replace(preprocessing, **stated, source=f"stated: {', '.join(stated)}")
    if only_list or not layers:
        _, tensor = preprocessing.input_of(image_source(images).read(0).image)
        click.echo(repr(probes.layers(model, tensor[None].to(next(model.parameters())))))
        if not only_list:
            raise WorkbenchError("at least one --layer", "none", "name one of the layers above")
        return
    found = probes.probe(
        model, images, layers, path=path, preprocessing=preprocessing, call=call, tokens=tokens,
        channels_last=channels_last, keep=int(keep * 2**30), batch=batch, truths=truths,
        resume=resume, overwrite=overwrite,
    )  # fmt: skip
    click.echo(repr(found))
    click.echo(found.table().to_string(index=False, float_format=lambda value: f"{value:.3g}"))
    if found.annotated:
        click.echo(evaluate_probe(found).to_text(images=False))
