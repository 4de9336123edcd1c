"""Raw datasets to zarr stores, on Dask. Knows neither torch nor `workbench`.

A notebook starts with `pipelines.jobs` (plan, run, resume), a shell with `python -m pipelines`,
and who reads a store needs `pipelines.store.open_store` alone.
"""
