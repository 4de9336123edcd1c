"""The command line's options of a dataset: those of every source and those of features."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from pipelines.datasets import options
from pipelines.jobs import DATA_VARIABLE
from pipelines.profiles import PROFILES
from pipelines.sources import SOURCES, Option, Product

Command = Callable[..., Any]


def dataset_options(command: Command) -> Command:
    """Give a command the argument `dataset` and the keyword arguments of `jobs.planned`."""
    products: dict[str, Product] = {}
    for source in SOURCES.values():
        products |= {reader.product.name: reader.product for reader in source.readers}
    features = {each.features: each for each in products.values() if each.features}
    folders = " or ".join(f"{each.folder}/" for each in SOURCES.values() if each.folder)
    named = ", ".join(source.name for source in SOURCES.values() if not source.folder)
    units = {name: each.unit for name, each in (products | features).items()}
    first = [f"{source.readers[0].product.name} of {source.name}" for source in SOURCES.values()]
    profiles = (
        f"{name} for {' and '.join(k for k, each in products.items() if each.profile == name)}"
        for name in PROFILES
    )
    enlarge = ", ".join(f"{each.enlarge:g} of {each.name}" for each in features.values())
    shown: list[Callable[[Command], Command]] = [
        click.argument("dataset", type=click.Choice(sorted(SOURCES))),
        click.option(
            "--root",
            type=click.Path(path_type=Path),
            help=f"The dataset's folder; default: {DATA_VARIABLE}, with {folders}; {named}: none.",
        ),
        click.option(
            "--product",
            type=click.Choice(sorted(units)),
            help="".join(f"{name}: {each.help}. " for name, each in products.items())
            + f"{', '.join(features)}: what a backbone makes of these. "
            + f"Default: {', '.join(first)}, or the features of these with --features.",
        ),
        click.option(
            "--profile",
            type=click.Choice(PROFILES),
            help="local: uncompressed, to be mapped into memory. remote: compressed shards, for "
            f"object stores. Default: {', '.join(profiles)}.",
        ),
        click.option(
            "--unit",
            type=int,
            help="Items a task.  Default: "
            + ", ".join(f"{count} {name}" for name, count in units.items())
            + ".",
        ),
        *map(_of_source, options().values()),
        click.option(
            "--features",
            metavar="BACKBONE:TAP[+TAP]…",
            help="A backbone's features, as in alexnet:relu5 or vgg16:relu3_3+relu5_3: in place of "
            "scenes or regions, slot for slot, and beside images of cifar10. gist, for images of "
            "32×32 px: 24×4×4 energies of oriented filters, without --weights.",
        ),
        click.option(
            "--weights",
            type=click.Path(dir_okay=False),
            help="The backbone's weights; none for gist.",
        ),
        click.option(
            "--enlarge",
            type=float,
            help="features only: images are enlarged before the backbone, as in training. "
            f"Default: {enlarge}.",
        ),
        click.option("--mirrored", is_flag=True, help="features only: those of mirror images too."),
    ]
    for decorator in reversed(shown):  # click lists the last decorator first
        command = decorator(command)
    return command


def _of_source(option: Option) -> Callable[[Command], Command]:
    flag = option.flag or f"--{option.name.replace('_', '-')}"
    if option.repeated:
        return click.option(flag, option.name, multiple=True, help=option.help)
    if option.place:
        metavar = option.place.upper()
        return click.option(flag, option.name, type=click.Path(), metavar=metavar, help=option.help)
    kind = click.Choice(option.choices) if option.choices else type(option.default)
    return click.option(
        flag, option.name, type=kind, default=option.default, show_default=True, help=option.help
    )
