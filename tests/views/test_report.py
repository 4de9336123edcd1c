"""The page of a run: whole, offline, and honest about what is missing."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.evaluation.scenes.snapshots import Snapshot
from workbench.runs import Run
from workbench.views import inline
from workbench.views.report import write_report
from workbench.views.scenes.segments import best_segmentation
from workbench.views.scenes.spectrum import spectrum

Evaluate = Callable[[Run, tuple[str, ...]], None]


def page_of(run: Run, path: Path) -> str:
    assert write_report(run, path) == path
    return path.read_text(encoding="utf-8")


def assert_needs_nothing_else(page: str) -> None:
    links = re.findall(r"""(?:src|href)\s*=\s*["']([^"']*)|url\(["']?([^"')]*)""", page)
    assert all(link.startswith(("data:", "#")) for pair in links for link in pair if link)
    assert "<script" not in page
    assert "@import" not in page


def test_an_evaluated_run(trained_run: Run, evaluate: Evaluate, tmp_path: Path) -> None:
    evaluate(trained_run, ("untrained", "trained"))
    page = page_of(trained_run, tmp_path / "new" / "report.html")
    assert_needs_nothing_else(page)
    for words in ("finished after 4 steps", "2 scenes of “test”", "Scene a", "Scene b", "95 %"):
        assert words in page
    assert "workbench evaluate" not in page
    links = re.findall(r'<a href="(#[^"]+)"', page)
    assert len(links) >= 5
    for link in links:
        assert page.count(f' id="{link[1:]}"') == 1, "a link of the contents leads nowhere"
    assert page.count('class="scale"') >= 2 * 2 * (3 + 1 + 1), "maps without a colour bar"
    for state in ("untrained", "trained"):
        found = Snapshot.load(trained_run, trained_run.step, f"test-{state}-a")
        assert f"{state} {found.effective_rank:.1f}" in page
    assert "losing rank" not in page


def test_an_evaluation_of_the_trained_network_alone(
    trained_run: Run, evaluate: Evaluate, tmp_path: Path
) -> None:
    evaluate(trained_run, ("trained",))
    page = page_of(trained_run, tmp_path / "report.html")
    assert "untrained features were not evaluated" in page
    assert "Scene a" in page


def test_a_run_without_an_evaluation_says_how_to_make_one(trained_run: Run, tmp_path: Path) -> None:
    page = page_of(trained_run, tmp_path / "report.html")
    assert_needs_nothing_else(page)
    assert f"workbench evaluate {trained_run.path} --split test" in page
    assert "Scene watched" in page
    assert "step 0" in page


def test_a_run_that_has_just_begun(started_run: Run, tmp_path: Path) -> None:
    page = page_of(started_run, tmp_path / "report.html")
    assert "in training, at step 0" in page
    assert "Nothing has been measured yet" in page


def test_an_evaluated_run_of_regions(
    region_run: Run, evaluate_regions: Callable[[Run, str], None], tmp_path: Path
) -> None:
    evaluate_regions(region_run, "held")
    evaluate_regions(region_run, "test")
    page = page_of(region_run, tmp_path / "report.html")
    assert_needs_nothing_else(page)
    assert page.index("12 test regions in 4 images") < page.index("12 held-out regions in 4")
    for words in ("DeepO2P on a tiny network", "log(XᵀX/m + εI)", "3 categories", "4 regions a"):
        assert words in page
    for words in ("Balanced error", "95 % interval", "Calibration error", "zebra", "Loss"):
        assert words in page
    assert "cat &lt;tame&gt;" in page
    assert "workbench evaluate" not in page


def test_a_run_of_regions_without_an_evaluation(region_run: Run, tmp_path: Path) -> None:
    page = page_of(region_run, tmp_path / "report.html")
    assert f"workbench evaluate {region_run.path} --split test" in page
    assert "held-out regions (dots)" in page


def test_runs_that_recorded_no_kind_are_told_apart(
    region_run: Run, trained_run: Run, tmp_path: Path
) -> None:
    for run, words in ((region_run, "DeepO2P on"), (trained_run, "DeepNCuts on")):
        config = {name: value for name, value in run.config.items() if name != "kind"}
        (run.path / "config.json").write_text(json.dumps(config))
        assert words in page_of(Run.open(run.path), tmp_path / "report.html")


def test_a_run_of_a_kind_that_is_not_known_has_a_page_of_its_curves(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", {"kind": "clouds", "size": 3})
    run.log(1, warmth=2.0)
    page = page_of(run, tmp_path / "report.html")
    assert_needs_nothing_else(page)
    assert "A run of clouds" in page
    assert "warmth" in page


def test_the_same_run_gives_the_same_page(trained_run: Run, tmp_path: Path) -> None:
    pages = [page_of(trained_run, tmp_path / name) for name in ("one.html", "two.html")]
    assert pages[0] == pages[1]


@pytest.mark.parametrize("width", [100, 333])
def test_pictures_keep_the_aspect(width: int, snapshot: Snapshot) -> None:
    height, columns = snapshot.image.shape[:2]
    markup = inline.picture(best_segmentation(snapshot, "x<y"), width)
    assert f'width="{width}" height="{round(width * height / columns)}"' in markup
    assert 'alt="x&lt;y' in markup


def test_charts_take_the_colours_of_the_page(snapshot: Snapshot) -> None:
    svg = inline.chart(spectrum({"before": snapshot, "after": snapshot}))
    assert svg.startswith("<svg")
    assert {"var(--before)", "var(--after)", "var(--muted)"} <= set(
        re.findall(r"var\(--\w+\)", svg)
    )
    assert "<metadata" not in svg
