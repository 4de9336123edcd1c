"""Runs, measured geometries and stores below given paths."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from workbench.errors import WorkbenchError
from workbench.probe.geometry.record import is_geometry
from workbench.runs import Run
from workbench.runs.finding import find_runs, is_run, is_store

Kind = Literal["run", "geometry", "store"]


@dataclass(frozen=True)
class Entry:
    """Run, measured geometry or store that can be opened.

    Attributes:
        path: path of its folder.
        name: shortest end of the path that is unique.
        kind: which of them it is.
    """

    path: Path
    name: str
    kind: Kind


class Library:
    """Collection of runs, geometries and stores; those that appear later are found too.

    Args:
        paths: runs, geometries, stores, and folders of them.

    Raises:
        WorkbenchError: a path does not exist, or none of them holds any.
    """

    def __init__(self, paths: Sequence[Path | str]) -> None:
        self.paths = [Path(path) for path in paths]
        self._runs: dict[Path, tuple[Any, Run]] = {}
        for path in self.paths:
            if not path.exists():
                raise WorkbenchError(
                    f"a run, a geometry, a store or a folder of these at {path}",
                    "nothing there",
                    "name one: workbench lab --app runs/first",
                )
        if not self.entries():
            raise WorkbenchError(
                f"a run, a geometry or a store in {', '.join(map(str, self.paths))}",
                "none",
                "train one: workbench train deep-ncuts --run runs/first",
            )

    def entries(self) -> list[Entry]:
        """Runs, most recently written first, then geometries, then stores."""
        found: dict[Path, Kind] = {}
        for path in self.paths:
            found |= dict.fromkeys(find_runs(path), "run")
        for path in self.paths:
            found |= dict.fromkeys(_folders(path, is_geometry), "geometry")
        for path in self.paths:
            found |= dict.fromkeys(_folders(path, is_store), "store")
        names = _names(list(found))
        return [Entry(path, n, kind) for n, (path, kind) in zip(names, found.items(), strict=True)]

    def run(self, path: Path) -> Run:
        """Run of the library, opened again where another run has replaced it.

        Raises:
            WorkbenchError: the run cannot be opened.
        """
        state = tuple(_state(path / name) for name in ("config.json", "provenance.json"))
        known = self._runs.get(path)
        if known is None or known[0] != state:
            self._runs[path] = known = state, Run.open(path)
        return known[1]


def _folders(path: Path, is_wanted: Callable[[Path], bool]) -> list[Path]:
    """Folders of a kind at a path: itself, or those in it."""
    if is_wanted(path):
        return [path]
    if is_run(path) or not path.is_dir():
        return []
    return sorted(each for each in path.iterdir() if is_wanted(each))


def _names(paths: Sequence[Path]) -> list[str]:
    """Shortest ends of the paths that tell them apart."""
    every = [each.resolve().parts for each in paths]
    ends = Counter(parts[-n:] for parts in set(every) for n in range(1, len(parts) + 1))
    counts = [
        next((n for n in range(1, len(parts)) if ends[parts[-n:]] == 1), len(parts))
        for parts in every
    ]
    return ["/".join(parts[-n:]) for parts, n in zip(every, counts, strict=True)]


def _state(path: Path) -> tuple[int, int] | None:
    """Identity of a file and time of its last change; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns
