"""Compressed discrimination and compressed tomography: class and image from few measurements."""
