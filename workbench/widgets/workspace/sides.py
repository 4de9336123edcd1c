"""Pictures beside each other: the main run at its step, pinned steps of it, and other runs."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.errors import UserError
from workbench.errors import WorkbenchError
from workbench.widgets.explorers.sources import SceneSnapshots
from workbench.widgets.workspace.state import MOST_CANVASES, State
from workbench.widgets.workspace.view import View

_VIEWS = 8
"""Views kept: scrubbing back and forth costs nothing."""


@dataclass(frozen=True)
class Side:
    """Picture of a run at a step.

    Attributes:
        source: snapshots of its run.
        step: step, or number of the layer.
    """

    source: SceneSnapshots
    step: int


class Sides:
    """Views of a state, the main one first; they are kept for scrubbing back and forth.

    Args:
        sources: snapshots of the chosen runs, the main one first.

    Attributes:
        problems: reasons why a picture is missing.
    """

    def __init__(self, sources: Sequence[SceneSnapshots]) -> None:
        self.main, self.others = sources[0], list(sources[1:])
        self.problems: list[str] = []
        self._views: OrderedDict[Any, View] = OrderedDict()

    def of(self, state: State) -> list[Side]:
        """Pictures that a state asks for, at most `MOST_CANVASES`."""
        steps = set(self.main.steps(state.image)) if state.image in self.main.scenes() else set()
        pinned = [Side(self.main, step) for step in state.pins if step in steps - {state.step}]
        found = [Side(self.main, state.step), *pinned]
        for other in self.others:
            if state.image in other.scenes():
                nearest = min(
                    other.steps(state.image), key=lambda s: abs(s - state.step), default=None
                )
                found += [] if nearest is None else [Side(other, nearest)]
        return found[:MOST_CANVASES]

    def ready(self, state: State) -> bool:
        """Whether all that a state asks for has been computed before."""
        return all(self._key(each, state) in self._views for each in self.of(state))

    def views(self, state: State) -> list[View | None]:
        """Views of the pictures; None and an entry of `problems` for each that cannot be read."""
        self.problems = []
        if not self.main.scenes():
            self._fail(
                WorkbenchError(
                    f"snapshots of {self.main.words[0]}s in {self.main.run.path}",
                    "none yet",
                    self.main.advice,
                )
            )
            return [None]
        found = [self._view(each, state) for each in self.of(state)]
        without = [o.name for o in self.others if state.image not in o.scenes()]
        if without:
            more = f" and {len(without) - 3} more" if len(without) > 3 else ""
            names = ", ".join(without[:3])
            self.problems.append(f"No snapshots of {state.image} in {names}{more}.")
        return found

    def _key(self, side: Side, state: State) -> Any:
        side.source.affinity = state.affinity
        version = side.source.version(state.image, side.step)
        return side.source.run.path, state.image, side.step, version

    def _view(self, side: Side, state: State) -> View | None:
        try:
            key = self._key(side, state)
            if key not in self._views:
                self._views[key] = View(side.source, state.image, side.step)
            self._views.move_to_end(key)
            while len(self._views) > _VIEWS:
                self._views.popitem(last=False)
            return self._views[key]
        except (UserError, OSError) as error:  # a run may be deleted while it is shown
            self._fail(error)
            return None

    def _fail(self, error: Exception) -> None:
        self.problems.append(str(error))
