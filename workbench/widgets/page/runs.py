"""Table of runs of a workspace: sorted and filtered in the page; chosen rows are what is shown."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from html import escape
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import panel as pn
from bokeh.models.widgets import Div
from bokeh.models.widgets.tables import HTMLTemplateFormatter, NumberFormatter

from pipelines.errors import UserError
from workbench.runs import Run, Status
from workbench.runs.provenance import commit_in_words
from workbench.runs.summary import Summary, summary
from workbench.training.kinds import kind_name
from workbench.widgets.page.cells import (
    BAR,
    DURATION,
    MARKS,
    plain_value,
    reason,
    rounded_seconds,
    sparkline,
    unreadable,
)
from workbench.widgets.page.library import Entry, Library
from workbench.widgets.served import in_turn
from workbench.widgets.workspace import State
from workbench.widgets.workspace.measured import flat
from workbench.widgets.workspace.state import MOST_CURVES

COLUMNS = {
    "mark": "", "name": "name", "best": "best", "curve": "curve", "state": "state",
    "progress": "done", "left": "left", "metric": "metric", "last": "last", "step": "step",
    "duration": "duration", "age": "last record", "kind": "kind", "commit": "commit",
    "note": "note",
}  # fmt: skip
"""Titles of the columns that every run has."""
_ALWAYS = ("mark", "name")
_NUMBERS = ("best", "progress", "left", "last", "step", "duration", "age")
_CONFIG, _LAST = "config: ", "last: "
"""Beginnings of the names of columns for a field of the configuration, and for a measurement."""
_WIDTHS = {
    "mark": 24, "name": 120, "best": 72, "curve": 96, "state": 84, "progress": 92, "left": 70,
    "last": 72, "step": 70, "duration": 92, "age": 108, "kind": 78, "commit": 100, "metric": 120,
    "note": 320,
}  # fmt: skip
_SEARCH = {"type": "input", "func": "like", "placeholder": "search"}
_FILTERS = {
    name: {"type": "number", "func": ">=", "placeholder": "≥"} if name in _NUMBERS else _SEARCH
    for name in COLUMNS if name not in ("mark", "curve")
}  # fmt: skip
_FOREIGN = (UserError, OSError, KeyError, TypeError, ValueError)
"""Errors of a record that somebody else wrote: it does not hide the other runs."""


@dataclass(frozen=True)
class _Reading:
    """Run as it was read last.

    Attributes:
        log: size of its log and time of its last change.
        run: the run; None where it cannot be opened.
        summary: its summary; None where it cannot be read.
        problem: reason why; "" without one.
    """

    log: tuple[int, int]
    run: Run | None = None
    summary: Summary | None = None
    problem: str = ""


class RunTable:
    """Table of runs and stores; selected rows are the state's runs.

    Runs keep their places in it while they are written; new ones come first.

    Args:
        library: runs and stores.
        state: state of the workspace.

    Attributes:
        widget: Tabulator.
        chooser: choice of the columns.
    """

    def __init__(self, library: Library, state: State) -> None:
        self.library, self._state = library, state
        self._entries: list[Entry] = []
        self._read: dict[Path, _Reading] = {}
        usual = [name for name in COLUMNS if name not in _ALWAYS]
        self.chooser = pn.widgets.MultiChoice(
            label="Columns", options=_labels(usual), value=usual, sizing_mode="stretch_width"
        )
        self.widget = self._made(pd.DataFrame(columns=list(COLUMNS)))
        # Not Panel's HTML panes: with each text they name style sheets on the network.
        self._broken = Div(sizing_mode="stretch_width", visible=False)
        download = pn.widgets.FileDownload(
            callback=self._csv, filename="runs.csv", label="CSV", width=70
        )
        below = pn.Card(
            self.chooser, download, title="Columns, CSV", collapsed=True,
            sizing_mode="stretch_width",
        )  # fmt: skip
        broken = pn.pane.Bokeh(self._broken, sizing_mode="stretch_width")
        self._layout = pn.Column(self.widget, broken, below, sizing_mode="stretch_both")
        self.refresh()
        self.chooser.param.watch(lambda _: self.refresh(), "value")
        state.param.watch(lambda *_: self._select(), "runs")

    def panel(self) -> pn.Column:
        """Layout: the table, and below it the runs that cannot be read, columns and download."""
        return self._layout

    def _made(self, table: pd.DataFrame) -> pn.widgets.Tabulator:
        """Widget of a table; other columns need another one, or the page's stumbles over them."""
        extra = [name for name in table if name not in COLUMNS]
        made = pn.widgets.Tabulator(
            table, show_index=False, disabled=True, selectable=MOST_CURVES,
            sizing_mode="stretch_both", layout="fit_data_fill", pagination=None,
            theme=self._state.table_theme, widths=_WIDTHS, formatters=_formatters(),
            titles=COLUMNS | {name: escape(name) for name in extra},
            header_filters=_FILTERS | dict.fromkeys(extra, _SEARCH),
            configuration={"rowHeight": 24}, stylesheets=[":host {font-size: 12px}"],
        )  # fmt: skip
        made.param.watch(lambda event: in_turn(partial(self._chosen, event.new)), "selection")
        return made

    def refresh(self) -> None:
        """Read the states of all runs; only what has changed is sent."""
        found = {each.name: each for each in self.library.entries()}
        places = {each.name: i for i, each in enumerate(self._entries)}
        self._entries = sorted(found.values(), key=lambda each: places.get(each.name, -1))
        for entry in self._entries:
            if entry.kind == "run":
                self._look(entry.path)
        self._offer()
        extra = [name for name in self.chooser.value if name not in COLUMNS]
        names = [n for n in COLUMNS if n in _ALWAYS or n in self.chooser.value] + extra
        rows = [self._row(each, extra) for each in self._entries]
        self._send(pd.DataFrame(rows, columns=names))
        self._name_broken()

    def readable(self) -> str:
        """Name of the first run that can be read, or else of the first entry."""
        good = (each.name for each in self._entries if not self.problem(each.name))
        return next(good, self._entries[0].name)

    def problem(self, name: str) -> str:
        """Reason why a run cannot be read; "" where it can, and of what is no run."""
        entry = self.entry(name)
        return self._read[entry.path].problem if entry is not None and entry.kind == "run" else ""

    def entry(self, name: str) -> Entry | None:
        """Entry of a name; None where there is none."""
        return next((each for each in self._entries if each.name == name), None)

    def _look(self, path: Path) -> None:
        """Read a run again if its log has changed."""
        known = self._read.get(path)
        try:
            stat = (path / "events.jsonl").stat()
            log = stat.st_size, stat.st_mtime_ns
            run = self.library.run(path)
        except _FOREIGN as error:
            self._read[path] = _Reading((0, 0), problem=reason(error))
            return
        if known is not None and (known.log, known.run) == (log, run):
            return
        try:
            before = known.summary if known is not None and known.run is run else None
            self._read[path] = _Reading(log, run, summary(run, before))
        except _FOREIGN as error:
            self._read[path] = _Reading(log, run, problem=reason(error))

    def _offer(self) -> None:
        """Offer the columns that some run has something for."""
        readings = [self._read[each.path] for each in self._entries if each.kind == "run"]
        fields = {f for each in readings if each.run for f in flat(each.run.config)}
        measured = {m for each in readings if each.summary for m in each.summary.measures}
        options = [n for n in COLUMNS if n not in _ALWAYS]
        options += [_CONFIG + name for name in sorted(fields)]
        options += [_LAST + name for name in sorted(measured)]
        if _labels(options) != self.chooser.options:
            self.chooser.options = _labels(options)

    def _row(self, entry: Entry, extra: list[str]) -> dict[str, Any]:
        if entry.kind != "run":
            return {**_EMPTY, "name": entry.name, "state": entry.kind}
        reading = self._read[entry.path]
        try:
            return {"name": entry.name, **_cells(reading, extra)}
        except _FOREIGN as error:
            self._read[entry.path] = _Reading(reading.log, problem=reason(error))
            return {"name": entry.name, **_cells(self._read[entry.path], extra)}

    def _send(self, table: pd.DataFrame) -> None:
        """Show a table; of one of the same runs and columns only the changed cells are sent."""
        table = table.astype({name: float for name in _NUMBERS if name in table})
        shown = self.widget.value
        if list(shown.columns) != list(table.columns):
            self.widget = self._layout[0] = self._made(table)
        elif list(shown["name"]) != list(table["name"]):
            self.widget.value = table
        else:
            changed = {}
            for name in table:
                pairs = enumerate(zip(table[name].tolist(), shown[name].tolist(), strict=True))
                # NaN, which is not equal to itself, is an empty cell.
                cells = [(i, n) for i, (n, o) in pairs if n != o and (n == n or o == o)]
                if cells:
                    changed[name] = cells
            if changed:
                self.widget.patch(changed, as_index=False)
            return
        self._select()

    def _name_broken(self) -> None:
        """Name the runs that cannot be read, with the reasons."""
        found = {each.name: self.problem(each.name) for each in self._entries}
        text = unreadable({name: why for name, why in found.items() if why})
        if text != self._broken.text:
            self._broken.update(text=text, visible=bool(text))

    def _csv(self) -> StringIO:
        """Table as it is shown, without its pictures."""
        table = self.widget.value.drop(columns=["mark", "curve"], errors="ignore")
        return StringIO(table.to_csv(index=False))

    def _select(self) -> None:
        names = [each.name for each in self._entries]
        chosen = [names.index(name) for name in self._state.runs if name in names]
        if self.widget.selection != chosen:
            self.widget.selection = chosen

    def _chosen(self, rows: list[int]) -> None:
        names = [self._entries[i].name for i in rows if i < len(self._entries)]
        kept = [name for name in self._state.runs if name in names]  # the main one stays it
        chosen = [*kept, *(name for name in names if name not in kept)]
        if chosen and chosen != self._state.runs:
            self._state.runs = chosen


def _labels(names: list[str]) -> dict[str, str]:
    """Names of columns by what a choice shows, which is HTML."""
    return {escape(COLUMNS.get(name, name)): name for name in names}


_EMPTY: Mapping[str, Any] = {
    name: None if name in _NUMBERS else "" for name in COLUMNS if name != "name"
}


def _cells(reading: _Reading, extra: list[str]) -> dict[str, Any]:
    """Cells of a run, by the names of their columns."""
    run, found = reading.run, reading.summary
    if run is None or found is None:
        return {**_EMPTY, "mark": MARKS["damaged"], "state": "damaged", "note": reading.problem}
    now, facts, main = found.progress(), found.facts, found.main
    live = now.status is Status.RUNNING
    lost = "lost" if found.is_lost(now) else str(now.status)
    state = "paused" if now.paused else "live" if live else lost
    measure = found.measures.get(main)
    config = flat(run.config)
    chosen: dict[str, Any] = {}
    for name in extra:
        if name.startswith(_CONFIG):
            chosen[name] = plain_value(config.get(name.removeprefix(_CONFIG)))
        else:
            own = found.measures.get(name.removeprefix(_LAST))
            chosen[name] = None if own is None else own.last
    until = time.time() if live and facts.last is not None else facts.last
    return {
        "mark": MARKS[state],
        "best": found.best(main),
        "curve": "" if measure is None else sparkline(measure.shape),
        "state": state,
        "progress": now.step / now.steps if now.steps else None,
        "left": rounded_seconds(now.left),
        "metric": main,
        "last": None if measure is None else measure.last,
        "step": now.step,
        "duration": rounded_seconds(
            None if until is None or facts.started is None else until - facts.started - facts.idle
        ),
        "age": rounded_seconds(None if facts.last is None else time.time() - facts.last),
        "kind": kind_name(run.config),
        "commit": commit_in_words({"commit": None, "dirty": False, **run.provenance}),
        "note": now.error or next((alarm.what for alarm in found.alarms), ""),
        **chosen,
    }


def _formatters() -> dict[str, Any]:
    """Formatters of the columns; all others are text, which the page escapes."""
    figure = NumberFormatter(format="0.0000", nan_format="")
    return {
        "mark": {"type": "html"},
        "curve": {"type": "html"},
        "progress": HTMLTemplateFormatter(template=BAR),
        **{n: HTMLTemplateFormatter(template=DURATION) for n in ("left", "duration", "age")},
        "best": figure,
        "last": figure,
        "step": NumberFormatter(format="0,0", nan_format=""),
    }
