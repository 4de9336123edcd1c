"""Prefetching by threads: results in order, and no thread left when the consumer stops."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def in_order(
    produce: Callable[[int], T], indices: Iterable[int], *, workers: int, ahead: int
) -> Generator[T, None, None]:
    """Results of `produce`, in the order of the indices.

    When the iterator is left, by an error, `close()` or deletion, the threads finish their current
    work and end. An error of `produce` is raised in place of its result.

    Args:
        produce: function that is called by several threads at once.
        indices: arguments of the calls.
        workers: number of threads.
        ahead: number of results that are prepared beyond the consumer's; 0: each is made on demand,
            without a thread.
    """
    if not ahead:
        yield from map(produce, indices)
        return
    pending: deque[Future[T]] = deque()
    executor = ThreadPoolExecutor(workers, thread_name_prefix="workbench-data")
    try:
        for index in indices:
            pending.append(executor.submit(produce, index))
            if len(pending) > ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
