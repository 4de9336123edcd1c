"""`workbench evaluate`: networks of runs, or of a table, on their own store or on another one."""

import json
from collections.abc import Sequence
from inspect import signature
from pathlib import Path
from typing import Any, get_args

import click

from workbench.cli.options import decorated, options_of
from workbench.data.categories import MatchBy
from workbench.errors import WorkbenchError
from workbench.experiments.other_store import USUAL, OtherStore, is_own_store
from workbench.experiments.tables.elsewhere import is_table
from workbench.probe.affinities import CHOICES, Choice
from workbench.runs import Run
from workbench.segmentation import CutConfig, HierarchyConfig, PoolConfig
from workbench.training.config import LoopConfig
from workbench.training.kinds import Kind, kind_of

CUTS: dict[str, type[CutConfig]] = {"flat": PoolConfig, "hierarchy": HierarchyConfig}


@click.command()
@click.argument("paths", metavar="RUN…", nargs=-1, required=True, type=Path)
@click.option("--split", help="Split, or all. [default: test; of another store without, all]")
@click.option("--store", help="Zarr store. [default: the one that the run trained on]")
@click.option("--cache", "caches", multiple=True,
              help="Store of a backbone's features of these images, read instead of computing; "
              "repeatable.")  # fmt: skip
@click.option("--categories", "match", type=click.Choice(get_args(MatchBy)), default="name",
              show_default=True, help="How those of another store are matched.")  # fmt: skip
@click.option("--limit", type=click.IntRange(min=1), help="Only so many scenes or regions.")
@click.option("--untrained/--no-untrained", default=True, show_default=True,
              help="Hold it against the NCuts of the backbone's own features.")  # fmt: skip
@click.option(
    "--cut", type=click.Choice(list(CUTS)),
    help="Flat k-way clusterings or a hierarchy. [default: a hierarchy of networks with contours]",
)  # fmt: skip
@click.option("--affinity", type=click.Choice(list(CHOICES)), default="cosine", show_default=True,
              help="Of the cells of a probe's layers.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@decorated(*options_of(LoopConfig(), "device", "threads"))
def evaluate(
    paths: tuple[Path, ...],
    split: str | None,
    store: str | None,
    caches: tuple[str, ...],
    match: MatchBy,
    limit: int | None,
    untrained: bool,
    as_json: bool,
    device: str,
    threads: int | None,
    cut: str | None,
    affinity: Choice,
) -> None:
    """Score trained networks on a split, and keep the scores in the runs.

    DeepNCuts segments it and is held against all annotators: best and average covering over eight
    segmentations an image, PRI and VI, per image and in the mean.

    A region classifier (--split train, held, test or all): top-1, top-5 and per-category error and
    calibration, with intervals over images; --untrained and --cut mean nothing to it.

    With --store OTHER the networks are scored on a store that they did not train on, whose splits
    are those of its dataset: several runs, with paired differences (seeds of one training are
    averaged), or the folder of a table. Categories of regions are matched by name; what differs is
    said. Results are kept by store and split, beside the runs' own.

    A probe whose images have ground truth: the same coverings, a row a layer; of the other options
    --limit, --cut and --affinity count.

    \b
    Examples:
      workbench evaluate runs/mine --split test
      workbench evaluate runs/seed0 runs/seed1 --store stores/other.zarr --split all
      workbench evaluate runs/table1 --store stores/other.zarr --cache stores/other-relu5.zarr
    """
    other = (
        None if store is None else OtherStore(store, split, caches, match, device, limit, threads)
    )
    if any(is_table(path) for path in paths):
        from workbench.cli.evaluate_table import show_table  # with all that draws pictures

        show_table(paths, other, as_json)
        return
    pool = None if cut is None else CUTS[cut]()
    runs = [Run.open(path) for path in paths]
    kind = _kind(runs)
    if other is not None and not all(is_own_store(run, other.store) for run in runs):
        if any(is_own_store(run, other.store) for run in runs):
            raise WorkbenchError(
                "a store that none of the runs trained on, or that all did",
                "one that some trained on",
                "evaluate these runs apart",
            )
        evaluation = kind.find("elsewhere")
        _show(_called(evaluation, (paths, other), untrained=untrained, pool=pool), as_json)
        return
    evaluation = kind.find("evaluate")
    if len(caches) > ("cache" in signature(evaluation).parameters):
        raise WorkbenchError(
            "one store of features at most, for the store that region classifiers trained on",
            f"{len(caches)} for runs of {kind.name}",
            "leave --cache out: features are computed",
        )
    for path in paths:
        scores = _called(
            evaluation, (path,), split=split or USUAL, store=store, limit=limit, device=device,
            threads=threads,
            cache=caches[0] if caches else None, untrained=untrained, pool=pool, affinity=affinity,
        )  # fmt: skip
        if len(paths) > 1 and not as_json:
            click.echo(f"{path}")
        _show(scores, as_json)


def _kind(runs: Sequence[Run]) -> Kind:
    """Kind that all runs have in common."""
    kinds = {kind.name: kind for kind in (kind_of(run.config) for run in runs)}
    if len(kinds) > 1:
        raise WorkbenchError("runs of one kind", " and ".join(kinds), "evaluate them apart")
    return next(iter(kinds.values()))


def _called(function: Any, arguments: tuple[Any, ...], **options: Any) -> Any:
    """Result of a function, called with those of the options that it has."""
    known = signature(function).parameters
    return function(*arguments, **{n: value for n, value in options.items() if n in known})


def _show(scores: Any, as_json: bool) -> None:
    click.echo(json.dumps(scores.to_dict(), indent=1) if as_json else scores.to_text())
