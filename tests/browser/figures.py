"""Bokeh's figures on a page: where they are, how they are called, and what is painted in them."""

from typing import TYPE_CHECKING

import numpy as np

from tests.browser.pixels import PATIENCE, Pixels, pixels, settled

if TYPE_CHECKING:
    from playwright.sync_api import Page

# Of all documents of all Bokehs on the page: the monitor may bring one of its own.
_FIGURES = """
  const found = [];
  const walk = view => {
    if (view.model.type === "Figure" && view.el.checkVisibility()) found.push(view);
    (view.child_views ?? []).forEach(walk);
  };
  const bokehs = new Set([window.Bokeh, ...(globalThis.__workbench_bokeh?.values() ?? [])]);
  for (const bokeh of bokehs) if (bokeh) for (const root of bokeh.index.roots) walk(root);
  const titled = prefix => found.findLast(({ model }) => model.title?.text?.startsWith(prefix));
"""
_VIEW = f"{_FIGURES} const view = found.find(({{ model }}) => model.id === id);"


class Figure:
    """A figure that is drawn on a page.

    Args:
        page: of the browser.
        id: of its model.
    """

    def __init__(self, page: "Page", id: str) -> None:
        self.page, self.id = page, id

    @property
    def title(self) -> str:
        """Above it; empty where there is none."""
        found: str = self.page.evaluate(
            f"id => {{ {_VIEW} return view.model.title?.text ?? ''; }}", self.id
        )
        return found

    def pixels(self) -> Pixels:
        """What is painted inside its axes, once it stands still."""
        return settled(self._shot)

    def _shot(self) -> Pixels:
        """Picture of the inside of its axes now, once they are in view."""
        self.page.wait_for_function(
            f"""id => {{ {_VIEW}
              if (view === undefined) return false;
              view.el.scrollIntoView({{block: "center"}});
              const canvas = view.canvas_view.el.getBoundingClientRect(), box = view.frame.bbox;
              return box.width > 0 && box.height > 0 && canvas.top + box.top >= 0
                && canvas.top + box.bottom <= window.innerHeight;
            }}""",
            arg=self.id,
            timeout=PATIENCE * 1000,
        )
        return self.within(pixels(self.page.screenshot()))

    def within(self, whole: Pixels) -> Pixels:
        """What is painted inside its axes, out of a picture of the page."""
        box = self._frame()
        top, left = round(box["y"]), round(box["x"])
        return whole[top : top + round(box["height"]), left : left + round(box["width"])]

    def at(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where data are painted, in pixels from the corner of the axes: columns and rows."""
        columns, rows = self.page.evaluate(
            f"""([id, x, y]) => {{ {_VIEW}
              const frame = view.frame;
              return [x.map(at => frame.x_scale.compute(at) - frame.bbox.left),
                      y.map(at => frame.y_scale.compute(at) - frame.bbox.top)];
            }}""",
            [self.id, np.ravel(x).tolist(), np.ravel(y).tolist()],
        )
        return np.asarray(columns), np.asarray(rows)

    def steps(self) -> list[float]:
        """Where its first line has values, if that is a line over steps."""
        found: list[float] = self.page.evaluate(
            f"""id => {{ {_VIEW}
              return Array.from(view.model.renderers[0].data_source.data.step);
            }}""",
            self.id,
        )
        return found

    def click(self, x: float, y: float) -> None:
        """Click on a place of the data."""
        self.page.mouse.click(*self._on_page(x, y))

    def hover(self, x: float, y: float) -> None:
        """Move the pointer to a place of the data."""
        self.page.mouse.move(*self._on_page(x, y))

    def _on_page(self, x: float, y: float) -> tuple[float, float]:
        (column,), (row,) = self.at(np.array([x]), np.array([y]))
        frame = self._frame()
        return frame["x"] + column, frame["y"] + row

    def _frame(self) -> dict[str, float]:
        found: dict[str, float] = self.page.evaluate(
            f"""id => {{ {_VIEW}
              const canvas = view.canvas_view.el.getBoundingClientRect(), box = view.frame.bbox;
              return {{x: canvas.left + box.left, y: canvas.top + box.top,
                       width: box.width, height: box.height}};
            }}""",
            self.id,
        )
        return found


def figures(page: "Page") -> list[Figure]:
    """All figures on a page, the newest last."""
    ids = page.evaluate(f"() => {{ {_FIGURES} return found.map(({{ model }}) => model.id); }}")
    return [Figure(page, id) for id in ids]


def titled(page: "Page", prefix: str) -> Figure:
    """The newest figure on a page whose title begins in some way, waiting until there is one."""
    found = page.wait_for_function(
        f"prefix => {{ {_FIGURES} return titled(prefix)?.model.id; }}",
        arg=prefix,
        timeout=PATIENCE * 1000,
    )
    return Figure(page, found.json_value())
