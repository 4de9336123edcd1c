"""The mathematics: matrix functions and factored affinities, with their adjoints."""

from workbench.linalg.affinity import Affinity, Spectrum

__all__ = ["Affinity", "Spectrum"]
