"""Geometry of layers on images: what a network does to distances, angles and widths."""
