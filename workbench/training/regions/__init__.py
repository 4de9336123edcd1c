"""Training of region classifiers: configuration, parts of the regions, task."""
