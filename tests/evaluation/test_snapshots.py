"""Snapshots of scenes: written and read back, older runs' too; what is missing is named."""

from dataclasses import fields

import numpy as np
import pytest
import torch

from workbench.data import Scene
from workbench.errors import WorkbenchError
from workbench.evaluation.scenes.snapshots import Snapshot, look_at_prediction
from workbench.linalg import Affinity
from workbench.segmentation import Grid, Prediction, cut

SIZE, SHAPE = (24, 32), (6, 8)


def predicted(*, contour: bool) -> Prediction:
    torch.manual_seed(0)
    x, coupling = torch.rand(48, 3), torch.eye(3) + 0.1
    logits = torch.randn(12, 16) if contour else None
    return Prediction(Affinity(x, coupling), SHAPE, Grid.of_step(4), SIZE, logits)


def scene() -> Scene:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (*SIZE, 3)).astype(np.uint8)
    return Scene("a", pixels, torch.from_numpy(rng.integers(1, 4, (2, *SIZE))))


@pytest.mark.parametrize("contour", [False, True])
def test_what_is_written_is_read_back(contour: bool) -> None:
    _, kept = look_at_prediction(predicted(contour=contour), scene())
    arrays = kept.to_arrays()
    assert ("contour" in arrays) == contour
    read = Snapshot.from_arrays(arrays)
    for field in fields(Snapshot):
        np.testing.assert_equal(getattr(read, field.name), getattr(kept, field.name))
    expected, found = predicted(contour=contour), read.prediction
    assert (found.shape, found.grid, found.image) == (SHAPE, Grid.of_step(4), SIZE)
    torch.testing.assert_close(found.affinity.dense(), expected.affinity.dense())
    for one, other in zip(cut(found).segmentations, kept.segmentations, strict=True):
        np.testing.assert_array_equal(one, other)


def test_snapshots_of_older_runs_read() -> None:
    arrays = look_at_prediction(predicted(contour=False), scene())[1].to_arrays()
    for later in ("counts", "effective_rank", "coupling"):
        del arrays[later]
    read = Snapshot.from_arrays(arrays)
    assert read.counts is None
    assert np.isnan(read.effective_rank)
    assert read.prediction.affinity.coupling is None


def test_other_arrays_are_refused_by_the_names_of_those_missing() -> None:
    with pytest.raises(WorkbenchError, match=r"image, truths, maps.* found one with something"):
        Snapshot.from_arrays({"something": np.ones(3)})
