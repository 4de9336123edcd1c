"""The page of a run: whole, offline, and honest about what is missing."""

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
