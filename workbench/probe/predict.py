"""Prediction of an image by a layer of any network: the affinity of its cells, to be cut."""

from dataclasses import replace

from torch import nn

from workbench.data.photos import Pixels
from workbench.errors import WorkbenchError
from workbench.probe.affinities import Choice, factors
from workbench.probe.capture import Select, named_layers
from workbench.probe.cells import LayerCells
from workbench.probe.features import refuse_infinite
from workbench.probe.preprocessing import patch_of, preprocessing_of
from workbench.segmentation import Prediction


class LayerPredictor:
    """Predictions by one layer of a network; whole images, resized to what the network takes.

    Args:
        model: any module in evaluation mode.
        layer: name of the layer.
        affinity: of its cells, see `affinities`.
        select: from the layer's output to its tensor, where that is not one tensor.
        call: which run of the layer in a forward pass counts, where there are several.

    Raises:
        WorkbenchError: there is no such layer, or the name stands for several.
    """

    def __init__(
        self,
        model: nn.Module,
        layer: str,
        affinity: Choice = "cosine",
        select: Select | None = None,
        call: int | None = None,
    ) -> None:
        names = named_layers(model, layer)
        if len(names) > 1:
            raise WorkbenchError("one layer", f"{len(names)}: {', '.join(names)}", "name one")
        self.model, self.layer, self.affinity = model, names[0], affinity
        self._cells = LayerCells(model, names, select, call)
        self._preprocessing = replace(preprocessing_of(model), crop=None)

    def __call__(self, pixels: Pixels) -> Prediction:
        """Prediction of an image; its `image` is the size that the network saw.

        Raises:
            WorkbenchError: the layer's output has no grid of cells, or is not finite.
        """
        whole = replace(self._preprocessing, multiple=1).shown(pixels)
        step = patch_of(self.model) or self._preprocessing.multiple
        size = tuple(max(step, round(side / step) * step) for side in whole.shape[:2])
        fitted = replace(self._preprocessing, size=(size[0], size[1]), multiple=1)
        shown, tensor = fitted.input_of(pixels)
        image = (shown.shape[0], shown.shape[1])
        with self._cells:
            self._cells.forward(tensor[None])
            found = self._cells.arranged(image)[self.layer]
            refuse_infinite(found.values, self.layer, "the image")
            grid = self._cells.places(self.layer, found, image).grid
        affinity = factors(found.values[0].float(), self.affinity).affinity
        return Prediction(affinity, found.shape, grid, image)
