"""App of the workbench: a table of runs, and tabs of what the chosen run has data for.

A tab's content is made when it is first opened. A tab appears as soon as the run has recorded
something for it. The selection stands in the page's address: a link opens the same view.
"""

import errno
import socket
from collections.abc import Callable
from html import escape
from typing import Any

import holoviews as hv
import panel as pn
from bokeh.core.validation import silence
from bokeh.core.validation.warnings import FIXED_SIZING_MODE
from bokeh.models.widgets import Div

from pipelines.errors import UserError
from workbench.errors import WorkbenchError
from workbench.widgets.page.library import Library
from workbench.widgets.page.runs import RunTable
from workbench.widgets.page.tabs import WORKSPACE, Looker, Opened, Subject, Tab, tabs_of
from workbench.widgets.served import in_one_message, served_page
from workbench.widgets.shells.explorer import Explorer
from workbench.widgets.workspace import State, Workspace

PORT = 5006
INTERVAL = 2000
_DRAWN = 2
"""Intervals that a browser has for the drawing of the page."""
_HEADER = 60
"""Height of the row of tabs, screen pixels."""
_LOADING = '<div style="color:#8d929b;padding:60px;font-size:16px">Loading {} …</div>'
"""Milliseconds between two refreshes of the table and of the open explorer."""


class Page:
    """Content of one browser window.

    Args:
        library: runs and stores to choose from; shared by all pages.
        looker: source of snapshots of evaluated images whose own were not kept.

    Attributes:
        state: selection: the chosen runs, the main one first, and what is shown of them.
        table: table of runs and stores.
        tabs: titles of what the chosen run or store has data for.
        body: what is open.
    """

    def __init__(
        self, library: Library, looker: Looker | None = None, state: State | None = None
    ) -> None:
        self.library, self.looker = library, looker
        self.state = state or State()
        self.subject = Subject()
        self.explorers: dict[str, Opened] = {}
        self._shown: list[Tab] = []
        self._height: int | None = None
        self._looks = 0
        self._seen = 0  # `seq` of the last event that the open explorer has read
        self.table = RunTable(library, self.state)
        self.message = pn.pane.Alert("", alert_type="warning", visible=False)
        self.tabs = pn.widgets.RadioButtonGroup(options=[])
        self.body = pn.Column(sizing_mode="stretch_both", styles={"min-height": "0"})
        self._panels: dict[str, pn.viewable.Viewable] = {}
        asked = self.state.run
        if self.table.entry(asked) is None:
            self.state.runs = [self.table.readable()]
        self.state.param.watch(lambda *_: self.choose(), "runs")
        self.tabs.param.watch(lambda _: self._open(), "value")
        self.choose()
        if asked and asked != self.state.run:
            self.show_error(
                WorkbenchError(f"a run or store {asked}", "none of that name here", "choose one")
            )

    def layout(self, height: int | None = None) -> pn.Row:
        """Layout of the page, refreshed as long as the window is open.

        Args:
            height: height in a cell, screen pixels; None: a page of its own. A cell with one run
                has no table.
        """
        self._height = height
        self._panels = {title: self._panel(each) for title, each in self.explorers.items()}
        self._put(self._title)
        if served_page() is not None:
            pn.state.add_periodic_callback(self._follow, INTERVAL)
        left = pn.Column(self.table.panel(), width=360, sizing_mode="stretch_height")
        dark = self.state.theme == "dark"
        theme = pn.widgets.Button(
            label="☀" if dark else "☾", width=36, description="Light or dark colours"
        )
        theme.on_click(lambda _: self._change_theme())
        runs = pn.widgets.Button(label="☰", width=36, description="Show or hide the table of runs")
        runs.on_click(lambda _: setattr(left, "visible", not left.visible))
        header = pn.Row(runs, self.tabs, pn.Spacer(sizing_mode="stretch_width"), theme)
        header.sizing_mode = "stretch_width"
        right = pn.Column(
            self.message, header, self.body, sizing_mode="stretch_both", styles={"min-height": "0"}
        )
        if height is None:
            return pn.Row(left, right, sizing_mode="stretch_both")
        header.pop(-1)  # the notebook's colours are its own
        alone = len(self.library.entries()) == 1
        if alone:
            header.pop(0)
        shown = [right] if alone else [left, right]
        return pn.Row(*shown, sizing_mode="stretch_width", height=height)

    def _follow(self) -> None:
        """Refresh the page, once it is drawn: a table that is being built stumbles over cells."""
        self._looks += 1
        if self._looks > _DRAWN:
            self.refresh()

    def _panel(self, explorer: Opened) -> pn.viewable.Viewable:
        if isinstance(explorer, Workspace) and self._height is not None:
            return explorer.panel(self._height - _HEADER)
        return explorer.panel()

    def _reopened(self, tabs: list[Tab]) -> list[str]:
        """Titles of what shows the new subject already: the workspace, in its own panels."""
        space, subject = self.explorers.get(WORKSPACE), self.subject
        if not isinstance(space, Workspace) or WORKSPACE not in [tab.title for tab in tabs]:
            return []
        look = None if self.looker is None else self.looker(subject.opened)
        try:
            space.open(subject.runs, subject.names, look)
        except (UserError, OSError) as error:
            self.show_error(error)
            return []
        return [WORKSPACE]

    def _change_theme(self) -> None:
        """Load the page again with the other colours, which a page takes when it is loaded."""
        self.state.theme = "light" if self.state.theme == "dark" else "dark"
        if pn.state.location is not None:
            pn.state.location.param.update(search=f"?{self.state.query()}", reload=True)

    @in_one_message()
    def choose(self) -> None:
        """Show the chosen run or store, with the tab of the same title open."""
        title = self._title
        self.message.visible = False
        try:
            self.subject = self._subject()
        except UserError as error:
            self.subject = Subject()
            self.show_error(error)
        tabs = tabs_of(self.subject)
        kept = self._reopened(tabs)
        for name, each in self.explorers.items():
            if not isinstance(each, Explorer) and name not in kept:
                each.close()
        self.explorers = {name: self.explorers[name] for name in kept}
        self._panels = {name: self._panels[name] for name in kept}
        self._seen = 0
        self._show(tabs, title)
        if not self.message.visible and (problem := self.table.problem(self.state.run)):
            self._say(problem)

    @in_one_message()
    def refresh(self) -> None:
        """Read the status of all runs, and new events of the chosen one."""
        self.table.refresh()
        run = self.subject.run
        if run is None:
            return
        try:
            found = tabs_of(self.subject)
            if found != self._shown:
                self._show(found, self._title)
            explorer = self.explorers.get(self._title)
            # By events, not by status: a run's last records come with its end.
            last = run.latest()
            if explorer is not None and last is not None and last.seq > self._seen:
                self._seen = last.seq
                explorer.refresh()
        except (UserError, OSError) as error:  # it was deleted or damaged while it is shown
            self._say(f"The run cannot be read any more: {error}")

    @property
    def _title(self) -> str:
        """Title of the open tab; empty where there is none."""
        return self.tabs.value or ""

    def _subject(self) -> Subject:
        """Subject of the state's runs; of those beside the main one, what can be opened."""
        entry = self.table.entry(self.state.run)
        assert entry is not None, "the state's run is one of the table"
        if entry.kind == "store":
            return Subject(store=entry.path)
        if entry.kind == "geometry":
            chosen = [self.table.entry(name) for name in self.state.runs]
            alike = tuple(each.path for each in chosen if each and each.kind == "geometry")
            return Subject(geometries=alike)
        main, others, refused = self.library.run(entry.path), [], []
        for name in self.state.runs[1:]:
            beside = self.table.entry(name)
            if beside is None or beside.kind != "run":
                continue
            try:
                others.append((name, self.library.run(beside.path)))
            except (UserError, OSError) as error:
                refused.append(error)
        if refused:
            self.show_error(refused[0])
        names = [entry.name, *(name for name, _ in others)]
        return Subject.of_run(main, [run for _, run in others], self.looker, self.state, names)

    def _show(self, tabs: list[Tab], title: str) -> None:
        """Show these tabs, with the tab of that title open if there is one."""
        titles = [tab.title for tab in tabs]
        self._shown = tabs
        value = title if title in titles else next(iter(titles), None)
        self.tabs.param.update(options=titles, value=value)
        self._open()

    @in_one_message()
    def _open(self) -> None:
        """Show the open tab; its explorer is made at the first time."""
        title = self._title
        tab = next((each for each in self._shown if each.title == title), None)
        if tab is None or title in self.explorers:
            self._put(title)
        elif (page := served_page()) is not None:  # it says so before it is busy
            self.body.objects = [pn.pane.Bokeh(Div(text=_LOADING.format(escape(title))))]
            page.add_next_tick_callback(lambda: self._make(tab))
        else:
            self._make(tab)

    @in_one_message()
    def _make(self, tab: Tab) -> None:
        """Make the content of a tab, unless another has been opened meanwhile."""
        if tab not in self._shown or tab.title in self.explorers:
            return
        try:
            self.explorers[tab.title] = tab.make(self.subject)
            self._panels[tab.title] = self._panel(self.explorers[tab.title])
        except (UserError, OSError) as error:
            self.show_error(error)
        except Exception as error:  # a fault of ours: the page says so, the log has all of it
            self.show_error(error)
            raise
        finally:
            self._put(self._title)

    def _put(self, title: str) -> None:
        shown = [self._panels[title]] if title in self._panels else []
        if list(self.body) != shown:
            self.body.objects = shown

    def show_error(self, error: Exception) -> None:
        """Show an error above what is open."""
        self._say(str(error))

    def _say(self, message: str) -> None:
        self.message.param.update(object=escape(message), visible=True)


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
        lambda: _page(library, looker).layout(),
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


def _page(library: Library, looker: Looker | None) -> Page:
    """Page with the selection that its address names; the address follows the selection."""
    state, location, wrong = State(), pn.state.location, None
    try:
        state.param.update(**State.read("" if location is None else location.search))
    except WorkbenchError as error:
        wrong = error
    if state.theme == "dark" and pn.state.curdoc is not None:
        pn.state.curdoc.theme = "dark_minimal"
    page = Page(library, looker, state)
    if wrong is not None:
        page.show_error(wrong)
    if location is None:
        return page

    def write(*_: object) -> None:
        query = state.query()
        location.search = f"?{query}" if query else ""

    def read(event: Any) -> None:  # back and forward in the browser
        try:
            state.param.update(**State.read(event.new))
        except WorkbenchError as error:
            page.show_error(error)

    state.param.watch(write, list(State.ADDRESS))
    location.param.watch(read, "search")
    pn.state.add_periodic_callback(
        write, INTERVAL // 4
    )  # what comes before a page is shown is lost
    return page


def _make_sure_of(port: int) -> None:
    try:
        socket.create_server(("", port)).close()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise WorkbenchError(
            f"a free port, {port} for example", "somebody at it", "give another: --port 0 for any"
        ) from error
