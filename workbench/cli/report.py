"""`workbench report`: a run as one HTML page."""

from pathlib import Path

import click

from workbench.runs import Run
from workbench.views.report import write_report


@click.command()
@click.argument("path", metavar="RUN", type=Path)
@click.option("--out", type=Path, help="File to write. [default: report.html in the run]")
def report(path: Path, out: Path | None) -> None:
    """Write a page with a run's scenes, affinities, spectra, segmentations, curves and scores."""
    click.echo(write_report(Run.open(path), out or path / "report.html"))
