"""Verifying finds what zarr alone would not: a missing chunk, a flipped bit, another value."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import zarr
from distributed import Client

from pipelines import jobs
from pipelines.errors import PipelineError
from pipelines.ledger import Ledger, array_digest, write_atomically
from pipelines.verify import verify

LABEL = "label/c/3/0/0/0"
"""The chunk of the fourth scene, in the second unit."""


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


def test_a_sound_store(store: Path) -> None:
    result = verify(store, progress=False)
    assert result.ok
    assert (result.units, result.faults, result.unfinished) == (4, (), ())


def test_a_missing_chunk(store: Path, client: Client, root: Path) -> None:
    (store / LABEL).unlink()
    assert only_fault(store) == (
        f"unit 1, label of scene 1003, from {root}/images/train/1003.jpg: its chunk is missing"
    )
    mend(store, client)


@pytest.mark.parametrize("place", [0, 0.5, -1])
def test_a_flipped_bit(store: Path, client: Client, place: float) -> None:
    content = bytearray((store / LABEL).read_bytes())
    content[int(place * len(content)) if place >= 0 else -1] ^= 1
    (store / LABEL).write_bytes(content)
    assert "unit 1, label of scene 1003" in only_fault(store)
    assert "its chunk is damaged" in only_fault(store)
    mend(store, client)


def test_a_truncated_chunk(store: Path, client: Client) -> None:
    (store / LABEL).write_bytes((store / LABEL).read_bytes()[:-9])
    assert "its chunk is damaged" in only_fault(store)
    mend(store, client)


def test_a_value_that_was_written_over(store: Path, client: Client) -> None:
    array = zarr.open_group(store, mode="r+")["id"]
    assert isinstance(array, zarr.Array)
    array[3] = np.array("another", dtype=object)
    assert only_fault(store).startswith("unit 1, id, ")
    assert "not those that were written" in only_fault(store)
    mend(store, client)


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


def test_digests_see_values_type_and_shape() -> None:
    array = np.arange(6, dtype=np.int32)
    others = [array.astype(np.int64), array.reshape(2, 3), array + 1]
    assert len({array_digest(each) for each in [array, *others]}) == 4
    assert array_digest(array[::2]) == array_digest(array[::2].copy())


def test_digests_of_strings_do_not_depend_on_their_dtype() -> None:
    texts = ["a", "naïve", ""]
    kinds = (object, np.dtypes.StringDType())
    assert len({array_digest(np.array(texts, dtype=kind)) for kind in kinds}) == 1


def test_a_mark_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    write_atomically(tmp_path / "mark.json", {"units": 1})
    with pytest.raises(TypeError):
        write_atomically(tmp_path / "mark.json", {"units": object()})
    assert [path.name for path in tmp_path.iterdir()] == ["mark.json"]
    assert '"units": 1' in (tmp_path / "mark.json").read_text()
