"""Work ahead: in order, bounded, with its errors, and gone when nobody listens any more."""

import threading
import time
from collections.abc import Iterator

import pytest

from workbench.data.buffers import Buffers
from workbench.data.prefetch import in_order


@pytest.fixture(autouse=True)
def _no_thread_stays() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def uneven(index: int) -> int:
    time.sleep(0.004 * (index % 3))
    return index


@pytest.mark.parametrize(("workers", "ahead"), [(1, 0), (1, 1), (3, 1), (2, 5), (4, 40)])
def test_results_come_in_order(workers: int, ahead: int) -> None:
    assert list(in_order(uneven, range(20), workers=workers, ahead=ahead)) == list(range(20))


def test_no_more_is_made_than_asked_for() -> None:
    begun: list[int] = []
    results = in_order(begun.append, range(20), workers=2, ahead=3)
    for taken in range(1, 5):
        next(results)
        assert len(begun) <= taken + 3
    results.close()


def test_without_anything_ahead_the_caller_works_itself() -> None:
    callers = list(in_order(lambda _: threading.get_ident(), range(3), workers=2, ahead=0))
    assert set(callers) == {threading.get_ident()}


def test_an_error_arrives_where_its_result_would_have() -> None:
    def fail_at_five(index: int) -> int:
        if index == 5:
            raise ValueError("five")
        return index

    results = in_order(fail_at_five, range(20), workers=3, ahead=4)
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="five"):
        next(results)


def test_a_consumer_that_leaves_takes_the_threads_along() -> None:
    for _ in in_order(uneven, range(1000), workers=2, ahead=4):
        break  # and the iterator is forgotten


def test_a_consumer_that_fails_takes_the_threads_along() -> None:
    def consume() -> None:
        for index in in_order(uneven, range(1000), workers=2, ahead=4):
            if index == 3:
                raise RuntimeError("mine")

    before = threading.active_count()
    with pytest.raises(RuntimeError, match="mine") as error:
        consume()
    assert error.traceback  # the error is still looked at
    assert threading.active_count() == before


def test_memory_comes_back_when_its_last_view_goes() -> None:
    buffers = Buffers(keep=2)
    first = buffers.take((4, 5))
    place = first.data_ptr()
    view = first[1:].permute(1, 0)
    array = view.numpy()
    del first
    assert buffers.take((4, 5)).data_ptr() != place
    del view
    second = buffers.take((4, 5))
    assert second.data_ptr() != place  # the array still looks at it
    del array
    assert buffers.take((20,)).data_ptr() == place
    assert buffers.take((21,)).data_ptr() != place


def test_no_more_memory_is_kept_than_asked_for() -> None:
    buffers = Buffers(keep=2)
    lent = [buffers.take((8,)) for _ in range(5)]
    del lent
    assert len(buffers._free[8]) == 2
