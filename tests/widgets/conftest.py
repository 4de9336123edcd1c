"""Runs in miniature, drawn without a browser."""

import asyncio
import importlib.util
import sys
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import holoviews as hv
import numpy as np
import pytest

from workbench.evaluation.scenes.snapshots import Snapshot
from workbench.runs import Run

# The scenes and runs of the views' tests are those of the widgets' too.
_views = importlib.util.spec_from_file_location(
    "views_conftest", Path(__file__).parents[1] / "views" / "conftest.py"
)
assert _views is not None
assert _views.loader is not None
_module = importlib.util.module_from_spec(_views)
sys.modules["views_conftest"] = _module
_views.loader.exec_module(_module)

snapshot = _module.snapshot
other_snapshot = _module.other_snapshot
table = _module.table
started_run = _module.started_run
trained_run = _module.trained_run
evaluate = _module.evaluate


@pytest.fixture
def drawn() -> Callable[[hv.DynamicMap], Any]:
    """The bokeh plot of a picture, which then follows the explorer."""
    return hv.Store.renderers["bokeh"].get_plot


@pytest.fixture(scope="session")
def dead_snapshot(snapshot: Snapshot) -> Snapshot:
    """Of a network whose features are all off."""
    return replace(
        snapshot,
        maps=np.zeros_like(snapshot.maps),
        eigenvalues=np.zeros(0),
        eigenvectors=snapshot.eigenvectors[:0],
        rank=0,
        segmentations=np.ones_like(snapshot.segmentations),
    )


@pytest.fixture
def run_of(started_run: Run) -> Callable[[Snapshot], Run]:
    """A run with one snapshot."""

    def make(kept: Snapshot) -> Run:
        started_run.snapshot(0, "watched", kept.to_arrays())
        return started_run

    return make


class _SimulatedTime(asyncio.SelectorEventLoop):
    """Event loop whose clock jumps to the next timer where nothing else is to be done."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0

    def time(self) -> float:
        return self._now

    def _run_once(self) -> None:
        loop: Any = self
        if not loop._ready and loop._scheduled:
            self._now = max(self._now, loop._scheduled[0].when())
        super()._run_once()  # type: ignore[misc]


@pytest.fixture
def run_simulated() -> Callable[[Coroutine[Any, Any, None]], None]:
    """Run a coroutine to its end in a loop of simulated time: it never sleeps."""

    def run(coroutine: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=_SimulatedTime) as runner:
            runner.run(coroutine)

    return run
