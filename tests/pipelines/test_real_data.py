"""The real images: all of them arrive, and arrive as PIL, scipy and pycocotools read them."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
import scipy.io
from distributed import Client
from PIL import Image
from pycocotools.coco import COCO

from pipelines import jobs
from pipelines.sources import masks
from pipelines.sources.coco_records import Annotation
from pipelines.store import open_store, summary
from pipelines.verify import verify


@pytest.mark.data
def test_bsds(client: Client, data_root: Path, tmp_path: Path) -> None:
    if not (data_root / "BSDS500").is_dir():
        pytest.skip(f"no BSDS500/ in {data_root}")
    summary = jobs.run("bsds", data_root, tmp_path / "bsds.zarr", client=client, progress=False)
    assert summary.quarantined == ()
    dataset = open_store(summary.store)
    splits = dataset["split"].values
    assert dataset.sizes["scene"] == 300
    assert (np.sum(splits == "train"), np.sum(splits == "test")) == (200, 100)
    assert set(dataset["annotators"].values) == {4, 5, 6, 7, 8, 9}
    assert dataset["annotators"].values.sum() == 1633, "all colour segmentations of BSDS300"

    root = Path(jobs.plan("bsds", data_root).root)
    for index in (0, 57, 199, 200, 299):
        row = dataset.isel(scene=index)
        height, width, annotators = (int(row[name]) for name in ("height", "width", "annotators"))
        assert sorted((height, width)) == [321, 481]
        with Image.open(root / row["image_source"].item()) as image:
            np.testing.assert_array_equal(row["image"][:height, :width], np.array(image))
        cells = scipy.io.loadmat(root / row["annotation_sources"].item())["groundTruth"].ravel()
        assert len(cells) == annotators
        for annotator, cell in enumerate(cells):
            np.testing.assert_array_equal(
                row["label"][annotator, :height, :width], cell["Segmentation"][0, 0]
            )
    assert verify(summary.store, progress=False).ok


@pytest.mark.data
def test_coco_regions(client: Client, data_root: Path, tmp_path: Path) -> None:
    if not (data_root / "coco2017").is_dir():
        pytest.skip(f"no coco2017/ in {data_root}")
    done = jobs.run("coco", data_root, tmp_path / "coco.zarr", client=client, progress=False)
    assert done.quarantined == ()
    found = summary(done.store)
    assert found.splits == {"train": 3042, "val": 2509}
    assert len(found.attributes["categories"]) == 80
    assert verify(done.store, progress=False).ok
    dataset = open_store(done.store)
    assert dataset["mask"].values.any(axis=(1, 2)).all()
    # One split is enough to see that neither unit nor profile decides the content.
    again = jobs.run("coco", data_root, tmp_path / "again.zarr", unit=100, client=client,
                     splits=("val",), profile="remote", progress=False)  # fmt: skip
    val = dataset.isel(region=dataset["split"].values == "val")
    for name in ("annotation_id", "image_xxh3", "mask_xxh3"):
        digests = open_store(again.store)[name].values
        np.testing.assert_array_equal(digests, val[name].values, err_msg="by any unit")


@pytest.mark.data
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("split", ["train2017", "val2017"])
def test_every_real_mask_is_that_of_pycocotools(data_root: Path, split: str) -> None:
    path = data_root / "coco2017" / "annotations" / f"instances_{split}.json"
    if not path.is_file():
        pytest.skip(f"no {path}")
    coco = COCO(path)
    for each in msgspec.json.decode(path.read_bytes())["annotations"]:
        annotation = msgspec.json.decode(msgspec.json.encode(each), type=Annotation)
        image = coco.imgs[annotation.image_id]
        found = masks.draw(annotation.segmentation, (image["height"], image["width"]), "it")
        np.testing.assert_array_equal(found, coco.annToMask(coco.anns[annotation.id]))
