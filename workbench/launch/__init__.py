"""Launching of trainings in a thread, in a process or on a Dask worker, and the handle on them."""
