"""`workbench tune`: hyper-parameters of a region classifier, by the error on held-out images."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from workbench.cli.options import Decorator, decorated, options_of
from workbench.cli.train_options import WEIGHTS, weights_to_load
from workbench.data import Regions
from workbench.evaluation.rendering import as_text
from workbench.experiments.regions.columns import REGION_COLUMNS, RegionColumn
from workbench.experiments.regions.tuning import PARAMETERS, Range, Search, run_search
from workbench.runs.files import atomic_write
from workbench.training.regions.config import RegionConfig
from workbench.views.regions.tuning import trials_table, write_tuning

NAMES = [column.name for column in REGION_COLUMNS.values() if column.training is not None]
DEFAULT = RegionConfig(store="", holdout=0.2)
DECADES = 30.0
"""Factor between the column's learning rate and either end of the search, if none is given."""


def _range(name: str, help_text: str) -> Decorator:
    return click.option(
        f"--{name.replace('_', '-')}", name, type=(float, float), metavar="LOW HIGH", help=help_text
    )


@click.command()
@click.argument("column", type=click.Choice(NAMES))
@click.option("--store", required=True, help="Zarr store of regions.")
@click.option("--out", type=Path, required=True, help="Folder of the search, new or begun.")
@click.option("--trials", type=click.IntRange(min=1), default=12, show_default=True,
              help="In all; a larger number goes on with a search.")  # fmt: skip
@click.option("--passes", type=click.IntRange(min=1),
              help="Over the training regions. [default: the column's own]")  # fmt: skip
@_range("learning_rate", "Searched in this range. [default: around the column's own]")
@_range("head_multiplier", "Search it too: how many times faster the new layers learn.")
@_range("weight_decay", "Search it too.")
@_range("dropout", "Search it too.")
@_range("epsilon", "Search it too: ε of the structured layer.")
@WEIGHTS
@decorated(
    *options_of(
        DEFAULT,
        *("frozen", "cache", "protocol", "holdout", "limit", "seed", "device"),
        holdout={"help": "Fraction of the training images to choose by."},
        limit={"type": click.IntRange(min=1)},
        seed={"help": "Of the trainings and of the search."},
    )
)
def tune(
    column: str,
    store: str,
    out: Path,
    trials: int,
    passes: int | None,
    frozen: bool,
    cache: str | None,
    weights: Path | None,
    seed: int,
    **options: Any,
) -> None:
    """Choose the learning rate of COLUMN, and other hyper-parameters if asked.

    Trials are trained on a part of the training images and judged on the others: the test images
    are never looked at. What is done stays in the folder; Ctrl-C stops, the same command goes on,
    and one with more --trials goes further. Writes tuning.{json,md,html} with charts and prints the
    command that trains with what was found.

    \b
    Example:
      workbench tune deep-o2p --store stores/coco.zarr --out runs/tune-deep-o2p \\
        --frozen --cache stores/coco-relu5.zarr --passes 6
    """
    chosen = REGION_COLUMNS[column]
    scratch = not chosen.pretrained and not frozen
    found = weights_to_load(chosen.network.architecture.backbone, weights, scratch)
    base = chosen.frozen(str(found)) if frozen else replace(chosen.network, weights=found)
    given = {name: options.pop(name) for name in PARAMETERS}
    if given["learning_rate"] is None:
        rate = base.learning_rate
        given["learning_rate"] = (rate / DECADES, rate * DECADES)
    names = Regions.open(store, fields=("image",)).names
    config = replace(
        base,
        store=store,
        architecture=replace(base.architecture, classes=len(names)),
        passes=passes or base.passes,
        cache=cache,
        seed=seed,
        **options,
    )
    ranges = tuple(Range(name, *bounds) for name, bounds in given.items() if bounds is not None)
    values = run_search(Search(column, config, ranges, out, trials, seed))
    _write(values, chosen, config, out)


def _write(values: dict[str, Any], column: RegionColumn, config: RegionConfig, out: Path) -> None:
    """Write the trials with charts, and print the table and the command that trains."""
    title = (
        f"{values['column']}: {len(values['trials'])} trials of {config.passes} passes, by the "
        f"error on {values['question']['held_regions']} held-out training regions"
    )
    command = _command(values, column, config)
    with atomic_write(out / "tuning.json") as file:
        file.write((json.dumps(values, indent=1, ensure_ascii=False) + "\n").encode())
    paths = [out / "tuning.json", *write_tuning(values, out, title, command)]
    click.echo(f"{title}\n{as_text(trials_table(values))}\n\n{command}")
    for path in paths:
        click.echo(f"wrote {path}", err=True)


def _command(values: dict[str, Any], column: RegionColumn, config: RegionConfig) -> str:
    """Command that trains the column with the values that were found."""
    if values["best"] is None:
        return "No trial came to its end: search lower learning rates."
    best = next(t for t in values["trials"] if t["number"] == values["best"])
    words = [f"workbench train {column.name} --store {config.store} --run runs/{column.name}"]
    words += ["--frozen"] * config.frozen + ([f"--cache {config.cache}"] if config.cache else [])
    words += [f"--passes {config.passes}"]
    words += [f"--{n.replace('_', '-')} {value:g}" for n, value in best["values"].items()]
    return " ".join(words)
