"""Evaluation of region classifiers: outcomes, errors, calibration, distances, diagnosis."""
