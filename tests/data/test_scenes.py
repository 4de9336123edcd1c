"""Scenes from a store, and the order in which training sees them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pipelines.errors import PipelineError
from workbench.data import Order, Scenes
from workbench.errors import WorkbenchError


def test_scenes_are_what_was_written(sample_store: Path) -> None:
    scenes = Scenes.open(sample_store, "train")
    assert len(scenes) == len(list(scenes)) == 12
    shapes = {scene.size for scene in scenes}
    assert shapes == {(80, 112), (112, 80)}  # both orientations, nothing padded
    for scene in scenes:
        path = next((sample_store.parent / "raw").rglob(f"{scene.id}.jpg"))
        assert (np.array(Image.open(path)) == scene.pixels).all()
        assert scene.truths.shape[1:] == scene.size
        assert scene.truths.min() == 1
        assert scene.image.shape == (3, *scene.size)
        assert 0 <= scene.image.min() <= scene.image.max() <= 1


def test_a_mirrored_scene_keeps_image_and_labels_together(sample_store: Path) -> None:
    scene = Scenes.open(sample_store, "train")[0]
    mirrored = scene.flipped()
    torch.testing.assert_close(mirrored.image.flip(2), scene.image)
    assert torch.equal(mirrored.truths.flip(2), scene.truths)


def test_a_part_of_a_scene_keeps_image_and_labels_together(sample_store: Path) -> None:
    scene = Scenes.open(sample_store, "train")[0]
    part = scene.cropped(top=3, left=5, height=20, width=30)
    assert part.size == (20, 30)
    np.testing.assert_array_equal(part.pixels, scene.pixels[3:23, 5:35])
    assert torch.equal(part.truths, scene.truths[:, 3:23, 5:35])


def test_holding_out_parts_the_scenes(sample_store: Path) -> None:
    scenes = Scenes.open(sample_store, "train")
    kept, held = scenes.hold_out(3, seed=0)
    assert sorted(kept.ids + held.ids) == sorted(scenes.ids)
    assert len(held) == 3
    assert scenes.hold_out(3, seed=0)[1].ids == held.ids
    assert scenes.hold_out(3, seed=1)[1].ids != held.ids
    with pytest.raises(WorkbenchError, match="fewer than 12 scenes to hold out"):
        scenes.hold_out(12, seed=0)


def test_a_split_that_is_not_there_names_those_that_are(sample_store: Path) -> None:
    with pytest.raises(WorkbenchError, match="test, train"):
        Scenes.open(sample_store, "val")


def test_no_store_is_named(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"none\.zarr"):
        Scenes.open(tmp_path / "none.zarr", "train")


def test_the_order_is_a_permutation_a_pass_and_depends_on_the_seed_alone() -> None:
    order = Order(10, seed=3)
    passes = [[order[10 * epoch + i] for i in range(10)] for epoch in range(20)]
    assert all(sorted(scene for scene, _ in seen) == list(range(10)) for seen in passes)
    assert passes[0] != passes[1]
    assert passes[7] == [Order(10, seed=3)[70 + i] for i in range(10)]
    mirrored = np.mean([mirror for seen in passes for _, mirror in seen])
    assert 0.35 < mirrored < 0.65
