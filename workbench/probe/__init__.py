"""Probes: what the layers of any torch module say of any images, recorded, looked at, cut.

    found = workbench.probe(model, images="holiday/", layers=["blocks.9", "features.29"])
    workbench.probe.layers(model, batch)             # candidates, with the shapes of their outputs

The network runs as it is, with forward hooks on the layers that are named; the record is a run. The
package itself is callable, so that `workbench.probe` is both the function and its room.
"""

import sys
from types import ModuleType
from typing import Any

from workbench.probe.across import AcrossImages
from workbench.probe.affinities import CHOICES, Choice, factors
from workbench.probe.callbacks import lightning_callback, transformers_callback
from workbench.probe.capture import Layer, LayerList
from workbench.probe.capture import list_layers as layers
from workbench.probe.geometry.result import LayerGeometry
from workbench.probe.preprocessing import Preprocessing
from workbench.probe.result import Probe
from workbench.probe.start import probe
from workbench.probe.statistics import LayerStatistics
from workbench.probe.training import TrainingRecord

__all__ = [
    "CHOICES",
    "AcrossImages",
    "Choice",
    "Layer",
    "LayerGeometry",
    "LayerList",
    "LayerStatistics",
    "Preprocessing",
    "Probe",
    "TrainingRecord",
    "factors",
    "layers",
    "lightning_callback",
    "probe",
    "transformers_callback",
]


class _CallablePackage(ModuleType):
    def __call__(self, *arguments: Any, **options: Any) -> Probe:
        return probe(*arguments, **options)


sys.modules[__name__].__class__ = _CallablePackage
