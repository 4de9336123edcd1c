"""The page of runs, probes, geometries and stores in a cell of JupyterLab.

workbench.explore("runs/first")
workbench.explore(["runs/first", "runs/second"], overlay="segments")
workbench.explore(workbench.probe(model, images="holiday/", layers=["blocks.9"]))
workbench.explore(workbench.layer_geometry(model, "holiday/", layers=["blocks.*"]))
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, overload

import ipywidgets
import panel as pn
from IPython.display import display

from workbench.errors import WorkbenchError
from workbench.evaluation.scenes.snapshots import looker
from workbench.probe.geometry.result import LayerGeometry
from workbench.probe.result import Probe
from workbench.runs import Run, Status
from workbench.widgets.explorers.geometry import GeometryExplorer
from workbench.widgets.page.application import INTERVAL, Page
from workbench.widgets.page.library import Library
from workbench.widgets.page.tabs import Opened
from workbench.widgets.shells.jupyter_shell import as_present, load_plots, load_tables
from workbench.widgets.shells.main_thread import answer_in_main_thread
from workbench.widgets.workspace import State

HEIGHT = 780
"""Height of the page in a cell, screen pixels."""

Explorable = Probe | Run | Path | str


class Exploration:
    """Page in a cell: tabs of what a run has data for, beside a table where there are several runs.

    Args:
        page: the page.

    Attributes:
        page: the page; its `state` is the selection, which can be read and set.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self._timer: Any = None

    @property
    def state(self) -> State:
        """Selection: runs, image, step, pixels, overlay, …"""
        return self.page.state

    @property
    def titles(self) -> list[str]:
        """Titles of the tabs, in their order."""
        return list(self.page.tabs.options)

    def explorer(self, title: str) -> Opened:
        """Content of a tab, which is opened.

        Raises:
            WorkbenchError: there is no such tab, or its data cannot be read.
        """
        if title not in self.titles:
            raise WorkbenchError(f"a tab out of {', '.join(self.titles)}", title, "name one")
        self.page.tabs.value = title
        if title not in self.page.explorers:
            raise WorkbenchError(f"data for {title}", self.page.message.object, "open another tab")
        return self.page.explorers[title]

    def panel(self) -> pn.viewable.Viewable:
        """Layout for a Panel app."""
        return self.page.layout()

    def widget(self) -> ipywidgets.Widget:
        """Widget for a cell of JupyterLab; it follows runs that go on."""
        run = self.page.subject.run
        if self._timer is None and run is not None and run.status is Status.RUNNING:
            self._timer = pn.state.add_periodic_callback(self.page.refresh, INTERVAL)
        return as_present(self.page.layout(HEIGHT))

    def _ipython_display_(self) -> None:
        answer_in_main_thread()
        load_plots()
        load_tables()
        display(self.widget())


@overload
def explore(thing: LayerGeometry | Sequence[LayerGeometry]) -> GeometryExplorer: ...


@overload
def explore(thing: Explorable | Sequence[Explorable], **selection: Any) -> Exploration: ...


def explore(thing: Any, **selection: Any) -> Exploration | GeometryExplorer:
    """Explore runs, probes, geometries and stores in the cell of a notebook.

    Args:
        thing: probe, run, run folder, measured geometry or its folder, store of scenes or regions,
            folder of these, or several of them; the first run is shown, all given ones beside each
            other. A `LayerGeometry`, or several, has an explorer of its own and no page.
        selection: what is shown at first: parameters of `widgets.workspace.State`, for example
            image="1002", overlay="segments", k=8.

    Raises:
        WorkbenchError: a path is no run, geometry or store, geometries are on different images, a
            parameter is none of the selection, or
            there is nothing to explore yet.
    """
    several: list[Any] = [thing] if isinstance(thing, Explorable | LayerGeometry) else list(thing)
    looks = [each for each in several if isinstance(each, LayerGeometry)]
    if looks:
        if selection or len(looks) < len(several):
            raise WorkbenchError(
                "geometries alone, without a selection",
                ", ".join([*(type(each).__name__ for each in several), *selection]),
                "explore the others by themselves",
            )
        return GeometryExplorer(looks)
    paths = [_path(each) for each in several]
    library = Library(paths)
    entries = {each.path.resolve(): each.name for each in library.entries()}
    named = [entries[path.resolve()] for path in paths if path.resolve() in entries]
    try:
        state = State(**{"runs": named[: len(paths)]} | selection)
    except (TypeError, ValueError) as error:
        raise WorkbenchError(
            f"parameters out of {', '.join(State.ADDRESS)}", f"{error}", "correct them"
        ) from error
    page = Page(library, looker, state)
    if not page.tabs.options:
        raise WorkbenchError(
            "a run with measurements, snapshots or kept features",
            f"nothing of these in {paths[0]}",
            "wait for its first records",
        )
    return Exploration(page)


def _path(thing: Explorable) -> Path:
    if isinstance(thing, Probe):
        return thing.run.path
    return thing.path if isinstance(thing, Run) else Path(thing)
