"""Aggregates over images, and the tables that show them."""

import json
import math

import numpy as np
import pytest

from workbench.errors import WorkbenchError
from workbench.evaluation import BenchmarkTable, MethodScores, PoolScores, compare


def scores(coverings: list[list[float]], pixels: int = 100, best: float = 0.9) -> PoolScores:
    matrix = np.array(coverings)
    return PoolScores(
        coverings=matrix,
        rand_indices=matrix,
        variations=2 - matrix,
        segments=np.arange(1, len(matrix) + 1),
        benchmark_best=best,
        pixels=pixels,
    )


# By annotator: image "a" is best at scale 0, image "b" (two annotators) at scale 1.
TWO = {"a": scores([[0.8], [0.2]], best=0.8), "b": scores([[0.3, 0.1], [0.4, 0.6]], best=0.5)}


def method(name: str, lead: float = 0.0, images: int = 12) -> MethodScores:
    rng = np.random.default_rng(0)
    pools = {
        f"i{i}": scores((rng.uniform(0.2, 0.8, (3, 4)) + lead).tolist()) for i in range(images)
    }
    return MethodScores(name, pools)


def test_per_image_takes_each_image_at_its_best() -> None:
    table = MethodScores("m", TWO).per_image()
    assert table.loc["a"].to_dict() == pytest.approx(
        {"best": 0.8, "average": 0.8, "pri": 0.8, "vi": 1.2, "benchmark_best": 0.8}
    )
    assert table.loc["b", ["best", "average", "vi"]].tolist() == pytest.approx([0.6, 0.5, 1.5])


def test_paper_means_are_unweighted_and_the_benchmarks_weigh_annotators() -> None:
    means = MethodScores("m", TWO).summary()
    assert means.images == 2
    assert (means.best.mean, means.average.mean) == pytest.approx((0.7, 0.65))
    assert means.covering.ois == pytest.approx((0.8 + 0.4 + 0.6) / 3)
    assert means.covering.ods == pytest.approx((0.8 + 0.3 + 0.1) / 3)
    assert means.benchmark_best == pytest.approx((0.8 + 2 * 0.5) / 3)
    # Rand index and VI weigh images alike: the scale that is best for the set may be another.
    assert (means.pri.ods, means.pri.ois, means.pri.scale) == pytest.approx((0.5, 0.65, 0))
    assert (means.vi.ods, means.vi.ois, means.vi.scale) == pytest.approx((1.5, 1.35, 0))


def test_pools_of_different_size_have_no_ods() -> None:
    means = MethodScores("m", {"a": scores([[0.5]]), "b": scores([[0.3], [0.7]])}).summary()
    assert math.isnan(means.covering.ods)
    assert means.covering.scale is None
    assert means.covering.ois == pytest.approx(0.6)


def test_a_method_without_images_is_refused() -> None:
    with pytest.raises(WorkbenchError, match="at least one image for 'm'"):
        MethodScores("m", {})


def test_methods_are_compared_image_by_image_in_any_order() -> None:
    baseline = method("untrained")
    ahead = method("trained", lead=0.05)
    shuffled = MethodScores("trained", dict(reversed(ahead.images.items())))
    for other in (ahead, shuffled):
        lead = compare(other, baseline, "best")
        assert (lead.mean, lead.low, lead.high) == pytest.approx((0.05, 0.05, 0.05))
        assert lead.p < 0.001
    assert compare(ahead, baseline, "vi").mean == pytest.approx(-0.05)


def test_methods_on_different_images_are_not_compared() -> None:
    with pytest.raises(WorkbenchError, match="2 that only one of them has"):
        compare(method("a", images=5), method("b", images=3))
    with pytest.raises(WorkbenchError, match="a: 5, b: 3"):
        BenchmarkTable((method("a", images=5), method("b", images=3)))


def test_an_unknown_measure_is_refused() -> None:
    with pytest.raises(WorkbenchError, match="best, average, pri, vi, found f1"):
        compare(method("a"), method("b"), "f1")


def test_methods_of_one_name_are_refused() -> None:
    with pytest.raises(WorkbenchError, match="different names"):
        BenchmarkTable((method("a"), method("a")))


def test_text_is_aligned_and_says_who_leads() -> None:
    text = BenchmarkTable((method("untrained"), method("trained", 0.05))).to_text()
    images, means, leads = text.split("\n\n")
    for part in (images, means):
        assert len({len(line) for line in part.splitlines()}) == 1
    assert len(images.splitlines()) == 2 + 12
    assert "best untrained  best trained" in images
    assert [line.split()[0] for line in means.splitlines()[2:]] == ["untrained", "trained"]
    assert "trained − untrained, best covering: +0.050 [0.050, 0.050], p < 0.001" in leads


def test_markdown_and_html_hold_the_same_cells() -> None:
    table = BenchmarkTable((method("un|trained"), method("<trained>", 0.05)))
    markdown = table.to_markdown(images=True)
    assert r"| un\|trained | 12 |" in markdown
    assert "- <trained> − un|trained, average covering: +0.050" in markdown
    html = table._repr_html_()
    assert "<td>&lt;trained&gt;</td><td>12</td>" in html
    assert "<li>&lt;trained&gt; − un|trained" in html


def test_one_method_on_one_image_is_a_table_too() -> None:
    table = BenchmarkTable((method("only", images=1),))
    assert table.to_text().count("\n\n") == 1
    assert "–" in table.to_text(images=False)


def test_plain_values_are_strict_json() -> None:
    table = BenchmarkTable((method("untrained", images=1), method("trained", 0.1, images=1)))
    plain = json.loads(json.dumps(table.to_dict(), allow_nan=False))
    mean = plain["methods"]["trained"]["mean"]
    assert mean["best"]["standard_error"] is None
    assert mean["covering"]["scale"] in {0, 1, 2}
    assert plain["differences"]["trained"]["best"]["mean"] == pytest.approx(0.1)
    assert plain["methods"]["untrained"]["images"]["i0"]["segments"] == [1, 2, 3]
