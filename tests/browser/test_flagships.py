"""The notebooks that a new user opens first, from top to bottom in JupyterLab."""

from collections.abc import Callable

from tests.browser.figures import figures, titled
from tests.browser.notebook import SECONDS, Notebook
from tests.browser.pixels import changed, painted

Keep = Callable[[str], None]


def runs_and_draws(notebook: Notebook, least: int, keep: Keep) -> None:
    """It runs from top to bottom, and none of its figures, of which there are so many, is blank."""
    notebook.run_all(timeout=180 * SECONDS)
    assert notebook.errors() == []
    with notebook.unfolded() as whole:
        keep("whole")
        drawn = {
            f"{i}: {figure.title}": painted(figure.within(whole))
            for i, figure in enumerate(figures(notebook.page))
        }
    assert len(drawn) >= least
    blank = [title for title, part in drawn.items() if part < 0.03]
    assert not blank, f"of {len(drawn)} figures these are blank: {blank}"


def test_quickstart(open_notebook: Callable[[str], Notebook], keep: Keep) -> None:
    runs_and_draws(open_notebook("00_quickstart.ipynb"), 12, keep)


def test_train_live(open_notebook: Callable[[str], Notebook], keep: Keep) -> None:
    """Besides, once it has run, a click on the scene that it has followed still changes the map."""
    notebook = open_notebook("02_train_live.ipynb")
    runs_and_draws(notebook, 15, keep)
    rows = titled(notebook.page, "M, row of pixel")
    # The oldest: the newest is the workspace's, further below.
    image = next(each for each in figures(notebook.page) if each.title.startswith("scene "))
    before, title = rows.pixels(), rows.title
    image.click(3, 3)
    assert titled(notebook.page, "M, row of pixel x 3, y 3;").id == rows.id
    assert title != rows.title
    assert changed(before, rows.pixels()) > 0.05
    keep("clicked")
