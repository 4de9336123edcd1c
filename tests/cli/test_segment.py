"""`workbench export` and `workbench segment` as a user meets them, on pictures of every kind."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import workbench as package
from workbench import CutChoice, load_segmenter, segment_photo, write_photo
from workbench.cli.main import main
from workbench.errors import WorkbenchError
from workbench.experiments import train_deep_ncuts
from workbench.models import ArchitectureConfig
from workbench.segmentation.photos import nearest
from workbench.training.scenes.config import DeepNCutsConfig

FILES = {"labels.png", "boundaries.jpg", "segmentation.json", "index.html"}


@pytest.fixture(scope="module")
def run(sample_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network with contours."""
    path = tmp_path_factory.mktemp("segment") / "run"
    architecture = ArchitectureConfig(
        backbone="tiny", taps=("relu1", "relu2", "relu3"), head="hypercolumn", enlarge=1.0
    )
    config = DeepNCutsConfig(
        store=str(sample_store), architecture=architecture, learning_rate=3e-3,
        head_multiplier=1.0, passes=3, holdout=2, device="cpu",
    )  # fmt: skip
    train_deep_ncuts(config, path)
    return path


def picture(height: int, width: int) -> np.ndarray:
    """Two textures beside each other, as in the scenes of the store."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 90, (height, width, 3)).astype(np.uint8)
    stripes = 40 + 160 * (np.arange(height)[:, None, None] // 4 % 2)
    pixels[:, width // 2 :] = stripes
    return pixels


def workbench(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    return int(stopped.value.code or 0)


def labels_in(folder: Path) -> np.ndarray:
    with Image.open(folder / "labels.png") as image:
        assert image.mode == "I;16"
        return np.array(image)


def test_photos_of_every_kind_become_segments(run: Path, tmp_path: Path) -> None:
    pixels = picture(96, 128)
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its side
    Image.fromarray(pixels).save(tmp_path / "upright.jpg")
    Image.fromarray(np.ascontiguousarray(np.rot90(pixels))).save(tmp_path / "t.jpg", exif=exif)
    Image.fromarray(pixels[..., 0]).save(tmp_path / "grey.png")
    Image.fromarray(pixels).convert("CMYK").save(tmp_path / "print.jpg")
    photos = [tmp_path / name for name in ("upright.jpg", "t.jpg", "grey.png", "print.jpg")]
    assert workbench("segment", *photos, "--model", run, "--out", tmp_path / "out") == 0
    for photo in photos:
        folder = tmp_path / "out" / photo.stem
        names = {path.name for path in folder.iterdir()}
        assert FILES | {"contours.png", "eigenvector-2.png"} <= names
        labels = labels_in(folder)
        assert labels.shape == (96, 128)
        facts = json.loads((folder / "segmentation.json").read_text())
        assert 1 < facts["segments"] == labels.max() <= 12
        assert sum(facts["areas"]) == labels.size
        assert facts["rank"] > 0
        page = (folder / "index.html").read_text()
        links = re.findall(r"""(?:src|href)\s*=\s*["']([^"']*)""", page)
        assert links
        assert all(link.startswith("data:") for link in links)


def test_a_huge_photo_is_reduced_and_its_segments_brought_back(run: Path, tmp_path: Path) -> None:
    small = Image.fromarray(picture(96, 128))
    small.resize((4096, 3072), Image.Resampling.NEAREST).save(tmp_path / "huge.jpg", quality=95)
    out = tmp_path / "out"
    code = workbench(
        "segment", tmp_path / "huge.jpg", "--model", run, "--out", out, "--segments", 2,
        "--side", 128,
    )  # fmt: skip
    assert code == 0
    labels = labels_in(out / "huge")
    assert labels.shape == (3072, 4096)
    assert np.unique(labels).tolist() == [1, 2]
    reduced = segment_photo(np.array(small), load_segmenter(run, "cpu"), CutChoice(segments=2))
    assert (labels == nearest(reduced.labels, labels.shape)).mean() > 0.97
    with Image.open(out / "huge/boundaries.jpg") as image:
        assert image.size == (4096, 3072)
    facts = json.loads((out / "huge/segmentation.json").read_text())
    assert (facts["working_width"], facts["working_height"]) == (128, 96)


def test_a_segmentation_made_anew_leaves_nothing_of_the_last_one(run: Path, tmp_path: Path) -> None:
    Image.fromarray(picture(64, 96)).save(tmp_path / "a.png")
    ask = ("segment", tmp_path / "a.png", "--out", tmp_path / "out", "--model")
    assert workbench(*ask, run) == 0
    assert (tmp_path / "out/a/contours.png").exists()
    assert workbench(*ask, run, "--flat", "--segments", 3) == 0
    assert not (tmp_path / "out/a/contours.png").exists()
    assert "flat clusterings" in (tmp_path / "out/a/index.html").read_text()
    assert workbench(*ask, "ncuts-contour", "--segments", 3) == 0
    assert labels_in(tmp_path / "out/a").shape == (64, 96)


def test_a_bad_photo_is_named_and_the_others_are_done(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(picture(64, 96)).save(tmp_path / "a.png")
    (tmp_path / "b.jpg").write_text("no picture")
    (tmp_path / "other").mkdir()
    Image.fromarray(picture(64, 96)).save(tmp_path / "other/a.png")
    photos = (tmp_path / "b.jpg", tmp_path / "a.png", tmp_path / "other")  # a folder: its images
    assert workbench("segment", *photos, "--model", run, "--out", tmp_path / "out") == 2
    said = capsys.readouterr()
    assert said.err.count("b.jpg") == 1
    assert "Traceback" not in said.err
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a", "a-2"}
    (tmp_path / "empty").mkdir()
    assert workbench("segment", tmp_path / "empty", "--model", run) == 2
    assert "images in" in capsys.readouterr().err


def test_fewer_segments_than_asked_for_are_explained(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (96, 64), (90, 120, 60)).save(tmp_path / "flat.png")
    ask = ("segment", tmp_path / "flat.png", "--model", run, "--out", tmp_path / "out")
    assert workbench(*ask, "--segments", 5000) == 0
    said = capsys.readouterr()
    found = int(labels_in(tmp_path / "out/flat").max())
    assert found < 5000
    assert f"{found} of 5000 segments: the contours of the image have" in said.err


def test_an_exported_model_cuts_at_the_height_that_suited_held_out_scenes(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "models" / "mine.safetensors"
    assert workbench("export", run, file, "--half") == 0
    assert "with its backbone, cut at height" in capsys.readouterr().out
    segmenter = load_segmenter(file, "cpu")
    assert segmenter.height is not None
    found = segment_photo(picture(96, 128), segmenter)
    assert found.height == segmenter.height
    higher = segment_photo(picture(96, 128), segmenter, CutChoice(height=1e9))
    assert higher.segments == 1
    assert segment_photo(picture(96, 128), segmenter, CutChoice(height=0.0)).segments > 1
    page = write_photo(higher, tmp_path / "out", "a picture", segmenter.name)
    assert "cut at merge threshold 1e+09" in page.read_text()
    assert workbench("export", run, tmp_path / "mine.bin") == 2


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("ncuts-resnet", "a run folder, a model file, or one of ncuts-multiscale"),
        ("ncuts-vgg16-relu5", "pretrained weights of vgg16"),
        ("deep-ncuts-vgg16-relu5", "workbench table2 .* then workbench export"),
    ],
)
def test_a_model_that_is_not_there_is_said_how_to_make(
    model: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WORKBENCH_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WorkbenchError, match=words):
        load_segmenter(model)


def test_contradicting_wishes_are_refused() -> None:
    with pytest.raises(WorkbenchError, match="a height alone"):
        CutChoice(segments=3, height=0.2)
    with pytest.raises(WorkbenchError, match="of flat clusterings"):
        CutChoice(flat=True, height=0.2)
    with pytest.raises(WorkbenchError, match="at least 2"):
        CutChoice(segments=1)
    with pytest.raises(WorkbenchError, match="give --segments"):
        segment_photo(picture(64, 64), load_segmenter("ncuts-contour"), CutChoice(height=0.1))


def test_the_package_offers_what_photos_need_and_nothing_unknown() -> None:
    assert all(hasattr(package, name) for name in package.__all__)
    with pytest.raises(AttributeError, match="no attribute 'segment_film'"):
        _ = package.segment_film
