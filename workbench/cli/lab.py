"""`workbench lab`: JupyterLab on notebooks beside a Dask cluster, or the explorers as an app."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from distributed import LocalCluster

from workbench.cli.notebooks import copy_notebooks
from workbench.errors import WorkbenchError


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--notebooks", type=Path, default=Path("workbench-notebooks"), show_default=True,
              help="Folder to work in: the project's notebooks are copied to it.")  # fmt: skip
@click.option("--fresh", is_flag=True, help="Replace copies that were edited.")
@click.option("--workers", type=int, help="Dask workers. [default: one a core]")
@click.option("--app", is_flag=True, help="Serve the explorers of runs and stores, no JupyterLab.")
@click.option("--export", type=Path, metavar="FILE.html", help="With --app: write a page instead.")
@click.option("--port", type=int, help="[default: 8888; of the app 5006; 0: any that is free]")
@click.option("--no-browser", is_flag=True, help="Open none; the address is printed.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def lab(
    notebooks: Path,
    fresh: bool,
    workers: int | None,
    app: bool,
    export: Path | None,
    port: int | None,
    no_browser: bool,
    arguments: tuple[str, ...],
) -> None:
    """Open JupyterLab with the notebooks, beside a Dask cluster and its dashboard.

    Works on copies of the notebooks, and leaves those alone that were edited. What they write goes
    into the folder `runs` beside them.

    Further arguments go to `jupyter lab`. Notebooks find the cluster in DASK_SCHEDULER_ADDRESS,
    where `distributed.Client()` looks by itself; its dashboard's panes are in JupyterLab's Dask
    tab.

    \b
    With --app, arguments are runs, stores, or folders of them (default: runs, stores):
      workbench lab --app runs/first runs/second stores/bsds.zarr
    It serves one page with their explorers, on this machine, until Ctrl-C. With --export it
    writes what can stand without a kernel: the page of `workbench report`, of one run.
    """
    if app:
        _app(_paths(arguments), export, port, no_browser)
        return
    if export is not None:
        raise WorkbenchError("--app with --export", "no --app", "give both, and a run")
    _prepare(notebooks, fresh)
    own = [] if port is None else [f"--ServerApp.port={port}"]
    own += ["--no-browser"] if no_browser else []
    if os.geteuid() == 0 and "--allow-root" not in arguments:
        click.echo("You are root: JupyterLab is started with --allow-root.")
        own.append("--allow-root")
    with LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0") as cluster:
        click.secho(f"Dask dashboard: {cluster.dashboard_link}", bold=True)
        command = [sys.executable, "-m", "jupyter", "lab", str(notebooks), *own, *arguments]
        with environment_of(cluster.scheduler_address, cluster.dashboard_link) as environment:
            status = subprocess.run(command, env=environment, check=False).returncode
    raise SystemExit(status)


def _prepare(folder: Path, fresh: bool) -> None:
    """Copy the notebooks into a folder, and say which were left as they are."""
    if folder.exists() and not folder.is_dir():
        raise WorkbenchError(f"a folder of notebooks at {folder}", "a file", "name another")
    kept = copy_notebooks(folder, fresh)
    click.echo(f"Notebooks are in {folder.resolve()}.")
    if kept:
        names = ", ".join(str(path.relative_to(folder)) for path in kept)
        click.echo(f"Kept, as they differ from the project's: {names}. --fresh replaces them.")


@contextmanager
def environment_of(scheduler: str, dashboard: str) -> Iterator[dict[str, str]]:
    """Environment in which JupyterLab and its kernels find a cluster and its dashboard.

    The panes of dask-labextension read the setting `defaultURL`; a folder of defaults, deleted at
    the end of the block, adds it to any other configuration of JupyterLab. The extension's own list
    of clusters is hidden: it shows only those that the extension starts, and it shall start none.

    Args:
        scheduler: address of the cluster's scheduler.
        dashboard: address of the cluster's dashboard.
    """
    address = dashboard.removesuffix("/status")
    settings = {"dask-labextension:plugin": {"defaultURL": address, "hideClusterManager": True}}
    with TemporaryDirectory(prefix="workbench-lab-") as folder:
        defaults = Path(folder) / "labconfig" / "default_setting_overrides.json"
        defaults.parent.mkdir()
        defaults.write_text(json.dumps(settings))
        others = os.environ.get("JUPYTER_CONFIG_PATH")
        yield os.environ | {
            "DASK_SCHEDULER_ADDRESS": scheduler,
            "DASK_LABEXTENSION__INITIAL": "[]",
            "JUPYTER_CONFIG_PATH": os.pathsep.join([folder, *([others] if others else [])]),
        }


def _app(paths: list[Path], export: Path | None, port: int | None, no_browser: bool) -> None:
    # Imported here: JupyterLab needs none of it, and it takes seconds to load.
    from workbench.evaluation.scenes.snapshots import looker
    from workbench.runs import Run
    from workbench.views.report import write_report
    from workbench.widgets.page.application import PORT, serve
    from workbench.widgets.page.library import Library

    if export is not None:
        if len(paths) != 1:
            raise WorkbenchError("one run to export", f"{len(paths)} paths", "name one run")
        click.echo(write_report(Run.open(paths[0]), export))
        return
    serve(
        Library(paths),
        PORT if port is None else port,
        browser=not no_browser,
        looker=looker,
        ready=lambda address: click.secho(f"{address}  (Ctrl-C ends it)", bold=True),
    )


def _paths(arguments: tuple[str, ...]) -> list[Path]:
    for argument in arguments:
        if argument.startswith("-"):
            raise click.UsageError(f"--app has no option {argument}")
    if arguments:
        return [Path(argument) for argument in arguments]
    there = [path for path in (Path("runs"), Path("stores")) if path.is_dir()]
    if not there:
        raise WorkbenchError(
            "runs or stores to look at",
            "no paths, and no folder runs or stores here",
            "name some: workbench lab --app runs/first",
        )
    return there
