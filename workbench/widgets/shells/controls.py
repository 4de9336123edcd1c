"""What a control changes and how it looks, said once for every place that shows it."""

from dataclasses import dataclass
from typing import Any

Options = dict[str, Any]
"""What can be chosen: a value by the words for it."""
Bounds = tuple[Any, Any, Any]
"""Lowest, highest, step of a number."""


@dataclass(frozen=True)
class Control:
    """One control of an explorer.

    Attributes:
        name: of the trait that it sets, or of the method that it calls.
        label: what stands beside it.
    """

    name: str
    label: str


class Choice(Control):
    """One out of the explorer's `options(name)`."""


class Player(Control):
    """One of `options(name)`, in their order, with a slider and a play button."""


class Number(Control):
    """A number within the explorer's `bounds(name)`, with a slider."""


class Toggle(Control):
    """On or off."""


class Action(Control):
    """Calls the method."""
