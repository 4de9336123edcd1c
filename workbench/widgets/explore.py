"""The page of runs, probes and stores in a cell of JupyterLab.

workbench.explore("runs/first")
workbench.explore(["runs/first", "runs/second"], overlay="segments")
workbench.explore(workbench.probe(model, images="holiday/", layers=["blocks.9"]))
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ipywidgets
import panel as pn
from IPython.display import display

from workbench.errors import WorkbenchError
from workbench.evaluation.scenes.snapshots import looker
from workbench.probe.result import Probe
from workbench.runs import Run, Status
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


def explore(thing: Explorable | Sequence[Explorable], **selection: Any) -> Exploration:
    """Explore runs, probes and stores in the cell of a notebook.

    Args:
        thing: probe, run, run folder, store of scenes or regions, folder of runs, or several of
            these; the first run is shown, all given ones beside each other.
        selection: what is shown at first: parameters of `widgets.workspace.State`, for example
            image="1002", overlay="segments", k=8.

    Raises:
        WorkbenchError: a path is no run and no store, a parameter is none of the selection, or
            there is nothing to explore yet.
    """
    several = [thing] if isinstance(thing, Probe | Run | Path | str) else thing
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
