"""The real images: all of them arrive, and arrive as PIL and scipy read them."""

from pathlib import Path

import numpy as np
import pytest
import scipy.io
from distributed import Client
from PIL import Image

from pipelines import jobs
from pipelines.store import open_store
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
