"""Each source is described in full, and a new dataset is one object that plans, runs and opens."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from distributed import Client
from PIL import Image

from pipelines import jobs
from pipelines.cluster import Request
from pipelines.dataset_options import dataset_options
from pipelines.datasets import KEYWORDS, options, prepare, read_items
from pipelines.download import CATALOGUE
from pipelines.errors import BadInput, PipelineError
from pipelines.profiles import PROFILES
from pipelines.records import Item, Listing, RawFile, read_file
from pipelines.schema import IDENTITY, KIND, Field, Schema
from pipelines.sources import SOURCES, Option, Parameters, Product, Reader, Source
from pipelines.store import open_store, summary
from pipelines.verify import verify

each_source = pytest.mark.parametrize("name", SOURCES)


@each_source
def test_a_source_is_described_in_full(name: str) -> None:
    source = SOURCES[name]
    assert source.name == name
    assert source.title
    places = [to for each in CATALOGUE.values() for a in each.archives for _, to in a.contents]
    assert not source.folder or any(source.folder in place for place in places)
    assert all(product.profile in PROFILES for product in source.products.values())
    for reader in source.readers:
        assert {"items", "part"} <= set(dir(reader.record))
        msgspec.json.Decoder(reader.record)
        assert reader.product.frame in {"", *(option.name for option in source.options)}
    for option in source.options:
        assert option.value(None) == option.default
        assert set(option.products) <= set(source.products)


def test_keywords_of_sources_and_clusters_are_told_apart() -> None:
    clusters = {field.name for field in fields(Request)}
    names = [*KEYWORDS, *options()]
    assert len(set(names)) == len(names)
    assert not clusters & set(names)


def test_a_name_that_no_source_knows_is_refused(samples: Path) -> None:
    with pytest.raises(PipelineError, match=r"options out of product, .*found protocoll"):
        jobs.plan("bsds", samples / "bsds500", protocoll="bsds300")


class Dots(msgspec.Struct, frozen=True):
    """A record of the source below: a file of bytes is an image."""

    file: RawFile
    items: int = 1

    def part(self, start: int, stop: int) -> "Dots":
        return self


def discover(root: Path, product: str, parameters: Parameters) -> Listing:
    side = int(parameters["side"])
    paths = sorted(root.glob("*.dots"))
    records = [Dots(RawFile(path.name, path.stat().st_size)) for path in paths]
    schema = Schema(
        f"{KIND}{product}",
        "picture",
        (Field("image", "uint8", ("y", "x", "channel"), (side, side, 3)),),
        (*IDENTITY, Field("mean", "float64")),
    )
    size = sum(record.file.size for record in records)
    return Listing(root, "DOTS", schema, records, (("train", len(records)),), size, (side, side))


def read(
    record: Dots, root: Path, parameters: Parameters, categories: Mapping[int, int]
) -> Iterator[Item]:
    content = np.frombuffer(read_file(root, record.file), np.uint8)
    row: dict[str, Any] = {"split": "train", "image_source": record.file.path}
    side = int(parameters["side"])
    try:
        if content.size != 3 * side**2:
            raise BadInput(f"{3 * side**2} bytes", f"{content.size}", "restore the file")
    except BadInput as error:
        yield Item(record.file.path, record.file.path, row, None, problem=str(error))
        return
    pixels = {"image": content.reshape(side, side, 3)}
    yield Item(record.file.path, record.file.path, row | {"mean": float(content.mean())}, pixels)


PICTURES = Product("pictures", "whole images", unit=2, profile="local")
DOTS = Source(
    name="dots",
    title="Random dots",
    folder="dots",
    readers=(Reader(PICTURES, Dots, read),),
    discover=discover,
    options=(Option("side", 4, "dots only: pixels of a side."),),
)


def test_a_new_dataset_is_one_object(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SOURCES, "dots", DOTS)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (5, 6, 6, 3), np.uint8)
    for number, image in enumerate(images):
        (tmp_path / f"{number}.dots").write_bytes(image.tobytes()[: -1 if number == 3 else None])

    @click.command()
    @dataset_options
    def run(**given: Any) -> None:
        with Client(processes=False, n_workers=1, dashboard_address=None) as client:
            jobs.run(store=tmp_path / "a.zarr", client=client, progress=False, **given)

    arguments = ["dots", "--root", str(tmp_path), "--side", "6"]
    result = CliRunner().invoke(run, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    store = tmp_path / "a.zarr"
    assert verify(store, progress=False).ok
    dataset = open_store(store)
    kept = [0, 1, 2, 4]
    np.testing.assert_array_equal(dataset["image"].values, images[kept])
    np.testing.assert_allclose(dataset["mean"], images[kept].mean(axis=(1, 2, 3)))
    found = summary(store)
    assert (found.splits, found.quarantined) == ({"train": 4}, 1)
    assert jobs.plan("dots", tmp_path, side=6).options == {"side": 6}
    with pytest.raises(PipelineError, match="a product of dots out of pictures"):
        jobs.plan("dots", tmp_path, product="scenes")


def test_one_option_has_one_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    (other,) = DOTS.options
    stranger = Source("other", "Other", "other", DOTS.readers, discover,
                      (Option(other.name, 5, other.help),))  # fmt: skip
    monkeypatch.setitem(SOURCES, "dots", DOTS)
    assert options()["side"] == other
    monkeypatch.setitem(SOURCES, "other", stranger)
    with pytest.raises(ValueError, match="one definition of the option side"):
        options()


@pytest.mark.parametrize("dataset", ["bsds", "images"])
def test_an_image_beyond_the_limit_takes_no_room(root: Path, dataset: str) -> None:
    Image.new("L", (400, 300)).save(root / "images" / "train" / "1000.jpg")
    made = prepare(dataset, root, most_pixels=100_000)
    assert max(made.plan.schema.pixels[0].shape) == 48
    items = [item for lines in made.records for item in read_items(made.plan, lines)]
    (bad,) = [item for item in items if item.pixels is None]
    assert "at most 0.1 million pixels in" in bad.problem
