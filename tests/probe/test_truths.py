"""Ground truth on probes: from files, datasets and stores; kept as the network saw the image."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from tests.probe.networks import convolutional, write_images, write_truths
from workbench.cli.main import main
from workbench.data import Regions, Scenes
from workbench.errors import WorkbenchError
from workbench.evaluation.scenes.contingency import covering
from workbench.evaluation.scenes.probes import evaluate_probe
from workbench.probe import Preprocessing, Probe, probe
from workbench.runs import Run
from workbench.segmentation import PoolConfig, cut

SMALL = Preprocessing(size=(32, 24))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def truths(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Label maps: photo0's in BSDS's form, photo1's by two annotators, photo2's of a wrong size."""
    folder = write_truths(tmp_path_factory.mktemp("truths"), 1)
    halves = np.zeros((64, 48), np.uint8)
    halves[:, 24:] = 7
    for annotator in ("anna", "bert"):
        (folder / annotator).mkdir()
    Image.fromarray(halves).save(folder / "anna" / "photo1.png")
    np.save(folder / "bert" / "photo1.npy", halves.astype(np.int64) - 1)
    np.save(folder / "photo2.npy", halves[:10])
    np.save(folder / "other.npy", halves)
    return folder


@pytest.fixture(scope="module")
def annotated(images: Path, truths: Path, tmp_path_factory: pytest.TempPathFactory) -> Probe:
    path = tmp_path_factory.mktemp("runs") / "probe"
    return probe(
        convolutional(), images, ["1", "4"], truths=truths, preprocessing=SMALL, path=path,
        progress=False,
    )  # fmt: skip


def test_label_maps_of_a_folder_follow_their_image(annotated: Probe) -> None:
    assert annotated.annotated == ["photo0", "photo1"]
    halves, quarters = annotated.truths("photo0")
    assert halves.shape == (32, 24)
    assert (halves[:, :12] == 1).all()
    assert (halves[:, 12:] == 2).all()
    assert np.unique(quarters).tolist() == [1, 2, 3, 4]
    assert [np.unique(each).tolist() for each in annotated.truths("photo1")] == [[0, 7], [-1, 6]]
    assert annotated.truths("photo3") == []


def test_what_does_not_fit_is_named_and_the_rest_done(annotated: Probe) -> None:
    assert annotated.images == [f"photo{i}" for i in range(4)]
    alone, without, size = annotated.truths_left_out
    assert "other.npy" in alone
    assert without.endswith("1: photo3")
    assert "48×64 as the image photo2 has, found 48×10" in size
    assert "of 2 images" in repr(annotated)


def test_a_folder_of_other_names_is_refused(images: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "beach.npy", np.ones((64, 48), int))
    with pytest.raises(WorkbenchError, match=r"1 of other names; name them as the images: photo0"):
        probe(convolutional(), images, "4", truths=tmp_path, path=tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


PIXELS = np.random.default_rng(0).integers(0, 255, (32, 40, 3)).astype(np.uint8)
HALVES = np.repeat([[1, 2]], 20, axis=1).repeat(32, axis=0)


@pytest.mark.parametrize(
    ("item", "maps"),
    [
        ((PIXELS, HALVES), 1),
        ((torch.randn(3, 32, 40), torch.from_numpy(HALVES)[None]), 1),
        ((Image.fromarray(PIXELS), Image.fromarray(HALVES.astype(np.uint8))), 1),
        ({"labels": HALVES, "image": PIXELS}, 1),
        ({"pixel_values": torch.randn(3, 32, 40), "mask": np.stack([HALVES, HALVES])}, 2),
        ({"image": PIXELS, "labels": 3, "segmentation": HALVES > 1}, 1),
        ((PIXELS, 3), 0),
        ((PIXELS, torch.tensor(3)), 0),
        ({"image": PIXELS, "labels": torch.tensor(3)}, 0),
        (PIXELS, 0),
    ],
)
def test_items_of_a_dataset_bring_their_label_maps(item: Any, maps: int, tmp_path: Path) -> None:
    found = probe(convolutional(), _Items([item]), "1", path=tmp_path / "run", progress=False)
    assert found.images == ["000000"]
    assert found.truths_left_out == []
    truths = found.truths("000000")
    assert len(truths) == maps
    for each in truths:
        assert covering(HALVES, each) == 1


class _Items(torch.utils.data.Dataset):
    def __init__(self, items: Sequence[Any]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, number: int) -> Any:
        return self.items[number]


def test_label_maps_that_are_not_whole_numbers_leave_the_image(tmp_path: Path) -> None:
    items = _Items([{"image": PIXELS, "mask": HALVES / 2}])
    found = probe(convolutional(), items, "1", path=tmp_path / "run", progress=False)
    assert found.images == ["000000"]
    assert "float64" in found.truths_left_out[0]


def test_stores_bring_segments_and_masks(
    sample_store: Path, sample_regions: Path, tmp_path: Path
) -> None:
    scenes, regions = Scenes.open(sample_store).first(2), Regions.open(sample_regions)
    found = probe(convolutional(), scenes, "4", path=tmp_path / "scenes", progress=False,
                  preprocessing=Preprocessing())  # fmt: skip
    for scene in scenes:
        np.testing.assert_array_equal(found.truths(scene.id), scene.truths)
    found = probe(convolutional(), str(sample_regions), "4", path=tmp_path / "regions",
                  progress=False, preprocessing=Preprocessing())  # fmt: skip
    for image, region in zip(found.images[:2], (regions[0], regions[1]), strict=True):
        assert image.endswith(f"-{region.annotation_id}")
        np.testing.assert_array_equal(found.truths(image), region.mask[None])


def test_an_interrupted_probe_keeps_its_ground_truth(
    images: Path, truths: Path, annotated: Probe, tmp_path: Path
) -> None:
    calls = []

    def interrupt(module: nn.Module, inputs: Any) -> None:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt

    network = convolutional()
    handle = network.register_forward_pre_hook(interrupt)
    options = {"truths": truths, "preprocessing": SMALL, "path": tmp_path / "run", "batch": 1}
    with pytest.raises(KeyboardInterrupt):
        probe(network, images, ["1", "4"], progress=False, **options)
    handle.remove()
    found = probe(network, images, ["1", "4"], progress=False, resume=True, **options)
    assert found.annotated == annotated.annotated
    np.testing.assert_array_equal(found.truths("photo1"), annotated.truths("photo1"))
    assert found.truths_left_out == annotated.truths_left_out


def test_records_of_older_versions_go_on_without(images: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    probe(convolutional(), images, "4", path=path, progress=False)
    config = json.loads((path / "config.json").read_text())
    del config["truths"]
    (path / "config.json").write_text(json.dumps(config))
    events = (path / "events.jsonl").read_text().replace(', "truths": 0', "")
    assert '"truths"' not in events
    (path / "events.jsonl").write_text(events)
    found = probe(convolutional(), images, "4", path=path, progress=False, resume=True)
    assert (found.annotated, found.truths("photo0")) == ([], [])
    with pytest.raises(WorkbenchError, match="images with ground truth"):
        evaluate_probe(found)


def test_layers_are_scored_against_the_annotators(annotated: Probe) -> None:
    table = evaluate_probe(Run.open(annotated.path), progress=False)
    assert [scores.method for scores in table.methods] == ["1", "4"]
    cuts = cut(annotated.prediction("photo0", "4"), PoolConfig()).segmentations
    each = [[covering(truth, c) for truth in annotated.truths("photo0")] for c in cuts]
    found = table.methods[1].images["photo0"]
    np.testing.assert_allclose(found.coverings, each)
    kept = json.loads((annotated.path / "evaluations" / "cosine.json").read_text())
    assert kept["methods"]["4"]["images"]["photo0"]["best"] == pytest.approx(np.max(each))


def test_commands_probe_with_ground_truth_and_evaluate(
    images: Path, truths: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build, run = "tests.probe.networks:convolutional", str(tmp_path / "run")
    for command in (
        ["probe", build, "--images", str(images), "--truths", str(truths), "--layer", "4",
         "--run", run],
        ["evaluate", run, "--cut", "hierarchy", "--affinity", "exponential"],
    ):  # fmt: skip
        with pytest.raises(SystemExit) as ended:
            main(command)
        assert ended.value.code in (0, None)
        assert "average" in capsys.readouterr().out
    assert (tmp_path / "run" / "evaluations" / "exponential.json").is_file()
