"""Runs where somebody left them: all under a folder, and what a run's configuration names."""

import os
from collections.abc import Iterator
from pathlib import Path

from workbench.runs.run import Run

_RECORD = {"config.json", "provenance.json", "events.jsonl"}
"""What makes a folder a run."""


def find_runs(folder: Path | str) -> list[Path]:
    """The runs at a folder and below it, the one that was written to last first.

    Folders of a run are not looked into, nor stores: these have hundreds of thousands of files.
    """
    return sorted(sorted(_runs(Path(folder))), key=_written, reverse=True)


def is_run(folder: Path | str) -> bool:
    """Whether a folder is a run's."""
    return all((Path(folder) / name).is_file() for name in _RECORD)


def resolved_path(run: Run, name: str) -> Path | str:
    """A path that a run's configuration names, from where it means something.

    A relative path was one from the folder in which the training was started. That is this one or,
    as a rule, one that the run lies in. What is found in none of them comes back as it is.

    Args:
        run: whose configuration it is.
        name: a path, or a URL.
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
    """When something was last recorded; 0 of a run that is gone by now."""
    try:
        return (run / "events.jsonl").stat().st_mtime
    except OSError:
        return 0.0
