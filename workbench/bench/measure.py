"""Time and memory of tasks, measured in turn so that a busy machine slows all of them alike."""

import ctypes
import gc
import statistics
import threading
import time
from collections.abc import Callable, Mapping

import psutil
import torch

Task = Callable[[], object]

BURST = 0.02
"""Seconds for which a task is repeated in a round: a single short run would find a cold cache."""
LONGEST_BURST = 25


def medians(tasks: Mapping[str, Task], repeats: int, patience: float = 5.0) -> dict[str, float]:
    """Seconds of each task: the median over rounds in which each has its turn.

    Args:
        tasks: tasks by name; each runs once before, untimed unless it takes longer than `patience`.
        repeats: number of rounds; a task that takes longer than `patience` seconds runs only once.
        patience: longest time of a task that is repeated, seconds.
    """
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for name, task in tasks.items():
        first = _seconds(task)
        if first > patience:
            times[name].append(first)
    for _ in range(repeats):
        for name, task in tasks.items():
            if times[name] and times[name][-1] > patience:
                continue
            until = time.perf_counter() + BURST
            for _ in range(LONGEST_BURST):
                times[name].append(_seconds(task))
                if time.perf_counter() > until:
                    break
    return {name: statistics.median(found) for name, found in times.items()}


def peak_bytes(task: Task, device: torch.device) -> int:
    """Peak memory of a task beyond that in use before it.

    On a CPU that is the process's resident memory, read every millisecond: small and brief
    allocations are missed. On CUDA it is torch's own count.
    """
    gc.collect()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        _seconds(task)
        return int(torch.cuda.max_memory_allocated() - before)
    _give_back()
    process, done = psutil.Process(), threading.Event()
    before = highest = process.memory_info().rss

    def watch() -> None:
        nonlocal highest
        while not done.wait(1e-3):
            highest = max(highest, process.memory_info().rss)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        task()
    finally:
        done.set()
        watcher.join()
    return int(max(highest, process.memory_info().rss) - before)


def _seconds(task: Task) -> float:
    _synchronise()
    start = time.perf_counter()
    task()
    _synchronise()
    return time.perf_counter() - start


def _synchronise() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _give_back() -> None:
    """Return freed memory to the system: the next task's peak would not show what it reuses."""
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):
        return  # not glibc: peaks are then lower bounds
