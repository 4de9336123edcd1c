"""Batches of regions or images on the device: shuffled globally, read ahead, resumable anywhere."""

from collections.abc import Iterator
from contextlib import closing, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int, Int64, UInt8
from torch import Tensor

from workbench.data.augment import Augmentation, Normalisation
from workbench.data.buffers import Buffers
from workbench.data.order import Schedule, draws
from workbench.data.prefetch import in_order
from workbench.data.samples import Samples
from workbench.data.sheet import Tile, contact_sheet, facts_table, outline_of
from workbench.errors import WorkbenchError


@dataclass(frozen=True, repr=False)
class Batch:
    """Batch of samples, regions or small images, on the device.

    Attributes:
        images: RGB, in channels-last memory; uint8, or float32 if the loader normalises.
        masks: masks of the objects; None of images, and if the regions were opened without.
        categories: categories, contiguous from 0.
        indices: indices of the samples in the dataset, on the host.
        positions: positions in the epoch's order. A position not below the number of samples is a
            repetition that fills up the ranks: leave it out where samples must not count twice.
    """

    images: UInt8[Tensor, "batch 3 y x"] | Float32[Tensor, "batch 3 y x"]
    masks: Bool[Tensor, "batch y x"] | None
    categories: Int64[Tensor, "batch"]
    indices: Int[np.ndarray, "batch"]
    positions: Int[np.ndarray, "batch"]

    def __len__(self) -> int:
        return len(self.indices)

    def __repr__(self) -> str:
        images = f"{tuple(self.images.shape)} {str(self.images.dtype).removeprefix('torch.')}"
        masks = "" if self.masks is None else ", masks"
        kinds = len(self.categories.unique())
        return f"Batch(images={images}{masks}, {kinds} categories, device={self.images.device})"

    @property
    def tensors(self) -> list[Tensor]:
        """Tensors on the device."""
        return [t for t in (self.images, self.masks, self.categories) if t is not None]


_SHEET = 12
"""Images on a contact sheet."""


class Loader:
    """Loader of batches over endless epochs, resumable at any batch.

    `for batch in loader` reads to the end of the epoch; the next loop reads the next epoch, and a
    loop that was left early is continued by the next. `batch` reads any batch without changing the
    loader's position. The content of a batch depends on the arguments alone: not on `workers` or
    `prefetch`, and not on interruptions.

    Args:
        dataset: regions or images to load.
        batch_size: samples a batch, on each rank.
        shuffle: use a new permutation of all samples in each epoch.
        seed: seed of order and augmentation.
        rank, world_size: part of each epoch that this process loads, see `order.Schedule`.
        drop_last: leave out samples that do not fill a batch on every rank.
        device: device of the batches. On CUDA they are copied from pinned memory, and augmented on
            the device, on a stream of their own.
        prefetch: batches ready beyond the one in use; 0 loads in the calling thread.
        workers: number of threads. Two suffice for a store of profile `local`; profile `remote`
            needs one a core for decompression.
        augment: augmentation of images and masks.
        normalise: normalisation of images to float32.

    Raises:
        WorkbenchError: there would be no batch.
    """

    def __init__(
        self,
        dataset: Samples,
        batch_size: int = 100,
        *,
        shuffle: bool = True,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        drop_last: bool = False,
        device: torch.device | str = "cpu",
        prefetch: int = 2,
        workers: int = 2,
        augment: Augmentation | None = None,
        normalise: Normalisation | None = None,
    ) -> None:
        if workers < 1 or prefetch < 0:
            raise WorkbenchError(
                "workers from 1 and prefetch from 0",
                f"workers={workers}, prefetch={prefetch}",
                "prefetch=0 loads without threads",
            )
        self.dataset = dataset
        self.schedule = Schedule(
            len(dataset), batch_size, seed, shuffle, rank, world_size, drop_last
        )
        # The device with its index: each thread has a current device of its own.
        self.device = torch.empty(0, device=device).device
        self.workers = workers
        self.augment, self.normalise = augment, normalise
        # At least one pending result a worker, so that no worker is idle.
        self._ahead = max(prefetch, workers) if prefetch else 0
        self._buffers = Buffers(keep=self._ahead + 2)
        self._epoch, self._delivered = 0, 0

    def __len__(self) -> int:
        """Number of batches an epoch."""
        return self.schedule.batches

    @property
    def epoch(self) -> int:
        """Epoch of the next batch, from 0."""
        return self._epoch

    def __iter__(self) -> Iterator[Batch]:
        """Iterate over the rest of the epoch.

        Raises:
            WorkbenchError: another iteration or `load_state_dict` has moved the loader meanwhile.
        """
        epoch, start = self._epoch, self._delivered
        stream = torch.cuda.Stream(self.device) if self.device.type == "cuda" else None
        ready = in_order(
            partial(self._produce, stream, epoch),
            range(start, len(self)),
            workers=self.workers,
            ahead=self._ahead,
        )
        with closing(ready):
            for index in range(start, len(self)):
                batch, loaded = next(ready)
                if (self._epoch, self._delivered) != (epoch, index):
                    raise WorkbenchError(
                        "one iteration of a loader at a time",
                        "another one, or load_state_dict, in the middle of this",
                        "make a second Loader",
                    )
                self._turn_to(epoch, index + 1)
                if loaded is not None:
                    current = torch.cuda.current_stream(self.device)
                    current.wait_event(loaded)
                    for tensor in batch.tensors:
                        tensor.record_stream(current)
                yield batch

    def batch(self, epoch: int, index: int) -> Batch:
        """Read any batch; the loader's position does not change.

        Raises:
            IndexError: an epoch has fewer batches.
            StoreError: a sample is missing or damaged.
        """
        return self._produce(None, epoch, index)[0]

    def state_dict(self) -> dict[str, Any]:
        """Position of the loader, and the settings that determine its batches; equal on all ranks.

        The current batch of a loop over the loader counts as seen.
        """
        return {"epoch": self._epoch, "batches": self._delivered, **self._identity()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from the position of another loader.

        Raises:
            WorkbenchError: that loader had other data, or another order.
        """
        for name, value in self._identity().items():
            if state.get(name) != value:
                raise WorkbenchError(
                    f"a state of a loader with {name}={value}",
                    f"{name}={state.get(name)}",
                    "continue with the same data, seed, batch size and number of processes",
                )
        self._turn_to(state["epoch"], state["batches"])

    def __repr__(self) -> str:
        return f"Loader({', '.join(f'{name}={value}' for name, value in self._facts().items())})"

    def _repr_html_(self) -> str:
        planes = self._planes(self._epoch, self._delivered)
        shown = {name: plane[:_SHEET].cpu().numpy() for name, plane in planes.items()}
        indices = self.schedule.indices(self._epoch, self._delivered)
        tiles = [
            Tile(
                shown["image"][row],
                self.dataset.names[int(self.dataset.categories[index])],
                outline_of(shown["mask"][row]) if "mask" in shown else None,
            )
            for row, index in enumerate(indices[:_SHEET])
        ]
        caption = "Loader, and the next batch's first images, augmented"
        return facts_table(caption, self._facts()) + contact_sheet(tiles)

    def _turn_to(self, epoch: int, batches: int) -> None:
        """Set the position; after an epoch's last batch comes the next epoch's first."""
        self._epoch, self._delivered = (epoch, batches) if batches < len(self) else (epoch + 1, 0)

    def _produce(
        self, stream: torch.cuda.Stream | None, epoch: int, index: int
    ) -> tuple[Batch, torch.cuda.Event | None]:
        """Make a batch; returns it with the event to wait for before use on another stream."""
        with torch.cuda.stream(stream) if stream else nullcontext():
            planes = self._planes(epoch, index)
            indices = self.schedule.indices(epoch, index)
            images = planes["image"]
            if self.normalise:
                images = self.normalise(images)
            batch = Batch(
                images=images.permute(0, 3, 1, 2),
                masks=planes["mask"].view(torch.bool) if "mask" in planes else None,
                categories=self._to_device(
                    torch.from_numpy(self.dataset.categories[indices].astype(np.int64))
                ),
                indices=indices,
                positions=self.schedule.positions(index),
            )
            return batch, stream.record_event() if stream else None

    def _planes(self, epoch: int, index: int) -> dict[str, Tensor]:
        """Pixel arrays of a batch on the device, (batch, y, x, …) uint8, augmented."""
        slots = self.dataset.slots[self.schedule.indices(epoch, index)]
        planes: dict[str, Tensor] = {}
        for name, items in self.dataset.items.items():
            host = self._host_memory((len(slots), *items.shape[1:]))
            items.gather(slots, out=host.numpy())
            planes[name] = self._to_device(host)
        if self.augment:
            numbers = draws(self.schedule.seed, epoch, self.schedule.positions(index))
            moved = self.augment(list(planes.values()), torch.from_numpy(numbers))
            planes = dict(zip(planes, moved, strict=True))
        return planes

    def _host_memory(self, shape: tuple[int, ...]) -> Tensor:
        if self.device.type == "cuda":
            # torch reuses pinned memory only after the copy from it is complete.
            return torch.empty(shape, dtype=torch.uint8, pin_memory=True)
        return self._buffers.take(shape)

    def _to_device(self, host: Tensor) -> Tensor:
        return host.to(self.device, non_blocking=True)

    def _identity(self) -> dict[str, Any]:
        """Settings that determine the samples of a batch, without the rank."""
        plan = self.schedule
        return {
            "dataset": self.dataset.identity,
            "batch_size": plan.batch_size,
            "seed": plan.seed,
            "shuffle": plan.shuffle,
            "world_size": plan.world_size,
            "drop_last": plan.drop_last,
        }

    def _facts(self) -> dict[str, object]:
        plan = self.schedule
        return {
            f"{self.dataset.dimension}s": plan.samples,
            "batches": f"{len(self)} of {plan.batch_size} an epoch",
            "order": f"shuffled, seed {plan.seed}" if plan.shuffle else "the store's",
            "rank": f"{plan.rank} of {plan.world_size}",
            "device": self.device,
            "augment": self.augment,
            "normalise": self.normalise,
            "next": f"epoch {self._epoch}, batch {self._delivered}",
        }
