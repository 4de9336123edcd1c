"""`workbench evaluate`: a run's network on a split, as a table."""

import json
from pathlib import Path
from typing import get_args

import click

from workbench.errors import WorkbenchError
from workbench.evaluation.regions.summary import RecognitionSummary
from workbench.evaluation.rendering import as_text
from workbench.experiments import evaluate_deep_ncuts
from workbench.experiments.regions.training import Part, evaluate_regions
from workbench.runs import Run
from workbench.segmentation import CutConfig, HierarchyConfig, PoolConfig

PARTS: tuple[Part, ...] = get_args(Part)
"""Of the regions, see `data.region_parts`."""
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
    """Score a trained network on a split, and keep the scores in the run.

    DeepNCuts segments it and is held against all annotators: best and average covering over eight
    segmentations an image, PRI and VI, per image and in the mean.

    A region classifier (--split train, held or test): top-1, top-5 and per-category error and
    calibration, with intervals over images; --limit, --untrained and --cut mean nothing to it.
    """
    if "protocol" in Run.open(path).config:
        _evaluate_regions(path, split, store, device, as_json)
        return
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


def _evaluate_regions(
    path: Path, split: str, store: str | None, device: str, as_json: bool
) -> None:
    part = next((each for each in PARTS if each == split), None)
    if part is None:
        raise WorkbenchError(
            f"a part out of {', '.join(PARTS)} of the regions", repr(split), "correct --split"
        )
    found = evaluate_regions(path, part, store=store, device=device)
    click.echo(json.dumps(found.to_dict(), indent=1) if as_json else _text(found))


def _text(found: RecognitionSummary) -> str:
    """The figures, and the categories that fare worst."""
    rows = [("", "mean", "95 % over images")]
    for name in ("error", "top5_error", "balanced_error", "nll", "brier"):
        value = getattr(found, name)
        shown = f"{value.mean:.3f}", f"{value.low:.3f} … {value.high:.3f}"
        rows.append((name.replace("_", " "), *shown))
    rows.append(("calibration error", f"{found.calibration_error:.3f}", ""))
    common = [each for each in found.categories if each.regions >= 10]
    worst = sorted(common, key=lambda each: -each.error.mean)[:5]
    named = ", ".join(f"{each.name} {each.error.mean:.2f}" for each in worst)
    return (
        f"{found.regions} regions in {found.images} images\n{as_text(rows)}\n"
        f"hardest categories with ten regions or more: {named}"
    )
