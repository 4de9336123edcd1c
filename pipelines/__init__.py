"""Raw datasets to zarr stores, on Dask. Knows neither torch nor `workbench`."""
