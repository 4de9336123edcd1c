"""Deep networks with structured layers: train them end to end and watch their spectra.

Seed: Ionescu, Vantzos, Sminchisescu, "Matrix Backpropagation for Deep Networks with Structured
Layers", ICCV 2015. The rooms, in the order in which imports may go (only down this list): cli,
widgets, views, evaluation, training, runs, models, objectives, segmentation, layers, linalg, data.
"""

__version__ = "0.1.0"
