"""Verifying finds what zarr alone would not: a missing chunk, a flipped bit, another value."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import zarr
from distributed import Client

from pipelines import jobs
from pipelines.__main__ import entry
from pipelines.errors import PipelineError
from pipelines.files import atomic_write
from pipelines.ledger import Ledger
from pipelines.verify import verify

PROFILES = pytest.mark.parametrize("profile", ["local", "remote"])


def chunk(store: Path, index: int = 1) -> Path:
    return store / "mask" / "c" / str(index) / "0" / "0"


def only_fault(store: Path) -> str:
    (fault,) = verify(store, progress=False).faults
    return str(fault)


def mend(store: Path, client: Client) -> None:
    """Do what the verification says, and see that it helped."""
    result = verify(store, progress=False)
    assert not result.ok
    command = result.repair.split()
    redo = [int(unit) for flag, unit in itertools.pairwise(command) if flag == "--redo"]
    jobs.resume(store, redo=redo, client=client, progress=False)
    assert verify(store, progress=False).ok


@PROFILES
def test_a_sound_store(finished: Path) -> None:
    result = verify(finished, progress=False)
    assert result.ok
    assert (result.units, result.faults, result.unfinished) == (8, (), ())


@PROFILES
def test_a_missing_chunk(finished: Path, client: Client, coco: Path) -> None:
    chunk(finished).unlink()
    fault = only_fault(finished)
    assert fault.startswith(f"unit 1, mask, from {coco}/train2017/0000000010")
    assert fault.endswith("its chunk is missing")
    mend(finished, client)


@PROFILES
def test_a_missing_chunk_is_seen_by_all_that_say_complete(
    finished: Path, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    chunk(finished).unlink()
    assert entry(["status", "--store", str(finished)]) == 0
    said = capsys.readouterr().out
    assert "1 units have lost a chunk, unit 1 first" in said
    assert f"resume --store {finished}" in said
    done = jobs.resume(finished, client=client, progress=False)
    assert (done.done, done.skipped) == (1, 7)
    assert verify(finished, progress=False).ok


@PROFILES
@pytest.mark.parametrize("place", [0, 0.5])
def test_a_flipped_bit(finished: Path, client: Client, place: float) -> None:
    content = bytearray(chunk(finished).read_bytes())
    content[int(place * len(content))] ^= 1
    chunk(finished).write_bytes(content)
    assert "unit 1, mask" in only_fault(finished)
    mend(finished, client)


@PROFILES
def test_a_truncated_chunk(finished: Path, client: Client) -> None:
    chunk(finished).write_bytes(chunk(finished).read_bytes()[:-9])
    assert "its chunk is damaged" in only_fault(finished)
    mend(finished, client)


@PROFILES
def test_a_value_of_the_table_that_was_written_over(finished: Path, client: Client) -> None:
    array = zarr.open_group(finished, mode="r+")["category"]
    assert isinstance(array, zarr.Array)
    array[11] = 79
    fault = only_fault(finished)
    assert fault.startswith("table, column category")
    assert "the values of unit 1 are not those that were written" in fault
    mend(finished, client)


@PROFILES
@pytest.mark.parametrize("name", ["valid", "image_source", "mask_xxh3"])
def test_a_missing_chunk_of_the_table(finished: Path, client: Client, name: str) -> None:
    (finished / name / "c" / "0").unlink()
    assert f"table, column {name}" in only_fault(finished)
    assert "a chunk is missing" in only_fault(finished)
    mend(finished, client)


@PROFILES
def test_a_flipped_bit_in_the_table(finished: Path, client: Client) -> None:
    path = finished / "box" / "c" / "0" / "0"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert "a chunk is damaged" in only_fault(finished)
    mend(finished, client)


def test_an_unfinished_unit(store: Path, client: Client) -> None:
    (Ledger(store).folder / "unit-00001.json").unlink()
    result = verify(store, progress=False)
    assert (result.units, result.faults, result.unfinished) == (3, (), (1,))
    assert "1 units are not written yet" in str(result)
    mend(store, client)


def test_without_a_ledger_there_is_nothing_to_compare_with(store: Path) -> None:
    Ledger(store).folder.rename(store.with_name("elsewhere"))
    with pytest.raises(PipelineError, match=r"plan\.json, found no such file"):
        verify(store, progress=False)


def test_a_broken_plan_is_named(store: Path) -> None:
    (Ledger(store).folder / "plan.json").write_text("{}")
    with pytest.raises(PipelineError, match=r"plan\.json, found something else"):
        verify(store, progress=False)


def test_a_broken_mark_is_named(store: Path, client: Client) -> None:
    path = Ledger(store).folder / "unit-00002.json"
    content = path.read_text()
    for broken in (content[:-20], content.replace("1004", "1005")):
        path.write_text(broken)
        with pytest.raises(PipelineError, match=r"the mark of unit 2 .* --redo 2"):
            verify(store, progress=False)
        jobs.resume(store, redo=[2], client=client, progress=False)
        assert path.read_text() == content


def test_a_mark_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "mark.json") as file:
        file.write(b"units: 1")

    def fail() -> None:
        with atomic_write(tmp_path / "mark.json") as file:
            file.write(b"units: 2")
            raise TypeError

    with pytest.raises(TypeError):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["mark.json"]
    assert (tmp_path / "mark.json").read_bytes() == b"units: 1"


@PROFILES
def test_digests_in_the_table_are_those_of_the_pixels(finished: Path) -> None:
    import xxhash

    group = zarr.open_group(finished, mode="r")
    for name in ("image", "mask"):
        items, digests = np.asarray(group[name]), np.asarray(group[f"{name}_xxh3"])
        assert [xxhash.xxh3_64_intdigest(each.tobytes()) for each in items] == digests.tolist()
