"""`workbench lab`: JupyterLab on the notebooks, with a Dask cluster whose dashboard is at hand."""

import os
import subprocess
import sys
from pathlib import Path

import click
from distributed import LocalCluster

from workbench.errors import WorkbenchError


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--notebooks", type=Path, default=Path("notebooks"), show_default=True)
@click.option("--workers", type=int, help="Dask workers. [default: one a core]")
@click.argument("jupyter_arguments", nargs=-1, type=click.UNPROCESSED)
def lab(notebooks: Path, workers: int | None, jupyter_arguments: tuple[str, ...]) -> None:
    """Open JupyterLab with the notebooks, beside a Dask cluster and its dashboard.

    Further arguments go to `jupyter lab`, for instance --no-browser --port 8889. Notebooks find
    the cluster in DASK_SCHEDULER_ADDRESS, where `distributed.Client()` looks by itself.
    """
    if not notebooks.is_dir():
        raise WorkbenchError(
            "a folder of notebooks", f"nothing at {notebooks}", "start it from the project's root"
        )
    with LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0") as cluster:
        click.secho(f"Dask dashboard: {cluster.dashboard_link}", bold=True)
        environment = os.environ | {"DASK_SCHEDULER_ADDRESS": cluster.scheduler_address}
        command = [sys.executable, "-m", "jupyter", "lab", str(notebooks), *jupyter_arguments]
        raise SystemExit(subprocess.run(command, env=environment, check=False).returncode)
