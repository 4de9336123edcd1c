"""Which explorers there are of a run or a store: what the app has tabs for."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipelines.errors import UserError
from workbench.evaluation.regions.distances import has_matrices
from workbench.runs import Run
from workbench.runs.finding import named_by
from workbench.training.kinds import kind_name
from workbench.widgets.explorers.affinity import AffinityExplorer
from workbench.widgets.explorers.datasets import DatasetBrowser
from workbench.widgets.explorers.regions import RegionExplorer
from workbench.widgets.explorers.segmentations import Look, SegmentationExplorer
from workbench.widgets.explorers.spectra import SpectrumExplorer
from workbench.widgets.explorers.training import TrainingExplorer
from workbench.widgets.shells.explorer import Explorer

Looker = Callable[[Run], Look]
"""Of a run: how to look at images of its evaluations whose snapshots were not kept."""


@dataclass(frozen=True)
class Subject:
    """What tabs are about.

    Attributes:
        run: to look at; None where it is a store.
        other: the run beside it, if any.
        store: of scenes or regions; None where it is not known, or not there.
        looker: see `Looker`.
    """

    run: Run | None = None
    other: Run | None = None
    store: Path | None = None
    looker: Looker | None = None

    @classmethod
    def of_run(cls, run: Run, other: Run | None = None, looker: Looker | None = None) -> "Subject":
        """A run with the store that it trained on, if that is there."""
        store = named_by(run, str(run.config.get("store", "")))
        there = isinstance(store, Path) and (store / "zarr.json").is_file()
        return cls(run, other, Path(store) if there else None, looker)

    @property
    def opened(self) -> Run:
        """The run, where a tab has made sure that there is one."""
        assert self.run is not None
        return self.run


@dataclass(frozen=True)
class Tab:
    """One kind of explorer.

    Attributes:
        title: of the tab.
        has: whether there is something to see of a subject.
        make: the explorer of it.
    """

    title: str
    has: Callable[[Subject], bool]
    make: Callable[[Subject], Explorer]


def tabs_of(subject: Subject) -> list[Tab]:
    """The tabs that have something to show; a damaged record has none of those that read it."""
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
        run is not None and kind_name(run.config) in ("scenes", "") and bool(run.snapshot_names())
    )


def _measured(subject: Subject) -> bool:
    return subject.run is not None and not subject.run.metrics().empty


def _pooled(subject: Subject) -> bool:
    run = subject.run
    return run is not None and has_matrices(run) and any(run.checkpoints.glob("*.pt"))


def _stored(subject: Subject) -> bool:
    return subject.store is not None


def _segmentations(subject: Subject) -> Explorer:
    look = None if subject.looker is None else subject.looker(subject.opened)
    return SegmentationExplorer(subject.opened, look)


def _dataset(subject: Subject) -> Explorer:
    assert subject.store is not None
    return DatasetBrowser(subject.store)


TABS = (
    Tab("Monitor", _measured, lambda s: TrainingExplorer(s.opened)),
    Tab("Affinity", _watched, lambda s: AffinityExplorer(s.opened)),
    Tab("Spectrum", _watched, lambda s: SpectrumExplorer(s.opened, s.other)),
    Tab("Segmentations", _watched, _segmentations),
    Tab("Regions", _pooled, lambda s: RegionExplorer(s.opened, s.store)),
    Tab("Dataset", _stored, _dataset),
)
"""All that there are, in the order in which one looks."""
