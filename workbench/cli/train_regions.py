"""`workbench train alexnet | deep-o2p | …`: one command for every region classifier by name."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from workbench.cli.options import Decorator, decorated, options_of
from workbench.cli.train_options import WEIGHTS, ending_options, report, weights_to_load
from workbench.data import Regions
from workbench.experiments.regions.columns import REGION_COLUMNS, RegionColumn
from workbench.experiments.regions.training import train_regions
from workbench.models.backbones import BACKBONES
from workbench.models.sizes import describe
from workbench.training.regions.config import RegionConfig

SHAPE = (
    "backbone", "tap", "pooling", "power", "epsilon", "centre", "reduce", "fully_connected",
    "dropout", "masked", "scaling",
)  # fmt: skip
"""Options of the architecture."""
OWN = (
    "frozen", "cache", "start", "protocol", "holdout", "limit", "jitter", "mirror", "micro_batch",
)  # fmt: skip
"""Options that only the training of a region classifier has."""


def region_commands() -> list[click.Command]:
    """Commands, one for each column that trains a network."""
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
        # Without the option, a column keeps its own fully connected layers.
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
        decorated(*_options(column))(command)
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


def _options(column: RegionColumn) -> list[Decorator]:
    base, shape = column.network, column.network.architecture
    option = click.option
    sizes = ", ".join(map(str, shape.fully_connected)) or "none"
    return [
        option("--store", help="Zarr store of regions, from `python -m pipelines run coco`."),
        option("--run", "path", type=Path, help="Folder of the run, made anew."),
        option("--describe", "describe_only", is_flag=True,
               help="Say what it costs; train nothing."),
        *options_of(
            shape,
            *SHAPE,
            backbone={"type": click.Choice(list(BACKBONES))},
            pooling={
                "help": "log(XᵀX + εI), a matrix power, the mean feature, or AlexNet's own maximum."
            },
            epsilon={
                "help": "ε. [default: 1e-3 for the logarithm, 0 for the power]",
                "show_default": False,
            },
            centre={"flags": "--centre/--no-centre", "show_default": True},
            fully_connected={
                "default": None,
                "help": "Size of a layer before the classifier; repeat it, 0 for none. "
                f"[default: {sizes}]",
                "show_default": False,
            },
            masked={
                "flags": "--masked/--boxes",
                "help": "Pool over the free-form mask, or over the whole frame.",
                "show_default": True,
            },
        ),
        WEIGHTS,
        option("--from-scratch/--pretrained", default=not column.pretrained, show_default=True,
               help="Start from random weights."),
        *options_of(
            base,
            *OWN,
            limit={"type": click.IntRange(min=1)},
            jitter={
                "default": None,
                "help": f"Largest shift in pixels. [default: {base.jitter}, 0 with --cache]",
                "show_default": False,
            },
        ),
        *ending_options(base),
    ]  # fmt: skip
