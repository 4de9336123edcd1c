"""Pictures of scenes: affinities, spectra, segmentations, Table 2."""
