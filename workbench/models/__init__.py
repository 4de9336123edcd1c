"""Backbones with their ImageNet weights, and the networks assembled from them."""
