"""What all explorers are: traits that say what is selected, and pictures that follow them.

A picture is a DynamicMap that draws the explorer's present state. It is drawn anew when the
explorer says so, and a part of it that is the same object as before is not sent again.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import holoviews as hv
import panel as pn
from holoviews.streams import PlotReset, Stream
from traitlets import HasTraits, Int, Unicode

from pipelines.errors import UserError
from workbench.widgets.shells.controls import Bounds, Control, Options

Frame = Stream.define("Frame", frame=0)


class Explorer(HasTraits):
    """State and pictures of an explorer.

    Attributes:
        message: why there is nothing to see, or not what was asked for; empty where all is well.
        readout: what the pictures say, in figures.
        offers: counts up when what can be chosen has changed.
        controls: in the order in which they are shown.
    """

    message = Unicode()
    readout = Unicode()
    offers = Int()

    controls: ClassVar[tuple[Control, ...]] = ()

    def __init__(self) -> None:
        super().__init__()
        self.pictures: dict[str, hv.DynamicMap] = {}
        self._frames: dict[str, Stream] = {}

    def options(self, name: str) -> Options:
        """What can be chosen for a trait now."""
        raise KeyError(name)

    def bounds(self, name: str) -> Bounds:
        """Within what a number can be set now."""
        raise KeyError(name)

    def refresh(self) -> None:
        """Look again at what the pictures are of: a run may have gone on."""

    def rows(self) -> list[list[str]]:
        """Names of the pictures that stand side by side."""
        return [list(self.pictures)]

    def plots(self) -> pn.Column:
        """All pictures, rows of them, as far as there is room."""
        # Not a HoloViews layout: its options wrap every picture once more, which costs a click
        # half of its time, and tie the axes of pictures that have nothing in common.
        return pn.Column(
            *(
                pn.FlexBox(*(pn.pane.HoloViews(self.pictures[n], linked_axes=False) for n in names))
                for names in self.rows()
            )
        )

    def panel(self) -> Any:
        """The explorer as a Panel layout, for an app."""
        from workbench.widgets.shells.panel_shell import as_panel

        return as_panel(self)

    def _ipython_display_(self) -> None:
        from workbench.widgets.shells.jupyter_shell import show

        show(self)

    def _picture(
        self,
        name: str,
        draw: Callable[[], hv.Element | hv.Overlay],
        answers: Mapping[type[Stream], Callable[..., None]] | None = None,
    ) -> hv.DynamicMap:
        """Have a picture of that name.

        Args:
            name: of the picture.
            draw: draws the explorer's present state.
            answers: to what a hand does on the picture, by kind of stream.
        """
        frames = self._frames[name] = Frame()
        # HoloViews listens to a hand on an overlay only where the DynamicMap has some linked
        # stream of its own. Not those that are answered: each would draw the picture once more.
        linked = [PlotReset()] if answers else []
        picture = hv.DynamicMap(lambda frame, **_: draw(), streams=[frames, *linked])
        self.pictures[name] = picture
        for kind, answer in (answers or {}).items():
            kind(source=picture).add_subscriber(answer)
        return picture

    def _redraw(self, *names: str) -> None:
        """Draw pictures anew; all of them where none is named."""
        for name in names or self._frames:
            frames = self._frames[name]
            self.pictures[name].reset()  # or who shows it next would get what it first was
            frames.event(frame=frames.frame + 1)

    def _offer(self) -> None:
        self.offers += 1

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What goes wrong inside becomes the message; what goes well clears it."""
        try:
            yield
            self.message = ""
        except UserError as error:
            self.message = str(error)
