"""Runs and stores below given paths."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.runs import Run
from workbench.runs.finding import find_runs, is_run, is_store


@dataclass(frozen=True)
class Entry:
    """Run or store that can be opened.

    Attributes:
        path: path of its folder.
        name: shortest end of the path that is unique.
        store: whether the entry is a store.
    """

    path: Path
    name: str
    store: bool


class Library:
    """Collection of runs and stores; runs that appear later are found too.

    Args:
        paths: runs, stores, and folders of runs and stores.

    Raises:
        WorkbenchError: a path does not exist, or none of them holds a run or a store.
    """

    def __init__(self, paths: Sequence[Path | str]) -> None:
        self.paths = [Path(path) for path in paths]
        self._runs: dict[Path, Run] = {}
        for path in self.paths:
            if not path.exists():
                raise WorkbenchError(
                    f"a run, a store or a folder of runs at {path}",
                    "nothing there",
                    "name one: workbench lab --app runs/first",
                )
        if not self.entries():
            raise WorkbenchError(
                f"a run or a store in {', '.join(map(str, self.paths))}",
                "none",
                "train one: workbench train deep-ncuts --run runs/first",
            )

    def entries(self) -> list[Entry]:
        """Runs, most recently written first, then stores."""
        runs = list(dict.fromkeys(run for path in self.paths for run in find_runs(path)))
        stores = list(dict.fromkeys(store for path in self.paths for store in _stores(path)))
        names = dict(zip([*runs, *stores], _names([*runs, *stores]), strict=True))
        return [
            *(Entry(path, names[path], store=False) for path in runs),
            *(Entry(path, names[path], store=True) for path in stores),
        ]

    def run(self, path: Path) -> Run:
        """Run of the library, opened again where another run has replaced it.

        Raises:
            WorkbenchError: the run cannot be opened.
        """
        known = self._runs.get(path)
        if known is None or Run.open(path).provenance != known.provenance:
            self._runs[path] = Run.open(path)
        return self._runs[path]


def ago(seconds: int | float) -> str:
    """Elapsed time in its largest unit, as text."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return "now" if seconds < 5 else f"{int(seconds)} s ago"


def _stores(path: Path) -> list[Path]:
    """Stores at a path: the store itself, or the stores in a folder."""
    if is_store(path):
        return [path]
    if is_run(path) or not path.is_dir():
        return []
    return sorted(each for each in path.iterdir() if is_store(each))


def _names(paths: Sequence[Path]) -> list[str]:
    """Shortest ends of the paths that tell them apart."""
    names = []
    for path in (each.resolve() for each in paths):
        parts, count = path.parts, 1
        others = [each.resolve().parts for each in paths if each.resolve() != path]
        while count < len(parts) and any(o[-count:] == parts[-count:] for o in others):
            count += 1
        names.append("/".join(parts[-count:]))
    return names
