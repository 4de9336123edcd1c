"""`workbench evaluate`: a run's network on a split, as a table."""

import json
from inspect import signature
from pathlib import Path

import click

from workbench.cli.options import decorated, options_of
from workbench.probe.affinities import CHOICES, Choice
from workbench.runs import Run
from workbench.segmentation import CutConfig, HierarchyConfig, PoolConfig
from workbench.training.config import LoopConfig
from workbench.training.kinds import kind_of

CUTS: dict[str, type[CutConfig]] = {"flat": PoolConfig, "hierarchy": HierarchyConfig}


@click.command()
@click.argument("path", metavar="RUN", type=Path)
@click.option("--split", default="test", show_default=True)
@click.option("--store", help="Zarr store. [default: the one that the run trained on]")
@click.option("--limit", type=int, help="Only the first so many scenes.")
@click.option("--untrained/--no-untrained", default=True, show_default=True,
              help="Hold it against the NCuts of the backbone's own features.")  # fmt: skip
@click.option(
    "--cut", type=click.Choice(list(CUTS)),
    help="Flat k-way clusterings or a hierarchy. [default: a hierarchy of networks with contours]",
)  # fmt: skip
@click.option("--affinity", type=click.Choice(list(CHOICES)), default="cosine", show_default=True,
              help="Of the cells of a probe's layers.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@decorated(*options_of(LoopConfig(), "device"))
def evaluate(
    path: Path,
    split: str,
    store: str | None,
    limit: int | None,
    untrained: bool,
    as_json: bool,
    device: str,
    cut: str | None,
    affinity: Choice,
) -> None:
    """Score a trained network on a split, and keep the scores in the run.

    DeepNCuts segments it and is held against all annotators: best and average covering over eight
    segmentations an image, PRI and VI, per image and in the mean.

    A region classifier (--split train, held or test): top-1, top-5 and per-category error and
    calibration, with intervals over images; --limit, --untrained and --cut mean nothing to it.

    A probe whose images have ground truth: the same coverings, a row a layer; of the other options
    --limit, --cut and --affinity count.
    """
    evaluation = kind_of(Run.open(path).config).find("evaluate")
    options = {
        "split": split,
        "affinity": affinity,
        "store": store,
        "limit": limit,
        "untrained": untrained,
        "device": device,
        "pool": None if cut is None else CUTS[cut](),
    }
    known = signature(evaluation).parameters
    scores = evaluation(path, **{name: options[name] for name in options if name in known})
    click.echo(json.dumps(scores.to_dict(), indent=1) if as_json else scores.to_text())
