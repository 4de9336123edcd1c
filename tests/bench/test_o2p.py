"""The benchmark of second-order pooling in a network, in miniature; nothing here is timed."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from workbench.bench.o2p import run as o2p
from workbench.bench.o2p.poolings import (
    AVERAGE,
    EIGH_DOUBLE,
    EPSILON,
    NEWTON_SCHULZ,
    OURS,
    ROOT,
    poolings,
)
from workbench.bench.o2p.report import BACKBONE, StepReport, StepRow, targets
from workbench.bench.o2p.run import StepCase, StepSizes, bench_o2p, frames, full_sizes, in_turn
from workbench.linalg import unvectorise

CPU = torch.device("cpu")
CASE = StepCase("tiny", "relu2", 32, 3)


@pytest.fixture(scope="module")
def report() -> StepReport:
    return bench_o2p(StepSizes((CASE,), 2), CPU)


def test_every_pooling_and_the_backbone_have_a_row(report: StepReport) -> None:
    assert [row.method for row in report.rows] == [*poolings(), BACKBONE]
    ours, *_, alone = report.rows
    assert ours.ratio == ours.layer_ratio == 1
    assert ours.finite
    assert alone.layer is None
    for row in report.rows[:-1]:
        assert row.rate == pytest.approx(CASE.batch / row.seconds)
        assert row.share > 0


def test_the_report_says_what_the_layer_sees(report: StepReport) -> None:
    text = report.to_markdown()
    assert "of 32 features in 64 cells" in text
    assert "ours factors the side of the features (32)" in text
    assert "Weights of tiny are random" in text
    assert "layer at most 1.5× the backbone" in text


def test_poolings_are_the_same_functions_of_the_maps() -> None:
    maps = torch.rand(2, 6, 5, 5, dtype=torch.float64)
    pooled = {name: pool(maps) for name, pool in poolings().items()}
    torch.testing.assert_close(pooled[EIGH_DOUBLE], pooled[OURS])
    x = maps[0].flatten(1).T
    moments = x.T @ x / 25 + EPSILON * torch.eye(6, dtype=torch.float64)
    torch.testing.assert_close(torch.matrix_exp(unvectorise(pooled[OURS])[0]), moments)
    covariance = torch.cov(x.T, correction=0)
    root = unvectorise(pooled[ROOT])[0]
    torch.testing.assert_close(root @ root, covariance)
    by_iteration = unvectorise(pooled[NEWTON_SCHULZ])[0]
    assert (by_iteration - root).norm() < 0.2 * root.norm()
    torch.testing.assert_close(pooled[AVERAGE], maps.mean((2, 3)))


def test_targets_are_judged_by_the_layer_beside_the_backbone() -> None:
    row = StepRow("case", OURS, 1.0, 1.0, of_backbone=1.2)
    assert [target.met for target in targets([row], cuda=False)] == [True, True]
    assert [target.met for target in targets([row], cuda=True)] == [False, True]
    broken = StepRow("case", OURS, 1.0, 1.0, of_backbone=1.6, finite=False)
    assert [target.met for target in targets([broken], cuda=False)] == [False, False]


def test_a_rival_that_gives_up_is_named_and_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def gives_up(maps: torch.Tensor) -> torch.Tensor:
        if len(maps) > 1:
            raise torch.linalg.LinAlgError("failed to converge")
        return maps.mean((2, 3))

    kept = {name: pool for name, pool in poolings().items() if name in (OURS, AVERAGE)}
    monkeypatch.setattr(o2p, "poolings", lambda: kept | {"rival": gives_up})
    report = bench_o2p(StepSizes((CASE,), 1), CPU)
    assert [row.method for row in report.rows] == [OURS, AVERAGE, BACKBONE]
    assert any("rival gives up" in note for note in report.notes)


def test_every_task_has_its_turn_in_every_round() -> None:
    calls: list[str] = []
    times = in_turn({name: lambda name=name: calls.append(name) for name in "ab"}, 2)
    assert calls == list("ababab")
    assert {name: len(found) for name, found in times.items()} == {"a": 2, "b": 2}


def test_frames_are_photographs_where_there_are_enough(tmp_path: Path) -> None:
    folder = tmp_path / "coco2017" / "val2017"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(2):
        Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(folder / f"{i}.jpg")
    images, source = frames(tmp_path, 2, 16)
    assert images.shape == (2, 3, 16, 16)
    assert "COCO" in source
    for data in (None, tmp_path):
        images, source = frames(data, 3, 16)
        assert "noise" in source
        assert 0 <= float(images.min()) < float(images.max()) <= 1


def test_full_sizes_have_a_hundred_images_of_the_papers_network() -> None:
    assert full_sizes(CPU).cases[0] == StepCase("alexnet", "relu5", 227, 100)
    assert {case.batch for case in full_sizes(torch.device("cuda")).cases} == {100}
