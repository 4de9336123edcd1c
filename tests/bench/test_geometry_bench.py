"""The benchmark of the geometry at a tiny size; nothing here is timed."""

import pytest
import torch

from workbench.bench.geometry import OURS, GeometrySizes, bench_geometry

pytestmark = pytest.mark.filterwarnings("ignore::workbench.geometry.CeilingWarning")


def test_directions_are_worth_five_and_stores_are_streamed() -> None:
    sizes = GeometrySizes(3000, 16, 256, 60, (400, 800), 200, (), 300, 300, 1)
    report = bench_geometry(sizes, torch.device("cpu"))
    (worth,) = [target for target in report.targets if "variance" in target.name]
    assert float(worth.found.split()[0]) > 3.5  # 60 seeds: an error of a fifth
    cases = {row.case for row in report.rows if row.method == OURS}
    for subject in (
        "mean width 3,000",
        "4-sparse",
        "zarr store 800",
        "all pairs, 300",
        "of 300 points",
    ):
        assert any(subject in case for case in cases), subject
    assert not any("60 %" in target.name for target in report.targets)
