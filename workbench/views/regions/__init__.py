"""Pictures of regions: recognition, matrices, spectra, Table 1."""
