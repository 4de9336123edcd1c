"""Controls of an explorer, declared once for every shell that shows them."""

from dataclasses import dataclass
from typing import Any

Options = dict[str, Any]
"""Values that can be chosen, by label."""
Bounds = tuple[Any, Any, Any]
"""Lowest, highest, step of a number."""


@dataclass(frozen=True)
class Control:
    """Control of an explorer.

    Attributes:
        name: name of the trait that it sets, or of the method that it calls.
        label: text beside it.
    """

    name: str
    label: str


class Choice(Control):
    """Menu of the explorer's `options(name)`."""


class Player(Control):
    """Slider with a play button over `options(name)`, in their order."""


class Number(Control):
    """Slider for a number within the explorer's `bounds(name)`."""


class Toggle(Control):
    """Checkbox."""


class Action(Control):
    """Button that calls the method."""
