"""A notebook in JupyterLab, through a browser: what a user does to it and sees of it.

What stands in a menu is asked of JupyterLab by its command; whatever a page shows is clicked.
Every wait has a condition and a limit.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat

from tests.browser.pixels import Pixels, pixels, settled

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

SECONDS = 1000
PATIENCE = 60 * SECONDS
"""Milliseconds for what takes a moment; several times what it takes on two busy cores."""

_CURRENT = "window.jupyterapp.shell.currentWidget"
_READY = f"""path => {{
  const panel = window.jupyterapp?.shell?.currentWidget;
  return panel?.context?.path === path && panel.context.isReady && panel.sessionContext.isReady
    && panel.content.widgets.length > 0
    && {_CURRENT}.sessionContext.session?.kernel?.connectionStatus === "connected";
}}"""
_IDLE = f'() => {_CURRENT}.sessionContext.session?.kernel?.status === "idle"'
_HEIGHT = f"""() => {{
  const cells = {_CURRENT}.content.widgets.map(cell => cell.node.getBoundingClientRect());
  return Math.ceil(cells.at(-1).bottom - cells[0].top);
}}"""
_AROUND = 250
"""Pixels above and below a notebook's cells, in JupyterLab, with room to spare."""


def write_notebook(path: Path, cells: Sequence[str]) -> None:
    """A notebook of code cells."""
    made: Any = nbformat.v4.new_notebook()
    made.cells = [nbformat.v4.new_code_cell(source) for source in cells]
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(made, path)


class Notebook:
    """An open notebook.

    Args:
        page: of the browser.
        address: of JupyterLab.
        path: below the server's root.
    """

    def __init__(self, page: "Page", address: str, path: str) -> None:
        self.page, self.path = page, path
        page.goto(f"{address}lab/tree/{path}?reset")
        self._wait_ready()

    @property
    def cells(self) -> "Locator":
        """All cells, the markdown too."""
        return self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell")

    def output(self, index: int) -> "Locator":
        """What a cell has put out."""
        return self.cells.nth(index).locator(".jp-Cell-outputArea")

    def run(self, index: int, timeout: float = PATIENCE) -> None:
        """Run one cell, and wait until it and all its messages are done."""
        self.page.evaluate(f"i => {{ {_CURRENT}.content.activeCellIndex = i; }}", index)
        self._run("notebook:run-cell", timeout)

    def run_all(self, timeout: float = PATIENCE) -> None:
        """Run it from top to bottom."""
        self._run("notebook:run-all-cells", timeout)

    def start(self, index: int) -> None:
        """Have a cell run, and come back at once."""
        self.page.evaluate(f"i => {{ {_CURRENT}.content.activeCellIndex = i; }}", index)
        self.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-cell'); }")

    def wait_idle(self, timeout: float = PATIENCE) -> None:
        """Wait until the kernel has nothing to do."""
        self.page.wait_for_function(_IDLE, timeout=timeout)

    def restart(self) -> None:
        """Restart the kernel, as the menu does once the question is answered."""
        self.page.evaluate(
            f"""() => {{
              window.restarted = false;
              {_CURRENT}.sessionContext.restartKernel().then(() => {{ window.restarted = true; }});
            }}"""
        )
        self.page.wait_for_function("() => window.restarted", timeout=PATIENCE)
        self.wait_idle()

    def save(self) -> None:
        """Write it to disk, with its outputs."""
        self.page.evaluate("() => { window.jupyterapp.commands.execute('docmanager:save'); }")
        self.page.wait_for_function(f"() => !{_CURRENT}.context.model.dirty", timeout=PATIENCE)

    def refresh(self) -> None:
        """Load the page anew, as F5 does; the kernel goes on."""
        self.page.reload()
        self._wait_ready()
        self.wait_idle()

    @contextmanager
    def unfolded(self) -> Iterator[Pixels]:
        """The window is so high that all of the notebook is seen; gives a picture of it."""
        before = self.page.viewport_size
        assert before is not None
        height = 0
        while (needed := self.page.evaluate(_HEIGHT) + _AROUND) > height:
            height = needed  # and more, perhaps, once cells further down are laid out
            self.page.set_viewport_size({**before, "height": height})
        self.page.evaluate(f"() => {{ {_CURRENT}.content.outerNode.scrollTop = 0; }}")
        try:
            yield settled(lambda: pixels(self.page.screenshot()))
        finally:
            self.page.set_viewport_size(before)

    def errors(self) -> list[str]:
        """What cells have raised."""
        return [output["evalue"] for output in self._outputs() if output["output_type"] == "error"]

    def warnings(self) -> list[str]:
        """What cells have said on stderr."""
        return [output["text"] for output in self._outputs() if output.get("name") == "stderr"]

    def _outputs(self) -> list[dict[str, Any]]:
        cells = self.page.evaluate(f"() => {_CURRENT}.content.model.toJSON().cells")
        return [output for cell in cells for output in cell.get("outputs", [])]

    def _run(self, command: str, timeout: float) -> None:
        self.page.evaluate(
            """command => {
              window.ran = undefined;
              window.jupyterapp.commands.execute(command)
                .then(() => { window.ran = "done"; }, error => { window.ran = String(error); });
            }""",
            command,
        )
        self.page.wait_for_function("() => window.ran !== undefined", timeout=timeout)
        assert self.page.evaluate("() => window.ran") == "done"
        self.wait_idle()

    def _wait_ready(self) -> None:
        self.page.wait_for_function(_READY, arg=self.path, timeout=PATIENCE)
