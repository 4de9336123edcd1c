"""Work done ahead by threads, delivered in order, and nothing left when its consumer leaves."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def in_order(
    produce: Callable[[int], T], indices: Iterable[int], *, workers: int, ahead: int
) -> Generator[T, None, None]:
    """Results of `produce`, in the order of the indices.

    Leaving the iterator, by an error, `close()` or forgetting it, waits for what the threads are
    at and ends them. An error of `produce` reaches the consumer where its result would have.

    Args:
        produce: called by several threads at once.
        indices: what for.
        workers: threads.
        ahead: results that are made or being made beyond the one that the consumer holds; 0 makes
            each when it is asked for, without a thread.
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
