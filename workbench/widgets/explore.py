"""Tabs with all explorers that a probe, a run or a store has data for.

workbench.explore("runs/first")
workbench.explore(workbench.probe(model, images="holiday/", layers=["blocks.9"]))
"""

from functools import cache
from pathlib import Path
from typing import Any

import ipywidgets
import panel as pn
from IPython.display import display

from workbench.errors import WorkbenchError
from workbench.probe.result import Probe
from workbench.runs import Run
from workbench.widgets.page.tabs import Opened, Subject, tabs_of
from workbench.widgets.shells.jupyter_shell import load_plots
from workbench.widgets.shells.main_thread import answer_in_main_thread


class Exploration:
    """Explorers of one subject in tabs, in a cell of JupyterLab or in a Panel app.

    An explorer is made when its tab is first opened.

    Args:
        subject: run or store.

    Attributes:
        titles: titles of the tabs.

    Raises:
        WorkbenchError: the subject has nothing to explore yet.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._tabs = {tab.title: tab for tab in tabs_of(subject)}
        self._made: dict[str, Opened] = {}
        if not self._tabs:
            raise WorkbenchError(
                "a run with measurements, snapshots or kept features",
                f"nothing of these in {subject.opened.path}",
                "wait for its first records",
            )

    @property
    def titles(self) -> list[str]:
        """Titles of the tabs, in their order."""
        return list(self._tabs)

    def explorer(self, title: str) -> Opened:
        """Explorer of a tab, made at the first call.

        Raises:
            WorkbenchError: there is no such tab.
        """
        if title not in self._tabs:
            raise WorkbenchError(f"a tab out of {', '.join(self._tabs)}", title, "name one of them")
        if title not in self._made:
            self._made[title] = self._tabs[title].make(self._subject)
        return self._made[title]

    def panel(self) -> pn.Column:
        """Layout of the tabs for a Panel app."""
        # Not pn.Tabs: figures of a fixed size stay blank in them beside one that stretches.
        made = cache(lambda title: self.explorer(title).panel())
        titles = pn.widgets.RadioButtonGroup(options=self.titles)
        body = pn.Column(made(titles.value), sizing_mode="stretch_both")

        def open_tab(event: Any) -> None:
            body.objects = [made(event.new)]

        titles.param.watch(open_tab, "value")
        return pn.Column(titles, body, sizing_mode="stretch_both")

    def tabs(self) -> ipywidgets.Tab:
        """Tabs as ipywidgets."""
        boxes = [ipywidgets.VBox() for _ in self.titles]
        shown = ipywidgets.Tab(boxes, titles=self.titles)

        def open_tab(_: object = None) -> None:
            box = boxes[shown.selected_index or 0]
            if not box.children:
                box.children = [self.explorer(self.titles[shown.selected_index or 0]).widget()]

        open_tab()
        shown.observe(open_tab, "selected_index")
        return shown

    def _ipython_display_(self) -> None:
        answer_in_main_thread()
        load_plots()
        display(self.tabs())


def explore(thing: Probe | Run | Path | str) -> Exploration:
    """Explore a probe, a run or a store in tabs, in the cell of a notebook.

    Args:
        thing: probe, run, run folder, or store of scenes or regions.

    Raises:
        WorkbenchError: the folder is no run and no store, or has nothing to explore yet.
    """
    if isinstance(thing, Probe):
        thing = thing.run
    return Exploration(Subject.of_run(thing) if isinstance(thing, Run) else Subject.of_path(thing))
