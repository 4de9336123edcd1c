"""The geometry of a run of small images: ratios, codes, nearest images, and what is missing."""

import asyncio
import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bokeh.events import Tap

import workbench
from pipelines.jobs import run as process
from pipelines.sources.sample import write_sample
from workbench.data import Images
from workbench.evaluation.triplets import KINDS
from workbench.experiments.images import kept as networks_kept
from workbench.experiments.images.training import KEPT, load_network, train_images
from workbench.models.small_cnn import TAPS
from workbench.runs import Run
from workbench.training.images.config import ImageConfig
from workbench.views.style import shortened
from workbench.widgets.images.nearest import COUNT, NearestPanel
from workbench.widgets.images.page import ImagesPage
from workbench.widgets.images.ratios import RatioPanel
from workbench.widgets.workspace.state import CODES, NEAREST, RATIOS, State


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A training of two passes on a store of 60 test images, with two kept networks."""
    folder = tmp_path_factory.mktemp("images")
    write_sample(folder / "raw", train=120, test=60, layout="cifar10")
    store = process("cifar10", folder / "raw", folder / "a.zarr", workers=1, progress=False).store
    config = ImageConfig(
        store=str(store), width=4, passes=2, batch=20, anchors=20, errors=(99.0,),
        geometry=("block3",),
    )  # fmt: skip
    return train_images(config, folder / "runs" / "first", progress=False)


@pytest.fixture
def run(trained: Run, tmp_path: Path) -> Run:
    """A copy that a test may harm."""
    return Run.open(shutil.copytree(trained.path, tmp_path / "run"))


def tap(figure: Any, x: float, y: float = 0.0) -> None:
    figure._trigger_event(Tap(figure, x=x, y=y))


def test_medians_histograms_and_a_click_on_a_kept_network(trained: Run) -> None:
    page = ImagesPage([trained, trained], names=["first", "second"])
    panel = page.panels[RATIOS]
    assert isinstance(panel, RatioPanel)
    assert page.message == ""
    lines = panel._lines["block3"].data
    assert sorted(set(lines["name"])) == sorted(
        f"{kind} {side}{other}"
        for kind in KINDS for side in ("intra", "inter") for other in ("", ", second")
    )  # fmt: skip
    logged = trained.series()["block3 boundary intra"]
    assert lines["ys"][lines["name"].index("boundary intra")].tolist() == logged.tolist()
    assert set(lines["opacity"]) == {1.0, 0.3}
    first, last = panel._kept
    assert panel._chosen[0].location == last.step == page._shown[RATIOS].network.step
    bars = panel._bars["random"].data["top"]
    assert 0.9 < bars[: len(bars) // 2].sum() <= 1
    tap(panel.curves[1], first.step + 0.3 * (last.step - first.step))
    assert page.state.network == "start"
    assert panel._words.text.count("start, step 0") == 1
    np.testing.assert_allclose(
        panel._bars["boundary"].data["top"],
        np.concatenate([ys[1:-1:2] for ys in panel._steps["boundary"].data["ys"]]),
        err_msg="the start is not beside itself",
    )
    assert "layers" in page._choice.options, "the training recorded block3"
    page.close()


def test_codes_and_nearest_images_are_those_of_the_features(trained: Run) -> None:
    page = ImagesPage([trained], State(geometry=CODES, layer="block2", bits=12))
    kept, (_, last) = page._kept, page._kept.networks()
    images = Images.open(trained.config["store"])
    model = load_network(trained, last.name)
    with torch.no_grad():
        maps = model.block2(model.block1(model.prepare(images.test.pixels())))
    features = torch.nn.functional.adaptive_avg_pool2d(maps, 4).flatten(1).numpy()
    np.testing.assert_allclose(kept.features(last, "block2"), features, rtol=1e-4, atol=1e-5)
    found = kept.figures(last, "block2", "lsh", 12)
    assert f"{found.distinct} of 60" in page.panels[CODES].table.text
    assert len(found.balance) == 12
    assert len(found.by_codes.expected) == 30, "half of each category, where they are few"
    page.state.geometry = NEAREST
    panel = page.panels[NEAREST]
    assert isinstance(panel, NearestPanel)
    assert panel.found is not None
    away = np.linalg.norm(features - features[0], axis=1)
    away[0] = np.inf
    row = [panel.found.positions[1, column] for column in range(1, COUNT + 1)]
    assert row == np.argsort(away, kind="stable")[:COUNT].tolist()
    labels = images.test.labels.numpy()
    said = {place: cell.caption.split()[-2:] for place, cell in panel.found.cells.items()}
    marks = [said[1, column][0] for column in range(1, COUNT + 1)]
    assert marks == ["✓" if labels[each] == labels[0] else "✗" for each in row]
    codes = kept.codes(last, "block2", "lsh", 12)
    bits = [said[0, column][1] for column in range(1, COUNT + 1)]
    assert bits == sorted(bits, key=int)
    assert int(bits[0]) == codes[:1].hamming(codes)[0][1:].min()
    x, y = panel.sheet._centre((1, 3))
    tap(panel.sheet.figure, x, y)
    assert page.state.position == row[2]
    assert panel.found.cells[0, 0].caption == shortened(images.names[labels[row[2]]], 11)
    tap(panel.offers.figure, panel.offers._centre((0, 4))[0], 5)
    assert page.state.position == panel.found.choices[4]
    page.state.position = 1_000
    assert "Query 59 of 60" in panel.words.text
    page.state.param.update(coder="itq", layer="logits", bits=48)
    assert "take fewer bits, or LSH" in page.message
    page.state.coder = "ksh"
    assert page.message == ""
    assert "KSH" in panel.words.text


def test_a_running_training_is_followed_and_nothing_is_computed_twice(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    measure = networks_kept.measure

    def counted(model: Any, *rest: Any) -> Any:
        asked.append("")
        return measure(model, *rest)

    monkeypatch.setattr(networks_kept, "measure", counted)
    page = ImagesPage([run])
    assert len(asked) == 2
    page.refresh()
    run.log(99, **{f"{layer} boundary intra": 0.5 for layer in TAPS})
    page.refresh()
    assert len(asked) == 2, "no network has changed"
    ratios = page.panels[RATIOS]
    assert isinstance(ratios, RatioPanel)
    assert max(map(max, ratios._lines["logits"].data["xs"])) == 99
    shutil.copy(run.checkpoints / "start.pt", run.checkpoints / "error-1.pt")
    run.append(KEPT, 99, name="error-1", held_out_error=0.01, test_error=0.02)
    page.refresh()
    assert len(asked) == 3
    assert "error-1, step 99, 2.0 % test error" in ratios._words.text


def test_the_page_answers_while_a_thread_computes(trained: Run) -> None:
    async def look() -> None:
        page = ImagesPage([trained], State(geometry=CODES))
        assert page.message.startswith("Computing codes of error-99")
        threads: list[str] = []
        compute = page.panels[NEAREST].compute
        page.panels[NEAREST].compute = lambda *given: (  # type: ignore[method-assign]
            threads.append(threading.current_thread().name) or compute(*given)
        )
        page.state.geometry = NEAREST
        while page.message:
            await asyncio.sleep(0.01)
        assert NEAREST in page._shown
        assert threads
        assert threads[0] != threading.main_thread().name
        assert CODES not in page._shown, "nobody looks at them any more"

    asyncio.run(look())


def _no_store(run: Run) -> None:
    _set_store(run, "nowhere.zarr")


def _set_store(run: Run, path: str) -> None:
    config = run.path / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"store": path}))


def _no_network(run: Run) -> None:
    lines = run.log_path.read_text().splitlines()
    kept = [line for line in lines if json.loads(line)["kind"] != KEPT]
    run.log_path.write_text("\n".join(kept) + "\n")


def _no_file(run: Run) -> None:
    (run.checkpoints / "error-99.pt").unlink()


def _damaged(run: Run) -> None:
    (run.checkpoints / "error-99.pt").write_bytes(b"nothing")


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (_no_store, "nowhere.zarr"), (_no_network, "No network is kept yet"),
        (_no_file, "train it again"), (_damaged, "a damaged file"),
    ],
)  # fmt: skip
def test_what_is_missing_is_said(run: Run, harm: Callable[[Run], None], words: str) -> None:
    harm(run)
    found = workbench.explore(run.path, geometry=NEAREST)
    page = found.explorer("Geometry")
    assert isinstance(page, ImagesPage)
    assert words in page.message
    ratios = page.panels[RATIOS]
    assert isinstance(ratios, RatioPanel)
    assert ratios._lines["block1"].data["xs"], "the log has them"


def test_another_store_is_refused(run: Run, sample_store: Path, tmp_path: Path) -> None:
    _set_store(run, str(sample_store))
    assert "a store of small images" in ImagesPage([Run.open(run.path)]).message
    model = load_network(run, "start")
    model.logits = torch.nn.Linear(model.logits.in_features, 7)
    for name in ("start", "error-99"):
        torch.save(model.state_dict(), run.checkpoints / f"{name}.pt")
    page = ImagesPage([run])
    assert "7 categories, 32×32 pixels" in page.message
    assert "10 categories" in page.message
