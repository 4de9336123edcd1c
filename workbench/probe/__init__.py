"""Probes: what the layers of any torch module say of any images, recorded, looked at, cut.

    found = probe(model, images="holiday/", layers=["blocks.9", "features.29"])

The module runs as it is, with forward hooks on the layers that are named; the record is a run.
"""

from workbench.probe.affinities import CHOICES, Choice, factors
from workbench.probe.layers import Layer, LayerList, list_layers
from workbench.probe.preprocessing import Preprocessing
from workbench.probe.result import Probe
from workbench.probe.start import probe
from workbench.probe.statistics import LayerStatistics

__all__ = [
    "CHOICES",
    "Choice",
    "Layer",
    "LayerList",
    "LayerStatistics",
    "Preprocessing",
    "Probe",
    "factors",
    "list_layers",
    "probe",
]
