"""`workbench demo`: the whole main job on synthetic scenes, from raw files to a report."""

import time
from pathlib import Path

import click
import torch

from pipelines.jobs import run as run_pipeline
from pipelines.sources.sample import write_sample
from workbench.cli.samples import small_network
from workbench.evaluation.scenes.table import BenchmarkTable
from workbench.experiments import evaluate_deep_ncuts, train_deep_ncuts
from workbench.views.report import write_report


@click.command()
@click.option("--out", type=Path, default=Path("runs/demo"), show_default=True)
@click.option("--scenes", default=48, show_default=True, help="Training scenes to draw.")
@click.option("--test-scenes", default=16, show_default=True, help="Held-out scenes to draw.")
@click.option("--passes", default=16, show_default=True, help="Over the training scenes.")
@click.option("--workers", type=int, help="Dask workers. [default: one a core]")
@click.option("--seed", default=0, show_default=True)
def demo(
    out: Path, scenes: int, test_scenes: int, passes: int, workers: int | None, seed: int
) -> None:
    """Run the main job on a small synthetic dataset, and write a report.

    Draws textured scenes in the layout of BSDS, preprocesses them on a local Dask cluster into a
    zarr store, trains a small DeepNCuts from random weights with J2, and segments held-out scenes
    before and after. What an earlier demo left in the folder is replaced.
    """
    began = time.monotonic()
    torch.set_num_threads(1)  # the demo's matrices are small: threads would wait for each other
    raw, store, path = out / "raw", out / "scenes.zarr", out / "run"

    _say(1, f"drawing {scenes} + {test_scenes} scenes into {raw}")
    write_sample(raw, train=scenes, test=test_scenes, seed=seed)

    _say(2, f"preprocessing them into {store} on a local Dask cluster")
    run_pipeline("bsds", raw, store, workers=workers, overwrite=True)

    _say(3, f"training DeepNCuts into {path}")
    config = small_network(store, passes=passes, holdout=6, seed=seed)
    run = train_deep_ncuts(config, path, overwrite=True)

    _say(4, "segmenting the held-out scenes before and after training")
    table = evaluate_deep_ncuts(path, "test")

    _say(5, "writing the report")
    page = write_report(run, out / "report.html")

    click.echo("\n" + table.to_text(images=False))
    click.echo(f"\nDone in {time.monotonic() - began:.0f} s. {_rise(table)}")
    click.secho(f"Look at {page}", bold=True)


def _say(number: int, what: str) -> None:
    click.secho(f"[{number}/5] {what}", bold=True, err=True)


def _rise(table: BenchmarkTable) -> str:
    """Sentence on the covering before and after training."""
    before, after = (table.summaries()[name] for name in ("untrained", "trained"))
    return (
        f"Covering of {after.images} held-out scenes, untrained → trained: "
        f"best {before.best.mean:.3f} → {after.best.mean:.3f}, "
        f"average {before.average.mean:.3f} → {after.average.mean:.3f}."
    )
