"""Geometry of a classifier of small images: distance ratios, codes, nearest images of its run."""
