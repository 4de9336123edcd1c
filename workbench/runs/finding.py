"""Search for runs below a folder, and for the paths that a run's configuration names."""

import os
from collections.abc import Iterator
from pathlib import Path

from workbench.runs.run import Run

_RECORD = {"config.json", "provenance.json", "events.jsonl"}
"""Files that every run folder has."""


def find_runs(folder: Path | str) -> list[Path]:
    """Runs at a folder and below it, most recently written first.

    Folders of runs and stores are not searched: stores have hundreds of thousands of files.
    """
    return sorted(sorted(_runs(Path(folder))), key=_written, reverse=True)


def is_run(folder: Path | str) -> bool:
    """Whether a folder is a run folder."""
    return all((Path(folder) / name).is_file() for name in _RECORD)


def is_store(path: Path | str) -> bool:
    """Whether a path is a store of scenes or regions."""
    path = Path(path)
    return path.suffix == ".zarr" and (path / "zarr.json").is_file()


def resolved_path(run: Run, name: str) -> Path | str:
    """Path that a run's configuration names, resolved from here.

    A relative path started from the folder in which the training was started: the working folder,
    or usually one of the run's parent folders. A path that is found in none of them is returned as
    it is.

    Args:
        run: run with the configuration.
        name: path or URL.
    """
    if "://" in name:
        return name
    here = [Path(), *run.path.resolve().parents]
    return next((folder / name for folder in here if (folder / name).exists()), Path(name))


def _runs(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        if set(files) >= _RECORD:
            yield Path(place)
            folders.clear()
        folders[:] = [f for f in folders if not f.startswith(".") and ".zarr" not in f]


def _written(run: Path) -> float:
    """Time of the last record; 0 for a run that has been deleted meanwhile."""
    try:
        return (run / "events.jsonl").stat().st_mtime
    except OSError:
        return 0.0
