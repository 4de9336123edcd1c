"""Base class of explorers: traits that hold the selection, and pictures that follow them.

A picture is a DynamicMap that draws the explorer's present state. A picture is drawn again when the
explorer asks for it; a part of it that is the same object as before is not sent again.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar

import holoviews as hv
import panel as pn
from holoviews.streams import PlotReset, Stream
from traitlets import HasTraits, Int, Unicode

from pipelines.errors import UserError
from workbench.widgets.shells.controls import (
    Bounds,
    Choice,
    Control,
    Number,
    Options,
    Player,
)

Frame = Stream.define("Frame", frame=0)


class ExplorerBase(HasTraits):
    """State and pictures of an explorer, without the shells that display it.

    Attributes:
        message: reason why nothing, or something else than asked for, is shown; empty without one.
        readout: figures that belong to the pictures, as text.
        options_version: counter that goes up when the options or bounds of a control have changed.
        controls: controls in the order in which they are shown.
    """

    message = Unicode()
    readout = Unicode()
    options_version = Int()

    controls: ClassVar[tuple[Control, ...]] = ()

    def __init__(self) -> None:
        super().__init__()
        self.pictures: dict[str, hv.DynamicMap] = {}
        self._frames: dict[str, Stream] = {}

    def offered_controls(self) -> tuple[Control, ...]:
        """Controls that mean something for what is explored."""
        return self.controls

    @property
    def ended(self) -> bool:
        """Whether nothing more is written into what is explored."""
        return False

    def can_act(self, control: Control) -> bool:
        """Whether a control can change anything now; the shells hide it otherwise."""
        if isinstance(control, Choice | Player):
            return len(self.options(control.name)) > 1
        if isinstance(control, Number):
            low, high, _ = self.bounds(control.name)
            return bool(low < high)
        return control.name not in ("follow", "refresh") or bool(self.message) or not self.ended

    def options(self, name: str) -> Options:
        """Options of a trait now: values by label."""
        raise KeyError(name)

    def bounds(self, name: str) -> Bounds:
        """Lowest, highest and step of a number now."""
        raise KeyError(name)

    def refresh(self) -> None:
        """Read the run or store again: it may have grown."""

    def rows(self) -> list[list[str]]:
        """Names of the pictures, row by row."""
        return [list(self.pictures)]

    def plots(self) -> pn.Column:
        """Layout of all pictures; a row breaks where the page is too narrow."""
        # Not a HoloViews layout: its options wrap every picture once more, which costs a click
        # half of its time, and tie the axes of pictures that have nothing in common.
        return pn.Column(
            *(
                pn.FlexBox(*(pn.pane.HoloViews(self.pictures[n], linked_axes=False) for n in names))
                for names in self.rows()
            )
        )

    def _picture(
        self,
        name: str,
        draw: Callable[[], hv.Element | hv.Overlay],
        answers: Mapping[type[Stream], Callable[..., None]] | None = None,
    ) -> hv.DynamicMap:
        """Add a picture.

        Args:
            name: name of the picture.
            draw: function that draws the explorer's present state.
            answers: handlers of pointer events on the picture, by kind of stream.
        """
        frames = self._frames[name] = Frame()
        # HoloViews listens to pointer events on an overlay only where the DynamicMap has a linked
        # stream of its own. The answered streams are not linked: each would draw the picture again.
        linked = [PlotReset()] if answers else []
        picture = hv.DynamicMap(lambda frame, **_: draw(), streams=[frames, *linked])
        self.pictures[name] = picture
        for kind, answer in (answers or {}).items():
            kind(source=picture).add_subscriber(answer)
        return picture

    def _redraw(self, *names: str) -> None:
        """Draw the named pictures again; all of them where none is named."""
        for name in names or self._frames:
            frames = self._frames[name]
            self.pictures[name].reset()  # or the next view would get the picture's first state
            frames.event(frame=frames.frame + 1)

    def _update_options(self) -> None:
        self.options_version += 1

    @contextmanager
    def _errors_as_message(self) -> Iterator[None]:
        """Context whose `UserError` becomes the message; success clears the message."""
        try:
            yield
            self.message = ""
        except UserError as error:
            self.message = str(error)
