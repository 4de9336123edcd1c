"""Geometry of layers on images: distances, angles, widths, and images recovered from layers."""
