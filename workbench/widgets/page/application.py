"""App of the workbench: a page with a menu of runs and a tab for each explorer of the chosen run.

An explorer is made when its tab is first opened. A tab appears as soon as the run has recorded
something for it.
"""

import errno
import socket
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import holoviews as hv
import panel as pn
from bokeh.core.validation import silence
from bokeh.core.validation.warnings import FIXED_SIZING_MODE

from pipelines.errors import UserError
from workbench.errors import WorkbenchError
from workbench.widgets.page.library import Library
from workbench.widgets.page.tabs import Looker, Subject, Tab, tabs_of
from workbench.widgets.shells.explorer import Explorer

PORT = 5006
NOBODY = Path()
INTERVAL = 3000
"""Milliseconds between two refreshes of the menu and of the open explorer."""


class Page:
    """Content of one browser window.

    Args:
        library: runs and stores to choose from; shared by all pages.
        looker: source of snapshots of evaluated images whose own were not kept.

    Attributes:
        chooser: menu of runs and stores, by path.
        beside: menu of second runs, by path; `NOBODY`: none.
        tabs: explorers of the chosen run or store.
    """

    def __init__(self, library: Library, looker: Looker | None = None) -> None:
        self.library, self.looker = library, looker
        self.subject = Subject()
        self.explorers: dict[str, Explorer] = {}
        self._shown: list[Tab] = []
        self._seen = 0  # `seq` of the last event that the open explorer has read
        self._chosen: tuple[Path | None, Path | None] = None, None
        self.chooser = pn.widgets.Select(label="run or store", width=460)
        self.beside = pn.widgets.Select(label="beside it, in the spectrum", width=460)
        self.message = pn.pane.Alert("", alert_type="warning", visible=False)
        self.tabs = pn.Tabs()
        self._update_choices()
        self.chooser.param.watch(lambda _: self.choose(), "value")
        self.beside.param.watch(lambda _: self.choose(), "value")
        self.tabs.param.watch(lambda _: self._open(), "active")
        self.choose()

    def layout(self) -> pn.Column:
        """Layout of the page, refreshed as long as the window is open."""
        if pn.state.curdoc is not None:
            pn.state.add_periodic_callback(self.refresh, INTERVAL)
        head = pn.FlexBox(self.chooser, self.beside)
        return pn.Column(head, self.message, self.tabs, sizing_mode="stretch_width")

    def choose(self) -> None:
        """Show the chosen run or store, with the tab of the same title open."""
        if (self.chooser.value, self.beside.value) == self._chosen:
            return  # only the labels of the options have changed
        self._chosen = self.chooser.value, self.beside.value
        title = self._title
        self.message.visible = False
        try:
            self.subject = self._subject()
        except UserError as error:
            self.subject = Subject()
            self._show_error(error)
        self.explorers, self._seen = {}, 0
        self._show(tabs_of(self.subject), title)

    def refresh(self) -> None:
        """Read the status of all runs, and new events of the chosen one."""
        self._update_choices()
        run = self.subject.run
        if run is None:
            return
        found = tabs_of(self.subject)
        if found != self._shown:
            self._show(found, self._title)
        explorer = self.explorers.get(self._title)
        # By events, not by status: a run's last records come with its end.
        news = run.events(since=self._seen)
        if explorer is not None and news:
            self._seen = news[-1].seq
            explorer.refresh()

    @property
    def _title(self) -> str:
        """Title of the open tab; empty where there is none."""
        return self._shown[self.tabs.active].title if self._shown else ""

    def _subject(self) -> Subject:
        entry = next(e for e in self.library.entries() if e.path == self.chooser.value)
        if entry.store:
            return Subject(store=entry.path)
        other = None if self.beside.value == NOBODY else self.library.run(self.beside.value)
        return Subject.of_run(self.library.run(entry.path), other, self.looker)

    def _update_choices(self) -> None:
        """Update both menus; the present choice is kept."""
        entries = self.library.entries()
        runs = {entry.label: entry.path for entry in entries if not entry.store}
        stores = {entry.label: entry.path for entry in entries if entry.store}
        for widget, options in (
            (self.chooser, runs | stores),
            (self.beside, {"nobody": NOBODY} | runs),
        ):
            there = list(options.values())
            value = widget.value if widget.value in there else there[0]
            widget.param.update(options=options, value=value)

    def _show(self, tabs: list[Tab], title: str) -> None:
        """Show these tabs, with the tab of that title open if there is one."""
        kept = {tab.title: pane for tab, pane in zip(self._shown, self.tabs, strict=True)}
        titles = [tab.title for tab in tabs]
        panes = [kept[each] if each in self.explorers else pn.Column() for each in titles]
        self._shown = tabs
        self.tabs[:] = list(zip(titles, panes, strict=True))
        if titles:
            self.tabs.active = titles.index(title) if title in titles else 0
        self._open()

    def _open(self) -> None:
        """Make the explorer of the open tab, unless it exists."""
        if not self._shown or self._title in self.explorers:
            return
        tab: Tab = self._shown[self.tabs.active]
        pane: Any = self.tabs[self.tabs.active]
        try:
            explorer = tab.make(self.subject)
        except UserError as error:
            self._show_error(error)
            return
        self.explorers[tab.title] = explorer
        pane.objects = [explorer.panel()]

    def _show_error(self, error: UserError) -> None:
        self.message.object, self.message.visible = escape(str(error)), True


def serve(
    library: Library,
    port: int = PORT,
    *,
    browser: bool = True,
    looker: Looker | None = None,
    ready: Callable[[str], None] = print,
) -> None:
    """Serve the app on this machine until Ctrl-C; the page needs no network.

    Args:
        library: runs and stores to show.
        port: port; 0: any free one.
        browser: open a browser.
        looker: see `Page`.
        ready: function that is called with the address.

    Raises:
        WorkbenchError: the port is taken.
    """
    silence(FIXED_SIZING_MODE, True)  # HoloViews sets the sizes of frames
    hv.Store.set_current_backend("bokeh")
    _make_sure_of(port)
    server: Any = pn.serve(
        lambda: Page(library, looker).layout(),
        port=port,
        title="workbench",
        start=False,
        show=False,
        verbose=False,
    )
    try:
        server.start()
        ready(f"http://localhost:{server.port}")
        if browser:
            server.show("/")
        server.io_loop.start()
    finally:
        server.stop()


def _make_sure_of(port: int) -> None:
    try:
        socket.create_server(("", port)).close()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise WorkbenchError(
            f"a free port, {port} for example", "somebody at it", "give another: --port 0 for any"
        ) from error
