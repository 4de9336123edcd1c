"""Structured layers as torch modules."""

from workbench.layers.matrix_convolution import MatrixConvolution
from workbench.layers.normalized_cuts import NormalizedCuts
from workbench.layers.second_order_pooling import SecondOrderPooling

__all__ = ["MatrixConvolution", "NormalizedCuts", "SecondOrderPooling"]
