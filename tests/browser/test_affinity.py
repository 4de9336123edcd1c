"""A click on the image, and the heat map that follows it, in JupyterLab."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import colormaps
from scipy.ndimage import distance_transform_edt

from tests.browser.figures import Figure, figures, titled
from tests.browser.notebook import Notebook, write_notebook
from tests.browser.pixels import Pixels, changed, painted
from tests.browser.trainings import eventually
from workbench.evaluation.scenes.snapshots import Snapshot
from workbench.runs import Run
from workbench.views.paint import robust_maximum
from workbench.views.scenes.affinity import interior_pixels
from workbench.views.scenes.probe import AffinityProbe, Pixel
from workbench.views.scenes.segments import typical_annotator
from workbench.views.style import SEQUENTIAL

if TYPE_CHECKING:
    from playwright.sync_api import Page

CELLS = [
    "import threading\n\nfrom workbench.widgets import AffinityExplorer",
    """explorer = AffinityExplorer({run!r})
threads = []
explorer.observe(lambda _: threads.append(threading.current_thread()), "seeds")
explorer""",
    "assert threads and set(threads) == {{threading.main_thread()}}, threads",
]


def off_by(figure: Figure, pixels: Pixels, snapshot: Snapshot, seed: Pixel) -> float:
    """How far a heat map is from the record's row of a pixel: a mean over its blocks, in 1/255.

    Blocks under boundaries and under the ring are left out.
    """
    probe = AffinityProbe(snapshot)
    row = probe.over_image([seed])[0]
    y, x = np.mgrid[: row.shape[0], : row.shape[1]] * probe.step + (probe.step - 1) / 2
    labels = typical_annotator(snapshot.truths)
    inside = np.ones(labels.shape, bool)
    inside[:-1] &= labels[:-1] == labels[1:]
    inside[:, :-1] &= labels[:, :-1] == labels[:, 1:]
    clear = distance_transform_edt(inside)[y.astype(int), x.astype(int)] > 2 * probe.step
    clear &= np.hypot(y - seed[0], x - seed[1]) > 8
    columns, rows = figure.at(x[clear], y[clear])
    shown = pixels[rows.astype(int), columns.astype(int)].astype(float)
    expected = 255 * colormaps[SEQUENTIAL](np.clip(row[clear] / robust_maximum(row), 0, 1))[:, :3]
    return float(np.abs(shown - expected).mean())


def test_a_click_on_the_image_shows_that_pixels_row(
    page: "Page",
    project: Path,
    trained: Run,
    open_notebook: Callable[[str], Notebook],
    keep: Callable[[str], None],
) -> None:
    write_notebook(
        project / "notebooks" / "affinity.ipynb", [c.format(run=str(trained.path)) for c in CELLS]
    )
    notebook = open_notebook("affinity.ipynb")
    notebook.run(0)
    notebook.run(1)
    scene = trained.snapshot_names()[0]
    snapshot = Snapshot.load(trained, trained.snapshots(scene)[-1], scene)
    first, second = interior_pixels(typical_annotator(snapshot.truths), 2)
    image = titled(page, f"scene {scene}, step {trained.step}")
    before = titled(page, f"M, row of pixel x {first[1]}, y {first[0]};")
    shown = before.pixels()
    assert painted(image.pixels()) > 0.5
    assert off_by(before, shown, snapshot, first) < 6
    assert off_by(before, shown, snapshot, second) > 25
    keep("before")

    image.click(second[1], second[0])
    after = titled(page, f"M, row of pixel x {second[1]}, y {second[0]};")
    follows = after.pixels()
    assert changed(shown, follows) > 0.1
    assert off_by(after, follows, snapshot, second) < 6
    keep("after")

    page.get_by_label("Several pixels").check()
    image.click(first[1], first[0])
    several = titled(page, "M, rows of 2 seeds")
    assert changed(follows, several.pixels()) > 0.1
    assert len(figures(page)) == 3
    notebook.run(2)

    notebook.save()
    notebook.refresh()  # no cell is run again
    image = titled(page, "scene ")

    def answered() -> bool:
        image.click(3, 3)
        page.wait_for_timeout(500)
        return any(figure.title.startswith("M, rows of") for figure in figures(page))

    eventually(answered, "an answer to clicks, once Panel has found the kernel again")
    assert page.get_by_label("Several pixels").is_checked()
    keep("refreshed")
    assert (notebook.errors(), notebook.warnings()) == ([], [])


def test_a_click_while_the_cell_still_runs_is_answered_after_it(
    page: "Page", project: Path, trained: Run, open_notebook: Callable[[str], Notebook]
) -> None:
    """JupyterLab opens the plot's comm by the busy main shell, and sends its messages past it."""
    clicked = project / "clicked"
    cells = [
        "import time\nfrom pathlib import Path\n\nfrom workbench.widgets import AffinityExplorer",
        f"display(AffinityExplorer({str(trained.path)!r}))\n"
        f"while not Path({str(clicked)!r}).exists():\n    time.sleep(0.05)\n"
        "print('over')",
    ]
    write_notebook(project / "notebooks" / "busy.ipynb", cells)
    notebook = open_notebook("busy.ipynb")
    notebook.run(0)
    notebook.start(1)
    titled(page, "scene ").click(3, 3)
    assert "over" not in notebook.output(1).inner_text()
    clicked.touch()
    titled(page, "M, row of pixel x 3, y 3;")
    assert "over" in notebook.output(1).inner_text()
    assert (notebook.errors(), notebook.warnings()) == ([], [])
