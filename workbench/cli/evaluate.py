"""`workbench evaluate`: a run's network and its untrained features on a split, as a table."""

import json
from pathlib import Path

import click

from workbench.evaluation.networks import CutConfig
from workbench.experiments import evaluate_deep_ncuts
from workbench.segmentation import HierarchyConfig, PoolConfig

CUTS: dict[str, type[CutConfig]] = {"flat": PoolConfig, "hierarchy": HierarchyConfig}


@click.command()
@click.argument("path", metavar="RUN", type=Path)
@click.option("--split", default="test", show_default=True)
@click.option("--store", help="Zarr store of scenes. [default: the one that the run trained on]")
@click.option("--limit", type=int, help="Only the first so many scenes.")
@click.option("--untrained/--no-untrained", default=True, show_default=True,
              help="Hold it against the NCuts of the backbone's own features.")  # fmt: skip
@click.option(
    "--cut", type=click.Choice(list(CUTS)),
    help="Flat k-way clusterings or a hierarchy. [default: a hierarchy of networks with contours]",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True
)
def evaluate(
    path: Path,
    split: str,
    store: str | None,
    limit: int | None,
    untrained: bool,
    as_json: bool,
    device: str,
    cut: str | None,
) -> None:
    """Segment a split with a trained network and score it against all annotators.

    Prints best and average covering over eight segmentations an image, PRI and VI, per image and
    in the mean, and keeps them in the run.
    """
    table = evaluate_deep_ncuts(
        path,
        split,
        store=store,
        limit=limit,
        untrained=untrained,
        device=device,
        pool=None if cut is None else CUTS[cut](),
    )
    click.echo(json.dumps(table.to_dict(), indent=1) if as_json else table.to_text())
