"""Spectral layers beside other libraries: errors, times, ratios."""
