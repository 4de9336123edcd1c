"""The benchmark's own hierarchies give the benchmark's figures (WORKBENCH_DATA/BSDS500/ucm2)."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from scipy.io import loadmat

from workbench.evaluation import MethodScores, PoolScores, evaluate_pool

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def bsds(data_root: Path) -> Path:
    folder = data_root / "BSDS500"
    if not (folder / "ucm2" / "reference.json").exists():
        pytest.skip(f"no ucm2/reference.json under {folder}")
    return folder


@pytest.fixture(scope="module")
def reference(bsds: Path) -> dict:
    return json.loads((bsds / "ucm2" / "reference.json").read_text())


def merged(ucm2: np.ndarray, threshold: float) -> np.ndarray:
    """The segmentation of a UCM of double size (pixels are its odd rows and columns)."""
    return ndimage.label(ucm2 <= threshold, structure=np.ones((3, 3)))[0][1::2, 1::2]


@pytest.fixture(scope="module")
def scores(bsds: Path, reference: dict) -> dict[str, PoolScores]:
    found = {}
    for name in reference["images"]:
        ucm2 = loadmat(bsds / "ucm2" / "val" / f"{name}.mat")["ucm2"]
        cells = loadmat(bsds / "data" / "groundTruth" / "val" / f"{name}.mat")["groundTruth"][0]
        truths = [cell["Segmentation"][0, 0] for cell in cells]
        pool = [merged(ucm2, threshold) for threshold in reference["thresholds"]]
        found[name] = evaluate_pool(pool, truths)
    return found


def test_every_image_agrees_to_the_sixth_decimal(reference, scores) -> None:
    assert len(reference["images"]) == 25
    for name, expected in reference["images"].items():
        found = scores[name]
        assert found.segments.tolist() == expected["segments"]
        for measured, key in (
            (found.coverings, "covering"),
            (found.pri, "rand_index_mean"),
            (found.vi, "vi_bits_mean"),
            (found.best, "best"),
            (found.average, "average"),
        ):
            np.testing.assert_allclose(measured, expected[key], rtol=0, atol=1e-6, err_msg=name)


def test_the_means_agree(reference, scores) -> None:
    means = MethodScores("gPb-owt-ucm", scores).summary()
    assert means.best.mean == pytest.approx(reference["mean"]["best"], abs=1e-6)
    assert means.average.mean == pytest.approx(reference["mean"]["average"], abs=1e-6)


def test_the_benchmarks_weights_tell_ois_from_average(scores) -> None:
    """Unweighted, OIS covering and the average of one pool would be the same number."""
    means = MethodScores("gPb-owt-ucm", scores).summary()
    assert means.covering.ods < means.covering.ois < means.benchmark_best
    assert means.covering.ois - means.average.mean == pytest.approx(0.0065, abs=1e-3)
