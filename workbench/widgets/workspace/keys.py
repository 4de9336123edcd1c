"""Keys of a workspace, and files dropped on its page."""

import base64
import binascii
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from bokeh.events import DocumentReady, MouseEnter, MouseLeave
from bokeh.models import ColumnDataSource, CustomJS
from bokeh.plotting import curdoc

from workbench.errors import WorkbenchError
from workbench.widgets.workspace.state import (
    AFFINITY,
    EIGENVECTOR,
    ERROR,
    PHOTOGRAPH,
    SEGMENTS,
    State,
)

LARGEST = 15 * 2**20
"""Largest photograph that a page sends, bytes."""
HELP = {
    "← →": "step, or layer",
    "↑ ↓": "image",
    "space": "play the steps",
    "1 … 9": "eigenvector",
    "a s e r p": "affinity, segments, eigenvector, error, photograph",
    "shift + click": "another pixel",
    "c": "compare: keep this step in a picture beside",
    "double click": "forget the pixels",
    "?": "these keys",
}
_OVERLAYS = {
    "a": AFFINITY, "s": SEGMENTS, "e": EIGENVECTOR, "r": ERROR, "p": PHOTOGRAPH,
}  # fmt: skip
_LISTEN = """
// Keys and dropped files, sent to Python; in JupyterLab keys count while the pointer is over a
// picture, as the notebook has keys of its own.
sent.tags = [cb_obj.event_name === "mouseenter" || whole]
if (window.workbench_listening?.has(sent.id)) return
window.workbench_listening = (window.workbench_listening ?? new Set()).add(sent.id)
let number = 0
const send = (kind, name, value) =>
  { sent.data = {kind: [kind], name: [name], value: [value], number: [++number]} }
window.addEventListener("keydown", (event) => {
  const at = event.composedPath()[0]
  const typing = at?.matches?.("input:not([type=range]):not([type=checkbox]), textarea, select")
  if (!sent.tags[0] || typing || event.ctrlKey || event.metaKey || event.altKey) return
  if (!keys.includes(event.key)) return
  event.preventDefault(); event.stopImmediatePropagation()
  send("key", event.key, "")
}, true)
if (!whole) return
window.addEventListener("dragover", (event) => event.preventDefault())
window.addEventListener("drop", (event) => {
  const file = event.dataTransfer?.files?.[0]
  if (!file) return
  event.preventDefault()
  if (file.size > largest) { send("large", file.name, `${file.size}`); return }
  const reader = new FileReader()
  reader.onload = () => send("file", file.name, reader.result.split(",")[1] ?? "")
  reader.onerror = () => send("unreadable", file.name, `${reader.error}`)
  reader.readAsDataURL(file)
})
"""
_KEYS = (
    "ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", " ", "c", "?", *_OVERLAYS,
    *map(str, range(1, 10)),
)  # fmt: skip


class Keys:
    """Keys that change a state, and files that are handed on.

    Args:
        state: state of the workspace.
        opened: function that takes the name and the bytes of a dropped file.
        failed: function that takes an error.
        asked: function that shows the list of keys.
    """

    def __init__(
        self,
        state: State,
        opened: Callable[[str, bytes], None],
        failed: Callable[[WorkbenchError], None],
        asked: Callable[[], None],
    ) -> None:
        self._state, self._opened, self._failed, self._asked = state, opened, failed, asked
        self._images: list[str] = []
        self._steps: list[int] = []
        self._sent = ColumnDataSource({"kind": [], "name": [], "value": [], "number": []})
        self._sent.on_change("data", lambda _, __, data: self._take(data))

    def offer(self, images: Sequence[str], steps: Sequence[int]) -> None:
        """Set the images and steps between which keys move."""
        self._images, self._steps = list(images), list(steps)

    def listen(self, figures: Sequence[Any], whole: bool) -> None:
        """Listen in the page.

        Args:
            figures: bokeh figures of the workspace.
            whole: whether the page is the workspace's own; else keys count over its figures.
        """
        code = CustomJS(
            args={"sent": self._sent, "whole": whole, "keys": list(_KEYS), "largest": LARGEST},
            code=_LISTEN,
        )
        for figure in figures:
            figure.js_on_event(MouseEnter, code)
            figure.js_on_event(MouseLeave, code)
        if whole:
            curdoc().js_on_event(DocumentReady, code)

    def press(self, key: str) -> None:
        """Do what a key does."""
        state = self._state
        if key in ("ArrowLeft", "ArrowRight"):
            state.step = _neighbour(self._steps, state.step, 1 if key == "ArrowRight" else -1)
        elif key in ("ArrowUp", "ArrowDown"):
            state.image = _neighbour(self._images, state.image, 1 if key == "ArrowDown" else -1)
        elif key in _OVERLAYS:
            state.overlay = _OVERLAYS[key]
        elif key.isdecimal() and key != "0":
            state.param.update(overlay=EIGENVECTOR, eigenvector=int(key))
        elif key == " ":
            state.playing = not state.playing
        elif key == "c":
            pins = [each for each in state.pins if each != state.step]
            state.pins = pins if state.step in state.pins else [*state.pins, state.step]
        elif key == "?":
            self._asked()

    def _take(self, data: Any) -> None:
        for kind, name, value in zip(data["kind"], data["name"], data["value"], strict=True):
            if kind == "key":
                self.press(name)
            elif kind == "file":
                self._read(name, value)
            else:
                found = f"{name}, {value}" + (" bytes" if kind == "large" else "")
                self._failed(
                    WorkbenchError(
                        f"a photograph of at most {LARGEST:,} bytes that can be read",
                        found,
                        "reduce it, or segment it by workbench segment",
                    )
                )

    def _read(self, name: str, value: str) -> None:
        try:
            content = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError) as error:
            self._failed(WorkbenchError("a file from the page", f"{error}", "drop it again"))
            return
        self._opened(name, content)


def _neighbour(all_of_them: Sequence[Any], present: Any, by: int) -> Any:
    """Neighbour of the present one; the ends stay."""
    places = dict(zip(all_of_them, count(), strict=False))
    if present not in places:
        return present
    return all_of_them[min(max(places[present] + by, 0), len(all_of_them) - 1)]
