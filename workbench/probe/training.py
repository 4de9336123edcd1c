"""Record of a user's own training loop: objective, spectrum and ranks of named layers.

    training = workbench.record("runs/mine", model)       # any torch module
    training.probe("encoder.layer3", every=100)
    training.geometry(["encoder.layer3"], images)         # width, dimension, angles of samples
    for step, (images, labels) in enumerate(batches, 1):
        loss = criterion(model(images), labels)
        …
        training.step(loss=loss)                          # every step; cheap between the probes
    training.finish()

The record is a run, which `workbench.watch` shows while it grows. Layers are measured on the batch
of the training: hooks are set for the one forward pass before a probed step, and the outputs are
reduced to a few figures at once. `callbacks` has the same for Lightning and for Hugging Face's
`Trainer`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, SupportsFloat

import torch
from torch import Tensor, nn

from workbench.errors import WorkbenchError
from workbench.linalg.effective_rank import effective_rank
from workbench.probe.capture import Select, named_layers, only_tensor
from workbench.probe.geometry.live import LiveGeometry, Samples
from workbench.probe.statistics import LayerStatistics
from workbench.runs import Run
from workbench.runs.control import OWN_LOOP

KIND = OWN_LOOP
CELLS = 4096
"""Largest number of cells of a batch that are measured; evenly spread."""
FEATURES = 512
"""Largest number of features that are measured; the first ones."""

Feed = Callable[[int, Mapping[str, float]], None]
"""Function that is called with a step and its measurements: for W&B, MLflow, a file."""


@dataclass(frozen=True)
class _Probed:
    """Layer that is measured.

    Attributes:
        name: name of the layer.
        every: number of steps between two measurements.
        select: function from its output to a tensor.
    """

    name: str
    every: int
    select: Select | None


class TrainingRecord:
    """Record of a training loop; as a context manager it is finished at the end of the block.

    Args:
        path: path of the run folder, made anew.
        model: network that is trained.
        config: settings of the training to keep, plain values.
        feed: function that is given every measurement as well.
        overwrite: delete the run that is there first.

    Attributes:
        run: the record.
    """

    def __init__(
        self,
        path: Path | str,
        model: nn.Module,
        config: Mapping[str, Any] | None = None,
        *,
        feed: Feed | None = None,
        overwrite: bool = False,
    ) -> None:
        if overwrite and Path(path).exists():
            Run.delete(path)
        settings = {"kind": KIND, "network": type(model).__name__, **(config or {})}
        self.run = Run.create(path, settings)
        self.model, self.feed = model, feed
        self._probed: list[_Probed] = []
        self._geometry: list[LiveGeometry] = []
        self._steps = 0
        self._seen: dict[str, dict[str, float]] = {}
        self._handles: list[Any] = []

    def probe(
        self, layers: str | Sequence[str], every: int = 100, output: Select | None = None
    ) -> None:
        """Measure layers every so many steps, from the first on.

        Args:
            layers: names or patterns with wildcards.
            every: number of steps between two measurements.
            output: function from a layer's output to its tensor, if that is a tuple or a dataclass.

        Raises:
            WorkbenchError: no such layer, or a number that is not positive.
        """
        if every < 1:
            raise WorkbenchError("a positive number of steps", f"every={every}", "raise it")
        names = named_layers(self.model, layers)
        self._probed += [_Probed(name, every, output) for name in names]
        self._set_hooks()

    def geometry(self, layers: str | Sequence[str], samples: Samples, **options: Any) -> None:
        """Measure the geometry of layers on fixed samples: now, while they train, and at the end.

        Figures by layer: squared width ω², its ratio to the ceiling, stable dimension, effective
        rank, median angle of pairs and its ratio to that of the inputs; see `runs.geometry`.

        Args:
            layers: names or patterns with wildcards.
            samples: inputs of 2 to 256 samples, samples along the first axis: a tensor, several, or
                tensors by name.
            options: `every` (default: as often as 3 % of the time allow), `forward`, `batch`,
                `output`, `call`, `directions`, see `probe.geometry.live.LiveGeometry`.

        Raises:
            WorkbenchError: no such layer, a wrong number of samples, or an output that is not one
                tensor with an axis for samples.
        """
        added = LiveGeometry(self.model, layers, samples, **options)
        self.log(self._steps, **added(self._steps))
        self._geometry.append(added)

    def step(self, step: int | None = None, /, **metrics: SupportsFloat | Tensor) -> None:
        """Record a step: measurements given here, and those of the layers that were due.

        Args:
            step: number of the step, from 1; None: one more than the last.
            metrics: measurements by name; tensors of one element are read.
        """
        self._steps = self._steps + 1 if step is None else step
        values = {
            name: float(value.detach() if isinstance(value, Tensor) else value)
            for name, value in metrics.items()
        }
        for layer, seen in self._seen.items():
            values |= {f"{layer} {name}": value for name, value in seen.items()}
        self._seen.clear()
        for each in self._geometry:
            values |= each(self._steps)
        self.log(self._steps, **values)
        self._set_hooks()

    def log(self, step: int, /, **metrics: float) -> None:
        """Record measurements at a step, and hand them to `feed`."""
        if metrics:
            self.run.log(step, **metrics)
            if self.feed is not None:
                self.feed(step, metrics)

    def finish(self) -> Run:
        """Mark the training as finished, after a last measurement of the geometry."""
        self._remove_hooks()
        for each in self._geometry:
            self.log(self._steps, **each.last(self._steps))
        self.run.append("finished", self._steps)
        return self.run

    def __enter__(self) -> "TrainingRecord":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: Any
    ) -> None:
        self._remove_hooks()
        if error is None:
            self.finish()
        elif isinstance(error, KeyboardInterrupt):
            self.run.append("interrupted", self._steps)
        else:
            self.run.append("failed", self._steps, error=f"{type(error).__name__}: {error}")

    def _set_hooks(self) -> None:
        """Hooks for the next step, on the layers that are due then."""
        self._remove_hooks()
        due = [each for each in self._probed if self._steps % each.every == 0]
        for each in due:
            module = self.model.get_submodule(each.name)
            self._handles.append(module.register_forward_hook(self._hook(each)))

    def _remove_hooks(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def _hook(self, probed: _Probed) -> Callable[[nn.Module, Any, Any], None]:
        def look(module: nn.Module, inputs: Any, output: Any) -> None:
            if probed.name in self._seen or not module.training:
                return  # its first run in the step counts; a validation between steps does not
            tensor = probed.select(output) if probed.select else only_tensor(output)
            if not isinstance(tensor, Tensor) or tensor.dim() not in (2, 3, 4):
                raise WorkbenchError(
                    f"maps, tokens or vectors from {probed.name}",
                    f"{type(output).__name__}",
                    "give training.probe(…, output=lambda out: …)",
                )
            self._seen[probed.name] = layer_figures(tensor.detach())

        return look


@torch.no_grad()
def layer_figures(output: Tensor) -> dict[str, float]:
    """Figures of a layer's output on a batch.

    Keys: effective rank, mean cosine, top share (of the covariance's trace in its largest
    eigenvalue), norm (root mean square of the features), off (fraction of the features that are
    zero everywhere).

    Args:
        output: (batch, channels, rows, columns), (batch, tokens, features) or (batch, features).
    """
    values = cells_of(output)[:, :FEATURES].float()
    values = values[:: max(1, -(-len(values) // CELLS))]
    if not bool(torch.isfinite(values).all()):
        return {"effective rank": float("nan"), "norm": float("nan")}
    found = LayerStatistics.empty(values.shape[1])
    found.add(values)
    spectrum = found.eigenvalues()
    trace = float(spectrum.sum())
    return {
        "effective rank": float(effective_rank(spectrum)),
        "mean cosine": found.mean_cosine,
        "top share": float(spectrum[0]) / trace if trace > 0 else 1.0,
        "norm": (found.squares / max(1, values.numel())) ** 0.5,
        "off": found.dead / values.shape[1],
    }


def cells_of(output: Tensor) -> Tensor:
    """Rows of features, one for each cell, token or image."""
    if output.dim() == 4:
        return output.flatten(2).mT.flatten(0, 1)
    return output.flatten(0, -2)
