"""Table of runs of a workspace: sorted and filtered in the page; a chosen row is what is shown."""

import time
from pathlib import Path

import pandas as pd
import panel as pn

from pipelines.errors import UserError
from workbench.runs import Run, Status
from workbench.runs.progress import progress
from workbench.widgets.page.library import Entry, Library, ago
from workbench.widgets.workspace import State
from workbench.widgets.workspace.state import MOST_CURVES

_LIVE = "●"
COLUMNS = ("name", "state", "done", "best", "last record")
_BEST = ("covering_best", "covering_average", "held_out_error", "loss")


class RunTable:
    """Table of runs and stores; selected rows are the state's runs.

    Args:
        library: runs and stores.
        state: state of the workspace.

    Attributes:
        widget: Tabulator.
    """

    def __init__(self, library: Library, state: State) -> None:
        self.library, self._state = library, state
        self._entries: list[Entry] = []
        self._read: dict[Path, tuple[tuple[int, int], dict[str, str], float | None]] = {}
        self.widget = pn.widgets.Tabulator(
            pd.DataFrame(columns=list(COLUMNS)),
            show_index=False, disabled=True, selectable=MOST_CURVES, sizing_mode="stretch_both",
            layout="fit_data_fill", page_size=None, theme="simple",
            header_filters={"name": {"type": "input", "func": "like", "placeholder": "search"}},
            configuration={"rowHeight": 24}, stylesheets=[":host {font-size: 12px}"],
        )  # fmt: skip
        self.refresh()
        self.widget.param.watch(lambda event: self._chosen(event.new), "selection")
        state.param.watch(lambda *_: self._select(), "runs")

    def refresh(self) -> None:
        """Read the states of all runs; only what has changed is sent."""
        self._entries = self.library.entries()
        table = pd.DataFrame([self._row(each) for each in self._entries], columns=list(COLUMNS))
        table = table.fillna("")
        if not table.equals(self.widget.value):
            self.widget.value = table
            self._select()

    def entry(self, name: str) -> Entry | None:
        """Entry of a name; None where there is none."""
        return next((each for each in self._entries if each.name == name), None)

    def _row(self, entry: Entry) -> dict[str, str]:
        if entry.store:
            return {"name": entry.name, "state": "store"}
        try:
            row, last = self._summary(self.library.run(entry.path))
        except (UserError, OSError) as error:  # a damaged run does not hide the others
            return {"name": entry.name, "state": f"damaged: {error}"}
        when = "" if last is None else ago(time.time() - last)
        return {"name": entry.name, **row, "last record": when}

    def _summary(self, run: Run) -> tuple[dict[str, str], float | None]:
        """Row of a run, and the time of its last event; read again where its log has grown."""
        stat = run.log_path.stat()
        state = stat.st_mtime_ns, stat.st_size
        known = self._read.get(run.path)
        if known is None or known[0] != state or known[1]["state"].startswith(_LIVE):
            events = run.events()
            last = events[-1].time if events else None
            self._read[run.path] = known = state, _summary(run), last
        return known[1], known[2]

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


def _summary(run: Run) -> dict[str, str]:
    now = progress(run)
    done = f"{now.step}" if now.steps is None else f"{now.step} of {now.steps}"
    last = run.metrics().ffill()
    best = next((f"{m} {last[m].iloc[-1]:.3f}" for m in _BEST if m in last and len(last)), "")
    state = "paused" if now.paused else str(now.status)
    return {
        "state": f"{_LIVE} {state}" if now.status is Status.RUNNING else state,
        "done": done,
        "best": best.replace("covering_", "").replace("held_out_", ""),
    }
