"""Where a training runs: a thread, a process of its own, a worker of Dask; and the handle on it."""
