"""Spectral layers beside the libraries one would otherwise pick: errors, times, ratios."""
