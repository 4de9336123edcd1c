"""Pictures of the workspace, for README.md and docs/workspace.md.

    WORKBENCH_DATA=/path/to/data python notebooks/figures/make_screens.py

A VGG-19 in plain torch is probed on photographs that scikit-image ships (public domain), and the
geometry of its layers measured on their quarters; six small networks are trained on the sample
scenes; the app is looked at in chromium (`--browser`).
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlencode

from make_any_network import vgg19
from PIL import Image
from playwright.sync_api import Page, sync_playwright
from skimage import data

import workbench
from pipelines.jobs import run as run_pipeline
from pipelines.sources.sample import write_sample
from workbench import train
from workbench.models import ArchitectureConfig
from workbench.probe import Preprocessing
from workbench.probe.start import probe
from workbench.training.scenes.config import DeepNCutsConfig

OUT = Path(__file__).parents[2] / "docs" / "pictures"
PHOTOGRAPHS = ("chelsea", "astronaut", "coffee", "rocket")
LAYERS = ("features.8", "features.17", "features.26", "features.31")
LONGEST = 448
"""Longest side of the photographs that the network sees, pixels."""
SIZE = {"width": 1440, "height": 860}
WIDTH = 1200
"""Of the pictures, pixels."""
PATIENCE = 60.0
"""Seconds to wait for anything."""


def main() -> None:
    """Probe, train, look, write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--browser", default="/usr/bin/chromium")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="workbench-screens-") as folder:
        runs = Path(folder) / "runs"
        probed(Path(folder))
        measured(Path(folder))
        trained(Path(folder))
        look(runs, arguments.browser, arguments.out)


def probed(folder: Path) -> None:
    """A probe of the network over the photographs."""
    photographs = folder / "photographs"
    photographs.mkdir()
    for name in PHOTOGRAPHS:
        image = Image.fromarray(getattr(data, name)())
        image.thumbnail((LONGEST, LONGEST))
        image.save(photographs / f"{name}.png")
    seen = Preprocessing(longest=LONGEST, mean=(0, 0, 0), std=(1, 1, 1))
    layers = list(LAYERS)
    probe(vgg19(), photographs, layers, path=folder / "runs" / "vgg19", preprocessing=seen)


def measured(folder: Path) -> None:
    """Geometry of layers of the network on the quarters of the photographs."""
    quarters = folder / "quarters"
    quarters.mkdir()
    for name in PHOTOGRAPHS:
        image = Image.fromarray(getattr(data, name)())
        width, height = image.width // 2, image.height // 2
        for x, y in product((0, 1), (0, 1)):
            box = (x * width, y * height, (x + 1) * width, (y + 1) * height)
            image.crop(box).save(quarters / f"{name}-{x}{y}.png")
    look = workbench.layer_geometry(vgg19(), quarters, list(LAYERS), beside="random", draws=1)
    replace(look, network="vgg19").save(folder / "runs" / "geometry")


def trained(folder: Path) -> None:
    """Runs of two objectives, each with three seeds."""
    write_sample(folder / "raw", train=24, test=2, seed=0)
    run_pipeline("bsds", folder / "raw", folder / "scenes.zarr", workers=1, progress=False)
    for objective in ("j1", "j2"):
        for seed in range(3):
            config = DeepNCutsConfig(
                store=str(folder / "scenes.zarr"),
                architecture=ArchitectureConfig(backbone="tiny", taps=("relu3",), enlarge=1.0),
                learning_rate=3e-3, head_multiplier=1.0, passes=6, holdout=4,
                objective=objective, seed=seed,
            )  # fmt: skip
            train(config, folder / "runs" / f"{objective}-seed{seed}", where="thread").wait()


def look(runs: Path, browser: str, out: Path) -> None:
    """All pictures of an app that serves the runs."""
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
            walk(page, address[0], out)
            chromium.close()
    finally:
        app.terminate()
        app.communicate()


def walk(page: Page, address: str, out: Path) -> None:
    """Take the pictures, one address after another."""

    def take(name: str, act: Callable[[], None] | None = None, **selection: object) -> None:
        page.goto(f"{address}/?{urlencode(selection, doseq=True)}")
        page.get_by_text(re.compile("^Metric|^Layer")).first.wait_for()
        page.wait_for_timeout(8000)
        if act is not None:
            act()
            page.wait_for_timeout(4000)
        page.mouse.move(5, SIZE["height"] - 5)  # no tooltip
        shot = Image.open(BytesIO(page.screenshot())).convert("RGB")
        small = shot.resize((WIDTH, WIDTH * shot.height // shot.width), Image.Resampling.LANCZOS)
        small.save(out / name, quality=85, optimize=True)
        print(f"{out / name}: {(out / name).stat().st_size // 1000} kB")

    cat = {"runs": ["vgg19"], "image": "chelsea", "step": 4, "pixels": "[[105, 225]]"}
    take("affinity.jpg", **cat)
    take("blocks.jpg", **cat | {"overlay": "segments", "k": 5, "chart": "block matrix"})
    take("compared.jpg", **cat | {"step": 3, "pins": [4], "eigenvector": 2})
    take("dark.jpg", **cat | {"overlay": "eigenvector", "eigenvector": 3, "theme": "dark"})
    take("geometry.jpg", lambda: explored(page), runs=["geometry"])
    names = [f"{objective}-seed{seed}" for objective in ("j1", "j2") for seed in range(3)]
    curves = {"runs": names, "group": "objective", "smooth": 0.1}
    take("curves.png", lambda: page.get_by_text("Curves", exact=True).first.click(), **curves)


def explored(page: Page) -> None:
    """Hide the table, and go to the deepest layer."""
    page.get_by_role("button", name="☰").click()
    page.locator("input[type=range]").press("End")


if __name__ == "__main__":
    main()
