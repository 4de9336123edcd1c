"""Cells of layers in forward passes of any network: their features, and their places in images."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from workbench.probe.capture import Capture, Select
from workbench.probe.features import Arranged, arranged
from workbench.probe.places import Places, even_places, measured_places
from workbench.probe.preprocessing import patch_of


class LayerCells:
    """Cells of layers; inside its context the network's outputs are captured.

    Args:
        model: any module in evaluation mode.
        names: names of the layers.
        select: function from a layer's output to its tensor, where that is not one tensor.
        call: index of the run of a layer in a pass that counts.
        tokens: rows and columns of the grid of tokens; None: it is found.
        channels_last: whether maps are (batch, rows, columns, channels).
    """

    def __init__(
        self,
        model: nn.Module,
        names: Sequence[str],
        select: Select | None = None,
        call: int | None = None,
        tokens: tuple[int, int] | None = None,
        channels_last: bool = False,
    ) -> None:
        self.model = model
        self._capture = Capture(model, names, select, call)
        self._tokens, self._channels_last = tokens, channels_last
        self._places: dict[str, Places] = {}
        parameter = next(model.parameters(), None)
        self._device = torch.device("cpu") if parameter is None else parameter.device
        self._dtype = torch.float32 if parameter is None else parameter.dtype

    def __enter__(self) -> "LayerCells":
        self._capture.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._capture.__exit__(*error)

    def forward(self, batch: Float[Tensor, "batch 3 height width"]) -> None:
        """Run the network, in its own dtype and on its own device, to the end of all kernels."""
        self._capture.clear()
        with torch.inference_mode():
            self.model(batch.to(self._device, self._dtype))
        if self._device.type == "cuda":
            torch.cuda.synchronize()

    def arranged(self, size: tuple[int, int]) -> dict[str, Arranged]:
        """Cells of every layer in the last forward pass.

        Args:
            size: rows and columns of the input, pixels.

        Raises:
            WorkbenchError: an output is not captured, or has no grid of cells.
        """
        with torch.inference_mode():
            return {
                name: arranged(
                    output, size, name, tokens=self._tokens, patch=patch_of(self.model),
                    channels_last=self._channels_last,
                )
                for name, output in self._capture.outputs.items()
            }  # fmt: skip

    def places(self, name: str, found: Arranged, size: tuple[int, int]) -> Places:
        """Places of a layer's cells for inputs of a size; those of maps are measured once."""
        if not found.maps:
            return even_places(found.shape, size)
        if name not in self._places:
            self._places[name] = measured_places(
                self.model, self._capture, name, size,
                lambda maps: maps.movedim(3, 1) if self._channels_last else maps,
            )  # fmt: skip
            self._capture.clear()
        places = self._places[name]
        return places if places.how == "measured" else even_places(found.shape, size)
