"""Classifiers of regions: outcomes, errors, calibration, distances, diagnosis."""
