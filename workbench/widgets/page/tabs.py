"""Tabs of the app: the explorers that a run, a geometry or a store has data for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.errors import UserError
from workbench.evaluation.regions.distances import has_matrices
from workbench.probe.recording import KIND
from workbench.runs import Run
from workbench.runs.finding import is_store, resolved_path
from workbench.runs.geometry import geometry_layers
from workbench.training.images.config import ImageConfig
from workbench.training.kinds import kind_name
from workbench.widgets.explorers.across import AcrossExplorer
from workbench.widgets.explorers.datasets import DatasetBrowser
from workbench.widgets.explorers.geometry import GeometryExplorer
from workbench.widgets.explorers.regions import RegionExplorer
from workbench.widgets.images.page import ImagesPage
from workbench.widgets.shells.explorer import Explorer
from workbench.widgets.workspace import Compare, GeometryPage, State, Workspace
from workbench.widgets.workspace.images import Look

Looker = Callable[[Run], Look]
"""Given a run: function that makes snapshots of its evaluated images, see `Look`."""


@dataclass(frozen=True)
class Subject:
    """Run, geometries or store that the tabs show.

    Attributes:
        run: run to show; None where there is none.
        others: further runs for comparison.
        names: names of all runs in the table; empty: those of their folders.
        store: store of scenes or regions; None where it is unknown or missing.
        geometries: folders of measured geometries, to be shown beside each other.
        looker: see `Looker`.
        state: selection that the workspace begins with and keeps; None: one of its own.
    """

    run: Run | None = None
    others: tuple[Run, ...] = ()
    names: tuple[str, ...] = ()
    store: Path | None = None
    geometries: tuple[Path, ...] = ()
    looker: Looker | None = None
    state: State | None = None

    @classmethod
    def of_run(
        cls,
        run: Run,
        others: Sequence[Run] = (),
        looker: Looker | None = None,
        state: State | None = None,
        names: Sequence[str] = (),
    ) -> "Subject":
        """Subject of a run, with the store that it trained on if that exists."""
        store = resolved_path(run, str(run.config.get("store", "")))
        there = isinstance(store, Path) and is_store(store)
        path = Path(store) if there else None
        return cls(run, tuple(others), tuple(names), path, looker=looker, state=state)

    @property
    def runs(self) -> list[Run]:
        """Run and the others."""
        return [self.opened, *self.others]

    @property
    def opened(self) -> Run:
        """Run of a subject that has one."""
        assert self.run is not None
        return self.run


Opened = Explorer | Workspace | Compare | GeometryPage | ImagesPage
"""Content of a tab."""


@dataclass(frozen=True)
class Tab:
    """Kind of explorer.

    Attributes:
        title: title of the tab.
        has: predicate: whether the subject has data for the tab.
        make: function that makes the explorer of a subject.
    """

    title: str
    has: Callable[[Subject], bool]
    make: Callable[[Subject], Opened]


def tabs_of(subject: Subject) -> list[Tab]:
    """Tabs that have something to show; tabs that would read a damaged record are left out."""
    found = []
    for tab in TABS:
        try:
            if tab.has(subject):
                found.append(tab)
        except UserError:
            continue
    return found


def _watched(subject: Subject) -> bool:
    run = subject.run
    return (
        run is not None
        and kind_name(run.config) in ("scenes", KIND, "")
        and bool(run.snapshot_names())
    )


def _probed(subject: Subject) -> bool:
    return subject.run is not None and kind_name(subject.run.config) == KIND and _watched(subject)


def _measured(subject: Subject) -> bool:
    return subject.run is not None and bool(subject.run.series())


def _has_geometry(subject: Subject) -> bool:
    run = subject.run
    return run is not None and not _of_images(subject) and bool(geometry_layers(run.series()))


def _of_images(subject: Subject) -> bool:
    return subject.run is not None and kind_name(subject.run.config) == ImageConfig.kind


def _pooled(subject: Subject) -> bool:
    run = subject.run
    return run is not None and has_matrices(run) and any(run.checkpoints.glob("*.pt"))


def _stored(subject: Subject) -> bool:
    return subject.store is not None


def _workspace(subject: Subject) -> Workspace:
    look = None if subject.looker is None else subject.looker(subject.opened)
    return Workspace(subject.runs, subject.state, subject.names, look)


def _dataset(subject: Subject) -> Explorer:
    assert subject.store is not None
    return DatasetBrowser(subject.store)


WORKSPACE = "Workspace"
TABS = (
    Tab(WORKSPACE, _watched, _workspace),
    Tab("Geometry", _of_images, lambda s: ImagesPage(s.runs, s.state, s.names)),
    Tab("Curves", _measured, lambda s: Compare(s.runs, s.state, s.names)),
    Tab("Geometry", _has_geometry, lambda s: GeometryPage(s.runs, s.state, s.names)),
    Tab("All images", _probed, lambda s: AcrossExplorer(s.opened)),
    Tab("Regions", _pooled, lambda s: RegionExplorer(s.opened, s.store)),
    Tab("Geometry", lambda s: bool(s.geometries), lambda s: GeometryExplorer(s.geometries)),
    Tab("Dataset", _stored, _dataset),
)
"""All tabs, in the order in which they are shown."""
