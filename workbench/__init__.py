"""Deep networks with structured layers: train them end to end and watch their spectra.

Seed: Ionescu, Vantzos, Sminchisescu, "Matrix Backpropagation for Deep Networks with Structured
Layers", ICCV 2015. The rooms, in the order in which imports may go (only down this list): cli,
widgets, views, evaluation, training, runs, models, objectives, segmentation, layers, linalg, data.

What a photograph needs stands here, and is loaded when it is asked for:

    from workbench import load_segmenter, segment_photo
    found = segment_photo("holiday.jpg", load_segmenter("ncuts-vgg16-relu5"))
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.experiments.model_files import export_model, read_model
    from workbench.experiments.segmenting import CutChoice, load_segmenter, segment_photo
    from workbench.views.photo import write_photo

__version__ = "0.1.0"

_HOMES = {
    "CutChoice": "workbench.experiments.segmenting",
    "export_model": "workbench.experiments.model_files",
    "load_segmenter": "workbench.experiments.segmenting",
    "read_model": "workbench.experiments.model_files",
    "segment_photo": "workbench.experiments.segmenting",
    "write_photo": "workbench.views.photo",
}

__all__ = [
    "CutChoice",
    "__version__",
    "export_model",
    "load_segmenter",
    "read_model",
    "segment_photo",
    "write_photo",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
