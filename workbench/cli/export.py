"""`workbench export`: a run's network as one file, to segment photographs with."""

from pathlib import Path

import click

from pipelines.errors import PipelineError
from workbench.errors import WorkbenchError
from workbench.experiments.scenes.model_files import best_height, export_model
from workbench.runs import Run


@click.command()
@click.argument("path", metavar="RUN", type=Path)
@click.argument("file", metavar="FILE", type=Path)
@click.option("--half", is_flag=True, help="In half precision.")
@click.option("--height", type=float,
              help="At which hierarchies are cut if `workbench segment` is not told otherwise. "
              "[default: the best on the scenes that the training held out]")  # fmt: skip
def export(path: Path, file: Path, half: bool, height: float | None) -> None:
    """Write a run's network into one .safetensors file.

    A backbone that training left as it was is not stored: it is read from the known weights.

    \b
    Example:
      workbench export runs/mine models/mine.safetensors --half
    """
    if file.suffix != ".safetensors":
        raise WorkbenchError("a file name that ends in .safetensors", f"{file}", "rename it")
    run = Run.open(path)
    if height is None:
        try:
            height = best_height(run)
        except PipelineError as error:
            click.echo(f"No height is stored: {error}", err=True)
    stored = export_model(run, file, half=half, height=height)
    what = "with its backbone" if stored else "without its backbone, which training left as it was"
    cut = "" if height is None else f", cut at height {height:.3g}"
    click.echo(f"{file}: {file.stat().st_size / 2**20:.1f} MiB, {what}{cut}")
