"""Environment of workers that decode images: glibc keeps their buffers to use them again.

Dask has its workers' allocator give memory back at once (`MALLOC_TRIM_THRESHOLD_` of 64 KiB, which
also fixes the size from which every buffer is a map of its own at 128 KiB). A decoded photograph
and each of its crops is larger: the kernel would map, zero and unmap pages for every one of them,
for a fifth of a task's time. What is kept instead is bounded by these sizes.
"""

import dask

ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),  # the largest that glibc takes
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
}
_SETTING = "distributed.nanny.pre-spawn-environ"


def keep_buffers() -> dask.config.set:
    """A context: worker processes that begin in it have this environment, unless we have another.

    Dask prefers a variable of our own environment to its settings.
    """
    return dask.config.set({_SETTING: {**dask.config.get(_SETTING), **ALLOCATOR}})


def prologue(system: str) -> list[str]:
    """Lines of a job script before its worker starts: those configured, and this environment."""
    configured = dask.config.get(f"jobqueue.{system}.job-script-prologue", None) or []
    return [*configured, *(f"export {name}={value}" for name, value in ALLOCATOR.items())]
