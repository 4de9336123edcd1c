"""Deep networks with structured layers: train them end to end and watch their spectra.

Seed: Ionescu, Vantzos, Sminchisescu, "Matrix Backpropagation for Deep Networks with Structured
Layers", ICCV 2015. The rooms, in the order in which imports may go (only down this list): cli,
widgets, views, evaluation, training, runs, models, objectives, segmentation, layers, linalg, data.

What a photograph and a training need stands here, and is loaded when it is asked for:

    from workbench import load_segmenter, segment_photo
    found = segment_photo("holiday.jpg", load_segmenter("ncuts-vgg16-relu5"))

    training = workbench.train(config, "runs/first")  # in a process of its own
    workbench.watch(training)

    found = workbench.probe(model, images="holiday/", layers=["blocks.9"])  # any torch module
    workbench.explore(found)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from workbench.version import __version__

if TYPE_CHECKING:
    from workbench import probe
    from workbench.experiments.scenes.model_files import export_model, read_model
    from workbench.experiments.scenes.photographs import CutChoice, load_segmenter, segment_photo
    from workbench.launch.train import Training, train
    from workbench.probe import Probe
    from workbench.probe import TrainingRecord as record  # noqa: N813 (it is used like a function)
    from workbench.probe.geometry.invariance import invariance
    from workbench.probe.geometry.inversion import invert
    from workbench.probe.geometry.layers import layer_geometry
    from workbench.probe.geometry.learned_inverse import learned_inverse
    from workbench.runs import Control, Run
    from workbench.views.scenes.photo import write_photo
    from workbench.widgets.explore import explore
    from workbench.widgets.monitor.monitor import watch

_HOMES = {
    "Control": "workbench.runs",
    "CutChoice": "workbench.experiments.scenes.photographs",
    "Probe": "workbench.probe",
    "Run": "workbench.runs",
    "Training": "workbench.launch.train",
    "explore": "workbench.widgets.explore",
    "export_model": "workbench.experiments.scenes.model_files",
    "invariance": "workbench.probe.geometry.invariance",
    "invert": "workbench.probe.geometry.inversion",
    "layer_geometry": "workbench.probe.geometry.layers",
    "learned_inverse": "workbench.probe.geometry.learned_inverse",
    "load_segmenter": "workbench.experiments.scenes.photographs",
    "read_model": "workbench.experiments.scenes.model_files",
    "record": "workbench.probe",
    "segment_photo": "workbench.experiments.scenes.photographs",
    "train": "workbench.launch.train",
    "watch": "workbench.widgets.monitor.monitor",
    "write_photo": "workbench.views.scenes.photo",
}
_NAMES = {"record": "TrainingRecord"}
"""Names in their homes, where they differ."""

__all__ = [
    "Control",
    "CutChoice",
    "Probe",
    "Run",
    "Training",
    "__version__",
    "explore",
    "export_model",
    "invariance",
    "invert",
    "layer_geometry",
    "learned_inverse",
    "load_segmenter",
    "probe",
    "read_model",
    "record",
    "segment_photo",
    "train",
    "watch",
    "write_photo",
]


def __getattr__(name: str) -> Any:
    if name == "probe":  # the package, which is callable
        return import_module("workbench.probe")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), _NAMES.get(name, name))
