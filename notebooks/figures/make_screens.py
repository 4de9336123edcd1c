"""The README's screen sequence: the sample is trained, and the app is looked at meanwhile.

    python notebooks/figures/make_screens.py

A pixel of a held-out scene is clicked before the first step; the training, paused for each picture,
goes on, and the page follows it by itself. Needs chromium (`--browser`) and the test extra.
"""

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from pipelines.jobs import run as run_pipeline
from pipelines.sources.sample import write_sample
from workbench import Control, Run, train
from workbench.evaluation.scenes.snapshots import Snapshot
from workbench.models import ArchitectureConfig
from workbench.runs import Status
from workbench.training.scenes.config import DeepNCutsConfig
from workbench.widgets.page.application import INTERVAL

HERE = Path(__file__).parent
SCENE, CLICK = 0, (0.3, 0.75)
"""Which held-out scene, and where in its picture the hand clicks: to the right, down."""
SIZE = {"width": 1500, "height": 1000}
WIDTH = 1100
"""Of the pictures, pixels."""
COLOURS = 160
"""Of a PNG: its size is a third of that in all colours, and nobody sees it."""
PATIENCE = 60.0
"""Seconds to wait for anything."""


def main() -> None:
    """Train, look, write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE)
    parser.add_argument("--browser", default="/usr/bin/chromium")
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix="workbench-screens-") as folder:
        config = prepared(Path(folder))
        training = train(config, Path(folder) / "runs" / "live", overwrite=True)
        run = training.run
        try:
            wait_for(lambda: bool(run.snapshots()), "the first look at the held-out scenes")
            Control(run).pause()
            take(run, Path(folder) / "runs", arguments.browser, arguments.out)
        finally:
            if run.status is Status.RUNNING:
                Control(run).stop()
            training.wait()


def prepared(folder: Path) -> DeepNCutsConfig:
    """A store of sample scenes, and how to train on it."""
    write_sample(folder / "raw", train=24, test=2, seed=0)
    run_pipeline("bsds", folder / "raw", folder / "scenes.zarr", workers=1, progress=False)
    return DeepNCutsConfig(
        store=str(folder / "scenes.zarr"),
        architecture=ArchitectureConfig(backbone="tiny", taps=("relu3",), enlarge=1.0),
        learning_rate=3e-3,
        head_multiplier=1.0,
        passes=8,
        holdout=4,
    )


def take(run: Run, runs: Path, browser: str, out: Path) -> None:
    """All pictures of a run that is paused before its first step."""
    code = "from workbench.cli import main; main()"
    command = [sys.executable, "-c", code, "lab", "--app", str(runs), "--port", "0", "--no-browser"]
    app = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert app.stdout is not None
        address = re.match(r"http://\S+", app.stdout.readline())
        if address is None:
            raise SystemExit("the app did not start")
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
            page = chromium.new_page(viewport=SIZE)
            page.set_default_timeout(1000 * PATIENCE)
            page.goto(address[0])
            walk(page, run, out)
            chromium.close()
    finally:
        app.terminate()
        app.communicate()


def walk(page: Page, run: Run, out: Path) -> None:
    """Take the pictures of the workspace, and of two tabs, while the training goes on."""
    scene = run.snapshot_names()[SCENE]
    image = Snapshot.load(run, run.snapshots(scene)[0], scene).image
    (right, down), (height, width, _) = CLICK, image.shape
    pixel = json.dumps([[round(down * height), round(right * width)]])
    page.goto(f"{page.url}?image={scene}&pixels={pixel}")
    page.get_by_text("Eigenvalues of M").first.wait_for(state="attached")
    passes = run.config["passes"]
    for number, after in (("1-before", 0), ("2-middle", passes // 4), ("3-after", passes)):
        if after:
            Control(run).resume()
        wait_for(
            lambda after=after: len(run.snapshots()) > after or run.status is not Status.RUNNING,
            f"pass {after}",
        )
        if run.status is Status.RUNNING:
            Control(run).pause()
        picture(page, out / f"screen-{number}.png", 1000)
    for number, title in (("4-spectrum", "Spectrum"), ("5-segmentations", "Segmentations")):
        open_tab(page, title)
        picture(page, out / f"screen-{number}.png", 1000)


def open_tab(page: Page, title: str) -> None:
    """Open a tab of the app, and wait for its pictures."""
    page.get_by_text(title, exact=True).first.click()
    page.wait_for_timeout(5000)


def picture(page: Page, path: Path, height: int) -> None:
    """The upper part of the page as a small PNG."""
    page.mouse.move(5, height - 5)  # no tooltip
    page.wait_for_timeout(3 * INTERVAL)  # until the page has looked at the run again
    shot = Image.open(BytesIO(page.screenshot())).convert("RGB")
    upper = shot.crop((0, 0, shot.width, height))
    small = upper.resize((WIDTH, WIDTH * height // shot.width), Image.Resampling.LANCZOS)
    small.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size // 1000} kB")


def wait_for(there: Callable[[], bool], what: str) -> None:
    """Ask again and again, but not for ever."""
    end = time.monotonic() + PATIENCE
    while not there():
        if time.monotonic() > end:
            raise SystemExit(f"waited {PATIENCE:g} s for {what}")
        time.sleep(0.1)


if __name__ == "__main__":
    main()
