"""`workbench ranks`: does rank reduction go with better covering?"""

from pathlib import Path

import click

from workbench.evaluation.rendering import as_text
from workbench.experiments.scenes.ranks import follow_ranks
from workbench.views.scenes.ranks import rank_rows, write_ranks


@click.command()
@click.argument("runs", metavar="RUN…", nargs=-1, required=True, type=Path)
@click.option("--out", type=Path, help="Folder for ranks.md and ranks.png.")
def ranks(runs: tuple[Path, ...], out: Path | None) -> None:
    """Follow the effective rank of W and the covering through trainings (paper §5, §6.2).

    Pass by pass over the scenes that each run held out, and scene by scene: did those gain most
    whose rank fell most? Runs are grouped by what they trained, J1 or J2, Λ learned or not.

    \b
    Example:
      workbench ranks runs/j1-seed0 runs/j2-seed0 --out notebooks/results/ranks
    """
    found = follow_ranks(runs)
    click.echo(as_text(rank_rows(found)))
    if out is not None:
        for path in write_ranks(found, out):
            click.echo(f"wrote {path}", err=True)
