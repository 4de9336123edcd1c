"""Pages that a server serves: their document, and work that needs it for itself."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import panel as pn
from bokeh.document import Document


def served_page() -> Document | None:
    """Document of the page that is served now; None in a notebook, which has no session."""
    document = pn.state.curdoc
    return None if document is None or document.session_context is None else document


def in_turn(act: Callable[[], None]) -> None:
    """Call a function that changes bokeh's models, at once or when the served page's turn comes.

    Panel answers events of tables without the document's lock, which bokeh's own models need.
    """
    page = served_page()
    if page is None:
        act()
    else:
        page.add_next_tick_callback(act)


@contextmanager
def in_one_message() -> Iterator[None]:
    """Context whose changes of bokeh's and Panel's models reach the served page in their order.

    Panel writes its changes at once, or later where the connection is busy; bokeh writes those of
    its own models when the event is answered. A browser that meets a change before the message
    with the model that it names drops it. Here all changes are held, and are sent together.
    """
    page = served_page()
    if page is None:
        yield
    else:
        with pn.io.hold(page):
            yield
