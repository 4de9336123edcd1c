"""Recording of a probe: a network over images, into a run folder.

    config.json                   kind "probe", layers, preprocessing, images, network
    events.jsonl                  "layer": shape, grid; "image": done; "left out", "truth left out":
                                  with the reason
    snapshots/<number>/<image>    the image, its ground truth and its features, layer by layer
    statistics.safetensors        sums over all images, see `statistics`

Memory is bounded: features of one batch, and O(d²) a layer. Where all features would take more than
`keep` bytes, those of evenly spread images are kept, and the statistics count all. A recording that
is interrupted goes on with its next image.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load_file, save
from torch import Tensor, nn
from tqdm.auto import tqdm
from xxhash import xxh3_64

from pipelines.errors import UserError
from workbench.data.photos import Pixels
from workbench.errors import WorkbenchError
from workbench.probe.capture import Select
from workbench.probe.cells import LayerCells
from workbench.probe.features import Arranged, refuse_infinite
from workbench.probe.images import ImageSource, Sample
from workbench.probe.preprocessing import Preprocessing
from workbench.probe.statistics import LayerStatistics
from workbench.probe.truths import LabelMap, packed
from workbench.runs import Run
from workbench.runs.files import atomic_write

KIND = "probe"
STATISTICS = "statistics.safetensors"
LAYER, IMAGE, LEFT_OUT, TRUTH = "layer", "image", "left out", "truth left out"
"""Kinds of events."""
_SAVED_EVERY = 30.0
"""Seconds between two writings of the statistics."""
_HALF = float(np.finfo(np.float16).max)


@dataclass(frozen=True)
class ProbeConfig:
    """Configuration of a recording.

    Attributes:
        network: class of the model.
        digest: digest of its parameters and buffers.
        layers: names of the layers.
        preprocessing: preprocessing as plain values.
        images: description of the images, in words.
        ids: ids of the images.
        tokens: rows and columns of the grid of tokens, where given.
        channels_last: whether maps are (batch, rows, columns, channels).
        keep: largest number of bytes of features that are kept.
        batch: number of images in a forward pass, where they have one size.
        truths: folder of label maps; None: those that come with the images, if any.
        kind: kind of run.
    """

    network: str
    digest: str
    layers: tuple[str, ...]
    preprocessing: dict[str, Any]
    images: str
    ids: tuple[str, ...]
    tokens: tuple[int, int] | None = None
    channels_last: bool = False
    keep: int = 4 << 30
    batch: int = 8
    truths: str | None = None
    kind: str = KIND


@dataclass(frozen=True)
class _Input:
    """Image ready for the network: its number from 0, the pixels to show, and the tensor."""

    number: int
    sample: Sample
    shown: Pixels
    tensor: Tensor


class Recorder:
    """Recorder of a network over images.

    Args:
        model: network in evaluation mode.
        source: source of images.
        config: configuration of the recording.
        run: run that keeps the record.
        preprocessing: preprocessing of the images.
        select: function from a layer's output to its tensor.
        call: index of the run of a layer in a pass that counts.
        statistics: statistics of the images that are done.
        done: number of these.
    """

    def __init__(
        self,
        model: nn.Module,
        source: ImageSource,
        config: ProbeConfig,
        run: Run,
        preprocessing: Preprocessing,
        select: Select | None = None,
        call: int | None = None,
        statistics: dict[str, LayerStatistics] | None = None,
        done: int = 0,
    ) -> None:
        self.model, self.source, self.config, self.run = model, source, config, run
        self.preprocessing = preprocessing
        self.statistics = statistics or {}
        self.done, self.failed = done, 0
        self._cells = LayerCells(
            model, config.layers, select, call, config.tokens, config.channels_last
        )
        self._described: set[str] = set()
        self._kept_every = 0
        self._saved = time.monotonic()
        self.seconds = {"forward": 0.0, "rest": 0.0}

    def record(self, progress: bool = True) -> None:
        """Record the images that are left.

        Raises:
            WorkbenchError: no image could be probed, or a layer's output has no use.
            KeyboardInterrupt: SIGINT; the record goes on with `resume`.
        """
        total = len(self.source.ids)
        try:
            with (
                self._cells,
                tqdm(total=total, initial=self.done, unit="image", disable=not progress) as bar,
            ):
                for batch in self._batches():
                    self._batch(batch)
                    bar.update(self.done - bar.n)
                bar.update(total - bar.n)
        except KeyboardInterrupt:
            self.save()
            self.run.append("interrupted", self.done)
            raise
        except Exception as error:
            self.save()
            self.run.append("failed", self.done, error=f"{type(error).__name__}: {error}")
            raise
        self.done = total
        self.save()
        if not any(each.images for each in self.statistics.values()):
            self.run.append("failed", self.done, error="no image could be probed")
            reasons = [e.fields["reason"] for e in self.run.events(LEFT_OUT)][:1]
            raise WorkbenchError(
                f"at least one image of {self.source.title} that can be probed",
                f"none of {total}; the first: {reasons[0] if reasons else 'no reason'}",
                "see the record for the others",
            )
        self.run.append("finished", total, seconds=self.seconds)

    def _batches(self) -> Iterator[list[_Input]]:
        """Images of one size, next to each other, as many as go through the network at once."""
        waiting: list[_Input] = []
        for number in range(self.done, len(self.source.ids)):
            made = self._input(number)
            if made is None:
                continue
            if waiting and (
                len(waiting) >= self.config.batch or waiting[0].tensor.shape != made.tensor.shape
            ):
                yield waiting
                waiting = []
            waiting.append(made)
        if waiting:
            yield waiting

    def _input(self, number: int) -> _Input | None:
        try:
            sample = self.source.read(number)
            shown, tensor = self.preprocessing.input_of(sample.image)
            return _Input(number, sample, shown, tensor)
        except (UserError, OSError) as error:
            self._leave_out(number, error)
            return None

    def _leave_out(self, number: int, error: Exception) -> None:
        self.failed += 1
        id = self.source.ids[number]
        self.run.append(LEFT_OUT, number + 1, id=id, reason=str(error))
        tqdm.write(f"left out {id}: {error}")

    def _batch(self, inputs: Sequence[_Input]) -> None:
        began = time.perf_counter()
        size = (inputs[0].tensor.shape[1], inputs[0].tensor.shape[2])
        self._cells.forward(torch.stack([each.tensor for each in inputs]))
        forward = time.perf_counter()
        found = self._cells.arranged(size)
        for name in found:
            self._describe(name, found[name], size)
        for row, each in enumerate(inputs):
            self._image(each, {name: f.values[row] for name, f in found.items()}, found)
        self.seconds["forward"] += forward - began
        self.seconds["rest"] += time.perf_counter() - forward
        if time.monotonic() - self._saved > _SAVED_EVERY:
            self.save()

    def _describe(self, name: str, found: Arranged, size: tuple[int, int]) -> None:
        """Write, once, the shape of a layer's output and the grid of its cells."""
        if name in self._described:
            return
        self._described.add(name)
        places = self._cells.places(name, found, size)
        self.run.append(
            LAYER, self.done, name=name, features=found.values.shape[2], shape=list(found.shape),
            left_out_tokens=found.extra, stride=places.grid.stride, offset=places.grid.offset,
            places=places.how, spread=places.spread,
        )  # fmt: skip

    def _image(self, each: _Input, values: dict[str, Tensor], found: dict[str, Arranged]) -> None:
        id = self.source.ids[each.number]
        try:
            for name, rows in values.items():
                refuse_infinite(rows, name, id)
        except WorkbenchError as error:
            self._leave_out(each.number, error)
            self.done = each.number + 1
            return
        for name, rows in values.items():
            if name not in self.statistics:
                self.statistics[name] = LayerStatistics.empty(rows.shape[1])
            self.statistics[name].add(rows)
        step = each.number + 1
        kept = self._keeps(each.number, values)
        truths: list[LabelMap] = []
        if kept:
            size = (each.shown.shape[0], each.shown.shape[1])
            arrays: dict[str, np.ndarray] = {"image": each.shown}
            if truths := self._truths(each):
                arrays["truths"] = packed(truths)
            for name, rows in values.items():
                arrays[f"{name}/maps"] = _stored(rows.mT.unflatten(1, found[name].shape))
                places = self._cells.places(name, found[name], size)
                arrays[f"{name}/grid"] = np.array([places.grid.stride, places.grid.offset])
            self.run.snapshot(step, id, arrays)
        self.run.append(
            IMAGE, step, id=id, size=list(each.shown.shape[:2]), kept=kept, truths=len(truths)
        )
        self.done = step

    def _truths(self, each: _Input) -> list[LabelMap]:
        """Label maps of an image; what is wrong with them is noted, and the image is done."""
        id = self.source.ids[each.number]
        try:
            return self.preprocessing.truths_of(each.sample, id)
        except (UserError, OSError) as error:
            self.run.append(TRUTH, each.number + 1, id=id, reason=str(error))
            tqdm.write(f"left out the ground truth of {id}: {error}")
            return []

    def _keeps(self, number: int, values: dict[str, Tensor]) -> bool:
        """Whether an image's features are kept: all, or evenly spread ones, by the first's size."""
        if not self._kept_every:
            size = sum(2 * rows.numel() for rows in values.values())
            total = size * len(self.source.ids)
            self._kept_every = max(1, -(-total // max(1, self.config.keep)))
        return number % self._kept_every == 0

    def save(self) -> None:
        """Write the statistics, with the number of images that they count."""
        arrays = {
            f"{name}/{key}": value
            for name, each in self.statistics.items()
            for key, value in each.to_arrays().items()
        }
        with atomic_write(self.run.path / STATISTICS) as file:
            file.write(save(arrays | {"done": np.array(self.done, np.int64)}))
        self._saved = time.monotonic()


def _stored(maps: Tensor) -> np.ndarray:
    """Maps in half precision, or in single where that cannot hold them."""
    values = maps.float().numpy(force=True)
    return np.ascontiguousarray(
        values.astype(np.float16 if np.abs(values).max() < _HALF else np.float32)
    )


def read_statistics(run: Run) -> tuple[dict[str, LayerStatistics], int]:
    """Statistics by layer, and the number of images that they count.

    Raises:
        WorkbenchError: there are none yet.
    """
    path = run.path / STATISTICS
    if not path.is_file():
        raise WorkbenchError(
            f"statistics of a probe in {run.path}", "none yet", "wait, or resume the probe"
        )
    arrays = load_file(path)
    done = int(arrays.pop("done"))
    by_layer: dict[str, dict[str, np.ndarray]] = {}
    for key, value in arrays.items():
        name, _, part = key.rpartition("/")
        by_layer.setdefault(name, {})[part] = value
    return {name: LayerStatistics.from_arrays(parts) for name, parts in by_layer.items()}, done


def digest_of_network(model: nn.Module) -> str:
    """Digest of a network's parameters and buffers."""
    digest = xxh3_64()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        if isinstance(tensor, Tensor):
            digest.update(
                tensor.detach().cpu().flatten().contiguous().view(torch.uint8).numpy().data
            )
    return digest.hexdigest()
