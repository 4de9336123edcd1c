"""Structured layers as torch modules."""

from workbench.layers.normalized_cuts import NormalizedCuts

__all__ = ["NormalizedCuts"]
