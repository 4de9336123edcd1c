"""Backbones with their ImageNet weights, and the networks assembled from them."""

from workbench.models.backbones import Backbone
from workbench.models.deep_ncuts import ArchitectureConfig, DeepNCuts
from workbench.models.weights import load_weights

__all__ = ["ArchitectureConfig", "Backbone", "DeepNCuts", "load_weights"]
