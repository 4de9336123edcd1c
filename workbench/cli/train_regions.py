"""`workbench train alexnet | deep-o2p | …`: one command for every region classifier by name."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import click

from workbench.cli.train_options import (
    RUN_OPTIONS,
    decorated,
    loop_options,
    report,
    weights_to_load,
)
from workbench.data import Regions
from workbench.data.region_split import PROTOCOLS
from workbench.experiments.regions.columns import REGION_COLUMNS, RegionColumn
from workbench.experiments.regions.training import train_regions
from workbench.models.backbones import ARCHITECTURES
from workbench.models.regions import POOLINGS
from workbench.models.scaling import Scaling
from workbench.models.sizes import describe
from workbench.training.regions.config import RegionConfig

SHAPE = (
    "backbone", "tap", "pooling", "power", "epsilon", "centre", "reduce", "fully_connected",
    "dropout", "masked", "scaling",
)  # fmt: skip
"""The options that are the architecture's."""

Command = Callable[..., Any]


def region_commands() -> list[click.Command]:
    """A command for every column that trains a network."""
    return [_command(column) for column in REGION_COLUMNS.values() if column.training is not None]


def _command(column: RegionColumn) -> click.Command:
    base = column.network

    def command(
        path: Path | None,
        weights: Path | None,
        from_scratch: bool,
        describe_only: bool,
        resume: bool,
        overwrite: bool,
        **options: Any,
    ) -> None:
        shape = {name: options.pop(name) for name in SHAPE}
        # Without the layers that the option would add, a column keeps its own.
        shape["fully_connected"] = _sizes(shape["fully_connected"], base)
        if options["jitter"] is None:
            options["jitter"] = 0 if options["cache"] else base.jitter
        options = options | {"store": options["store"] or ""}
        architecture = replace(base.architecture, **shape)
        if describe_only:
            size = describe(
                architecture,
                batch=options["micro_batch"] or options["batch"],
                frozen=options["frozen"],
                optimizer=options["optimizer"],
            )
            click.echo(f"{_statement(column)}\n\n{size}")
            return
        if not options["store"] or path is None:
            missing = "--run" if options["store"] else "--store"
            raise click.MissingParameter(param_hint=f"'{missing}'", param_type="option")
        names = Regions.open(options["store"], fields=("image",)).names
        config = replace(
            base,
            architecture=replace(architecture, classes=len(names)),
            weights=weights_to_load(architecture.backbone, weights, from_scratch),
            **options,
        )
        run = train_regions(config, path, resume=resume, overwrite=overwrite)
        report(run, f"workbench evaluate {path} --split test")

    command.__doc__ = _help(column)
    paper = f", the paper's {column.paper} %" if column.paper else ""
    return click.command(column.name, short_help=f"{column.title}{paper}")(
        decorated(*_options(column), *loop_options(base), *RUN_OPTIONS)(command)
    )


def _sizes(given: tuple[int, ...], base: RegionConfig) -> tuple[int, ...]:
    if not given:
        return base.architecture.fully_connected
    return tuple(size for size in given if size)


def _statement(column: RegionColumn) -> str:
    paper = "beyond the paper" if column.paper is None else f"paper: {column.paper} % error"
    return f"{column.title}: {paper}; about {column.minutes} minutes on the real subset, two cores."


def _help(column: RegionColumn) -> str:
    settings = " ".join(f"--{n.replace('_', '-')} {v}" for n, v in column.on_features.items())
    return f"""{_statement(column)}

    Regions of a store are classified (paper §6.1). Every default is this column's; --describe says
    what the network costs.

    \b
    Example:
      {column.command}
    With a frozen backbone whose features are computed once, in minutes:
      python -m pipelines run coco --features {column.network.architecture.backbone}:\
{column.network.architecture.tap} --mirrored \\
        --weights FILE --store stores/coco-features.zarr
      {column.command} \\
        --frozen --cache stores/coco-features.zarr {settings}
    """


def _options(column: RegionColumn) -> list[Callable[[Command], Command]]:
    base, shape = column.network, column.network.architecture
    option = click.option
    return [
        option("--store", help="Zarr store of regions, from `python -m pipelines run coco`."),
        option("--run", "path", type=Path, help="Folder of the run, made anew."),
        option("--describe", "describe_only", is_flag=True,
               help="Say what it costs; train nothing."),
        option("--backbone", type=click.Choice(list(ARCHITECTURES)), default=shape.backbone,
               show_default=True),
        option("--tap", default=shape.tap, show_default=True, help="ReLU that is pooled."),
        option("--pooling", type=click.Choice(POOLINGS), default=shape.pooling, show_default=True,
               help="log(XᵀX + εI), a matrix power, the mean feature, or AlexNet's own maximum."),
        option("--power", default=shape.power, show_default=True, help="Of --pooling power."),
        option("--epsilon", type=float, default=shape.epsilon,
               help="ε. [default: 1e-3 for the logarithm, 0 for the power]"),
        option("--centre/--no-centre", default=shape.centre, show_default=True,
               help="Take the region's mean feature off first."),
        option("--reduce", type=int, default=shape.reduce, show_default=True,
               help="Channels of a learned 1×1 convolution before pooling."),
        option("--fully-connected", type=int, multiple=True,
               help="Size of a layer before the classifier; repeat it, 0 for none. "
               f"[default: {', '.join(map(str, shape.fully_connected)) or 'none'}]"),
        option("--dropout", default=shape.dropout, show_default=True, help="After these layers."),
        option("--masked/--boxes", default=shape.masked, show_default=True,
               help="Pool over the free-form mask, or over the whole frame."),
        option("--scaling", type=click.Choice(get_args(Scaling)), default=shape.scaling,
               show_default=True, help="Of the pooled vector, fixed on training regions."),
        option("--weights", type=click.Path(path_type=Path),
               help="Pretrained weights, .safetensors or torchvision's .pth. "
               "[default: the backbone's file in $WORKBENCH_DATA/weights]"),
        option("--from-scratch/--pretrained", default=not column.pretrained, show_default=True,
               help="Start from random weights."),
        option("--frozen", is_flag=True, default=base.frozen,
               help="The backbone keeps its weights."),
        option("--cache", help="Store of the frozen backbone's features, see the example."),
        option("--start", help="Run whose network the training starts from."),
        option("--protocol", type=click.Choice(PROTOCOLS), default=base.protocol,
               show_default=True, help="A fifth of all images for testing, or COCO's own val."),
        option("--holdout", default=base.holdout, show_default=True,
               help="Fraction of the training images kept out, to watch the error on."),
        option("--limit", type=click.IntRange(min=1),
               help="Only so many regions of every part, chosen at random."),
        option("--jitter", type=int,
               help=f"Largest shift in pixels. [default: {base.jitter}, 0 with --cache]"),
        option("--mirror", default=base.mirror, show_default=True,
               help="Probability of a mirror image."),
        option("--micro-batch", type=int, default=base.micro_batch, show_default=True,
               help="Regions that go through the network at once, to save memory."),
    ]  # fmt: skip
