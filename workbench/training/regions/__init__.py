"""Region classifiers in training: configuration, parts of the regions, task."""
