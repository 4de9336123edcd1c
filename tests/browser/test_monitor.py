"""The live monitor: it follows a training, gives it orders, and comes back."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import workbench
from tests.browser.figures import titled
from tests.browser.notebook import Notebook, write_notebook
from tests.browser.pixels import changed, painted, pixels_of
from tests.browser.trainings import PATIENCE, eventually, goes_on, small, stopped
from workbench.runs import Run, Status
from workbench.runs.control import COMMANDS
from workbench.training.scenes.config import DeepNCutsConfig

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

BEGIN = """
import workbench
from workbench.training.scenes.config import DeepNCutsConfig

config = DeepNCutsConfig.from_dict({config})
training = workbench.train(config, {path!r}, where="process")
training.run
"""
WATCH = "workbench.watch(training)"
WATCH_AGAIN = "import workbench\n\nworkbench.watch({path!r})"


@pytest.fixture
def config(sample_store: Path) -> DeepNCutsConfig:
    """Of more passes than anybody waits for."""
    return small(sample_store, passes=5000)


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """Of a run, whose training is stopped afterwards."""
    yield tmp_path / "run"
    stopped(tmp_path / "run")


@pytest.fixture
def notebook(
    project: Path, config: DeepNCutsConfig, path: Path, open_notebook: Callable[[str], Notebook]
) -> Notebook:
    """A training in a process of its own has begun, and is watched in the second cell."""
    values = {"config": config.to_dict(), "path": str(path)}
    name = f"{path.parent.name}.ipynb"
    cells = [cell.format(**values) for cell in (BEGIN, WATCH, WATCH_AGAIN)]
    write_notebook(project / "notebooks" / name, cells)
    notebook = open_notebook(name)
    notebook.run(0)
    notebook.run(1)
    return notebook


class Seen:
    """The monitor below a cell.

    Args:
        notebook: in which it is.
        cell: by number.
    """

    def __init__(self, notebook: Notebook, cell: int) -> None:
        self.whole: Locator = notebook.output(cell).locator(".workbench-monitor")
        self.charts = self.whole.locator(".charts")
        self.gone: Locator = self.whole.locator(".gone")
        self.page = notebook.page

    def press(self, button: str, then: str) -> None:
        """Press a button, and wait until the training stands as it should."""
        self.whole.get_by_role("button").get_by_text(button, exact=True).click()
        self.stands(then)

    def stands(self, status: str) -> None:
        """Wait until it says how the training stands."""
        self.whole.locator(f".status.{status}").wait_for()

    def reaches(self, step: int) -> None:
        """Wait until its lines go from the first step to this one, at least."""

        def drawn() -> bool:
            steps = titled(self.page, "Objective").steps()
            return bool(steps) and steps[0] <= 1 and steps[-1] >= step

        eventually(drawn, f"a line from the first step to {step}")


def test_it_follows_the_training_and_a_refreshed_page_gets_it_back(
    page: "Page", notebook: Notebook, path: Path, keep: Callable[[str], None]
) -> None:
    run, monitor = Run.open(path), Seen(notebook, 1)
    monitor.stands("running")
    goes_on(run)
    monitor.press("Pause", "paused")
    monitor.reaches(run.step)
    before = pixels_of(monitor.charts)
    assert painted(before) > 0.03
    keep("paused")

    monitor.press("Resume", "running")
    goes_on(run, 30)
    monitor.press("Pause", "paused")
    monitor.reaches(run.step)
    after = pixels_of(monitor.charts)
    assert changed(before, after) > 0.01

    notebook.save()
    notebook.refresh()
    monitor.stands("paused")  # and its cell was not run again
    monitor.reaches(run.step)
    assert changed(after, pixels_of(monitor.charts)) < 0.002
    keep("refreshed")
    monitor.press("Resume", "running")
    goes_on(run)
    monitor.reaches(run.step)
    assert (notebook.errors(), notebook.warnings()) == ([], [])


def test_a_training_outlives_its_kernel_and_is_stopped_from_the_next_one(
    page: "Page",
    notebook: Notebook,
    config: DeepNCutsConfig,
    path: Path,
    keep: Callable[[str], None],
) -> None:
    run, before = Run.open(path), Seen(notebook, 1)
    assert not before.gone.is_visible()
    notebook.restart()
    before.gone.wait_for()
    assert f'workbench.watch("{path}")' in before.gone.inner_text()
    goes_on(run)
    notebook.run(2)
    monitor = Seen(notebook, 2)
    monitor.stands("running")
    monitor.reaches(run.step)
    assert not monitor.gone.is_visible()
    assert painted(pixels_of(monitor.charts)) > 0.03
    keep("again")

    monitor.press("Stop", "interrupted")
    assert run.status is Status.INTERRUPTED
    command = json.loads((path / COMMANDS).read_text().splitlines()[-1])
    assert command["name"] == "stop"
    finished = {e.step for e in run.events("metrics") if e.time > command["time"]}
    assert len(finished) <= 1, "only the step that was under way is finished"
    assert any(run.checkpoints.iterdir())
    monitor.reaches(run.step)
    keep("stopped")

    at = run.step
    training = workbench.train(config, path, where="thread", resume=True)
    goes_on(run)
    assert run.events("resumed")[-1].step == at
    training.stop()
    training.wait(float(PATIENCE))
    assert (notebook.errors(), notebook.warnings()) == ([], [])
