"""The order of samples: what ranks see together, and that nothing but the seed decides it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.data import Order, Schedule
from workbench.data.order import draws
from workbench.errors import WorkbenchError

quick = settings(deadline=None, max_examples=100)
counts = st.integers(1, 60)
batch_sizes = st.integers(1, 9)
worlds = st.integers(1, 5)
seeds = st.integers(0, 2**32)
epochs = st.integers(0, 5)


def epoch_of(schedules: list[Schedule], epoch: int) -> list[list[list[int]]]:
    """Samples by step, rank and place in the batch."""
    steps = range(schedules[0].batches)
    return [[each.indices(epoch, step).tolist() for each in schedules] for step in steps]


def ranks_of(samples: int, batch: int, world: int, **options: object) -> list[Schedule]:
    return [
        Schedule(samples, batch, rank=rank, world_size=world, **options) for rank in range(world)
    ]


@quick
@given(counts, batch_sizes, worlds, seeds, epochs)
def test_ranks_together_see_every_sample_and_repeat_only_to_be_even(
    samples: int, batch: int, world: int, seed: int, epoch: int
) -> None:
    ranks = ranks_of(samples, batch, world, seed=seed)
    assert len({each.batches for each in ranks}) == 1
    steps = epoch_of(ranks, epoch)
    assert all(len({len(held) for held in step}) == 1 for step in steps)  # even, step by step
    assert all(len(step[0]) == batch for step in steps[:-1])
    assert 1 <= len(steps[-1][0]) <= batch
    positions = np.concatenate([r.positions(step) for step in range(len(steps)) for r in ranks])
    seen = np.array([sample for step in steps for held in step for sample in held])
    assert sorted(seen[positions < samples]) == list(range(samples))
    assert sorted(positions) == list(range(len(positions)))
    assert (positions >= samples).sum() < world


@quick
@given(counts, batch_sizes, worlds, seeds, epochs)
def test_dropping_the_last_leaves_full_batches_of_different_samples(
    samples: int, batch: int, world: int, seed: int, epoch: int
) -> None:
    if samples < batch * world:
        with pytest.raises(WorkbenchError, match=f"at least {batch * world} samples"):
            ranks_of(samples, batch, world, seed=seed, drop_last=True)
        return
    ranks = ranks_of(samples, batch, world, seed=seed, drop_last=True)
    steps = epoch_of(ranks, epoch)
    assert {len(held) for step in steps for held in step} == {batch}
    seen = [sample for step in steps for held in step for sample in held]
    assert len(seen) == len(set(seen))
    assert samples - len(seen) < batch * world


@quick
@given(counts, st.integers(1, 4), worlds, seeds)
def test_what_a_step_sees_does_not_depend_on_how_many_share_it(
    samples: int, batch: int, world: int, seed: int
) -> None:
    """One process with the whole batch sees the samples that the ranks see together."""
    together = epoch_of(ranks_of(samples, batch, world, seed=seed), 1)
    alone = epoch_of([Schedule(samples, batch * world, seed)], 1)
    whole = [sample for step in alone for sample in step[0]]
    interleaved = [held[i] for step in together for i in range(len(step[0])) for held in step]
    assert interleaved[: len(whole)] == whole


def test_shuffling_is_global_and_new_in_every_epoch() -> None:
    schedule = Schedule(1000, 1000, seed=5)
    first, second = schedule.indices(0, 0), schedule.indices(1, 0)
    assert abs(np.corrcoef(first, np.arange(1000))[0, 1]) < 0.1
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.1
    assert (Schedule(1000, 1000, seed=5).indices(0, 0) == first).all()
    assert (Schedule(1000, 1000, seed=6).indices(0, 0) != first).any()
    plain = Schedule(10, 4, shuffle=False)
    assert [plain.indices(3, b).tolist() for b in range(3)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_a_permutation_cannot_be_changed_by_its_reader() -> None:
    with pytest.raises(ValueError, match="read-only"):
        Order(10, seed=1).permutation(0)[0] = 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"samples": 0, "batch_size": 4}, "at least 1 samples"),
        ({"samples": 9, "batch_size": 0}, "a batch size from 1"),
        ({"samples": 9, "batch_size": 4, "seed": -1}, "a seed from 0"),
        ({"samples": 9, "batch_size": 4, "rank": 2, "world_size": 2}, "a rank from 0 to 1"),
    ],
)
def test_schedules_that_make_no_sense(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(WorkbenchError, match=message):
        Schedule(**arguments)


def test_there_is_no_batch_beyond_the_epoch() -> None:
    with pytest.raises(IndexError, match="0 to 2"):
        Schedule(10, 4).positions(3)


@quick
@given(seeds, epochs, st.lists(st.integers(0, 500), min_size=1, max_size=20, unique=True))
def test_draws_belong_to_a_position_and_not_to_the_company_it_is_in(
    seed: int, epoch: int, positions: list[int]
) -> None:
    ordered = np.array(sorted(positions))
    alone = [draws(seed, epoch, np.array([position])) for position in ordered]
    assert (draws(seed, epoch, ordered) == np.concatenate(alone)).all()


def test_draws_are_uniform_and_differ_by_seed_epoch_position_and_column() -> None:
    found = np.concatenate([draws(s, e, np.arange(1000)) for s in (0, 1) for e in (0, 1)])
    assert 0 <= found.min() <= found.max() < 1
    assert len(np.unique(found)) == found.size
    assert np.abs(np.histogram(found, 10, (0, 1))[0] / found.size - 0.1).max() < 0.01
