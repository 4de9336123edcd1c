"""Bokeh's figures on a page: where they are, how they are called, and what is painted in them."""

import io
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

Pixels = np.ndarray
"""(height, width, 3), uint8."""
PATIENCE = 30
"""Seconds for a picture to be drawn."""

# Of all documents of all Bokehs on the page: the monitor may bring one of its own.
_VIEWS = """
  const views = [];
  const walk = view => {
    if (view.model.type === "Figure") views.push(view);
    (view.child_views ?? []).forEach(walk);
  };
  for (const bokeh of [window.Bokeh, ...(globalThis.__workbench_bokeh?.values() ?? [])])
    if (bokeh) for (const root of bokeh.index.roots) walk(root);
  const shown = views.filter(view => view.el.isConnected);
  const titled = prefix => shown.find(view => (view.model.title?.text ?? "").startsWith(prefix));
"""


class Figure:
    """The first figure on the page whose title begins in some way.

    Args:
        page: of the browser.
        prefix: of the title.
    """

    def __init__(self, page: "Page", prefix: str) -> None:
        self.page, self.prefix = page, prefix
        page.wait_for_function(
            f"prefix => {{ {_VIEWS} return titled(prefix) !== undefined; }}",
            arg=prefix,
            timeout=PATIENCE * 1000,
        )

    def pixels(self) -> Pixels:
        """What is painted inside its axes, once it stands still."""
        self.page.evaluate(
            f'prefix => {{ {_VIEWS} titled(prefix).el.scrollIntoView({{block: "nearest"}}); }}',
            self.prefix,
        )
        return settled(lambda: self.page.screenshot(clip=self._frame()))

    def at(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where data are painted, in pixels from the corner of the axes: columns and rows."""
        columns, rows = self.page.evaluate(
            f"""([prefix, x, y]) => {{ {_VIEWS}
              const frame = titled(prefix).frame;
              return [x.map(at => frame.x_scale.compute(at) - frame.bbox.left),
                      y.map(at => frame.y_scale.compute(at) - frame.bbox.top)];
            }}""",
            [self.prefix, np.ravel(x).tolist(), np.ravel(y).tolist()],
        )
        return np.asarray(columns), np.asarray(rows)

    def click(self, x: float, y: float) -> None:
        """Click on a place of the data."""
        (column,), (row,) = self.at(np.array([x]), np.array([y]))
        frame = self._frame()
        self.page.mouse.click(frame["x"] + column, frame["y"] + row)

    def _frame(self) -> dict[str, float]:
        found: dict[str, float] = self.page.evaluate(
            f"""prefix => {{ {_VIEWS}
              const view = titled(prefix);
              const canvas = view.canvas_view.el.getBoundingClientRect(), box = view.frame.bbox;
              return {{x: canvas.left + box.left, y: canvas.top + box.top,
                       width: box.width, height: box.height}};
            }}""",
            self.prefix,
        )
        return found


def titles(page: "Page") -> list[str]:
    """Of all figures on the page, in the order in which they were made."""
    found: list[str] = page.evaluate(
        f"() => {{ {_VIEWS} return shown.map(view => view.model.title?.text ?? ''); }}"
    )
    return found


def pixels_of(element: "Locator") -> Pixels:
    """What an element of the page shows, once it stands still."""
    element.scroll_into_view_if_needed()
    return settled(element.screenshot)


def settled(shoot: Callable[[], bytes]) -> Pixels:
    """Screenshots until two in a row are the same.

    Raises:
        AssertionError: it keeps changing.
    """
    deadline, before = time.monotonic() + PATIENCE, None
    while time.monotonic() < deadline:
        now = _decoded(shoot())
        if before is not None and before.shape == now.shape and np.array_equal(before, now):
            return now
        before = now
    raise AssertionError(f"what is shown has kept changing for {PATIENCE} s")


def painted(pixels: Pixels) -> float:
    """The part of a picture that is not its commonest colour: 0 for one that is blank."""
    colours = pixels.reshape(-1, 3).astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
    return 1 - np.unique(colours, return_counts=True)[1].max() / len(colours)


def changed(before: Pixels, after: Pixels) -> float:
    """The part of a picture that has changed visibly; all of it where its size has."""
    if before.shape != after.shape:
        return 1.0
    difference = np.abs(before.astype(int) - after.astype(int)).max(axis=-1)
    return float((difference > 24).mean())


def _decoded(png: bytes) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
