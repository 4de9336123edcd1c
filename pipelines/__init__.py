"""Pipelines from raw datasets to zarr stores, on Dask, without torch or `workbench`.

Notebooks start with `pipelines.jobs` (plan, run, resume), a shell with `python -m pipelines`;
readers of a store need `pipelines.store.open_store` alone. The public modules are in `__all__`.
"""

__all__ = [
    "cluster",
    "download",
    "errors",
    "estimate",
    "files",
    "folders",
    "images",
    "jobs",
    "sources",
    "store",
    "verify",
]
