"""Classifiers of small images, trained into runs that keep networks by their error.

    checkpoints/start.pt       random weights, with batch statistics of training images
    checkpoints/error-25.pt    the network after the first pass with at most 25 % held-out error

After every pass the run gets the errors on held-out and test images and the distance ratios of
triplets of test images by layer (`evaluation.triplets`). The test error chooses nothing. Without
anchors it gets the held-out error alone, and keeps no networks.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pickle import UnpicklingError
from typing import Any

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from workbench.data import Images, Schedule
from workbench.errors import WorkbenchError
from workbench.evaluation.triplets import Kind, Ratios, Triplets, choose, measure
from workbench.models.pooled_cnn import PooledCNN
from workbench.models.random_weights import with_batch_statistics
from workbench.models.small_cnn import TAPS, SmallCNN
from workbench.probe.capture import named_layers
from workbench.probe.geometry.live import LiveGeometry
from workbench.runs import Run
from workbench.runs.files import atomic_write
from workbench.training.images.config import ImageConfig
from workbench.training.images.task import ImageTask, Parts, outcome, parts_of
from workbench.training.run_folders import train_into
from workbench.training.trainer import Trainer

KEPT = "kept"
"""Kind of the events that say that a network was kept."""
START = "start"
"""Name of the network before the first step."""
STATISTICS_BATCHES = 20
"""Batches of training images from which the random network has its batch statistics."""


@dataclass(frozen=True, eq=False)
class Seen:
    """Images in memory, on which networks are measured.

    Attributes:
        pixels: RGB.
        labels: categories.
    """

    pixels: UInt8[Tensor, "images 3 y x"]
    labels: Int64[Tensor, "images"]

    @classmethod
    def of(cls, images: Images) -> "Seen":
        """Read images into memory."""
        return cls(images.pixels(), images.labels)

    @property
    def inputs(self) -> Float[Tensor, "images 3 y x"]:
        """Standardised images."""
        return SmallCNN.prepare(self.pixels)


@dataclass(frozen=True, eq=False)
class Prepared:
    """Everything that a training needs.

    Attributes:
        model: network with random weights.
        parts: images of the store.
        held, test: held-out and test images in memory.
        triplets: triplets of test images.
    """

    model: SmallCNN
    parts: Parts
    held: Seen
    test: Seen
    triplets: list[Triplets]


def prepare(config: ImageConfig) -> Prepared:
    """Network, images and triplets of a training; a configuration's errors appear here.

    Raises:
        PipelineError: there is no finished store.
        WorkbenchError: the store has too few images for its parts or the anchors.
    """
    parts = parts_of(config)
    held, test = Seen.of(parts.held), Seen.of(parts.test)
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        model = _network(config, parts.train, test.pixels.shape[-1])
    if config.geometry:
        named_layers(model, config.geometry)
    triplets = []
    if config.anchors:
        triplets = choose(test.inputs, test.labels, anchors=config.anchors)
    return Prepared(model, parts, held, test, triplets)


def fit(
    prepared: Prepared, config: ImageConfig, run: Run, resume: bool = False, progress: bool = True
) -> bool:
    """Train a network; see `train_images`.

    Returns:
        Whether the end was reached; False after SIGINT or SIGTERM.
    """
    task = ImageTask(prepared.model, prepared.parts.train, config)
    monitor = RatioMonitor(prepared, config, run) if config.anchors else partial(_held, prepared)
    geometry = partial(_geometry, prepared, config)
    return Trainer(task, config, run, monitor, geometry=geometry, progress=progress).fit(resume)


train_images = partial(train_into, prepare, fit)
"""Train a classifier of small images: `train_images(config, path, …)`, see `train_into`."""


class RatioMonitor:
    """Monitor of errors and distance ratios, which keeps networks at the first crossings.

    Args:
        prepared: network in training, and images to measure it on.
        config: configuration of the training.
        run: run in which networks are kept.
    """

    def __init__(self, prepared: Prepared, config: ImageConfig, run: Run) -> None:
        self._prepared, self._config, self._run = prepared, config, run
        self._inputs = prepared.test.inputs

    def __call__(self, step: int) -> dict[str, float]:
        """Errors by name; ratios are logged here, for they are too many to be printed.

        The random start gets batch statistics first.
        """
        own = self._prepared
        model = own.model if step else started(own, self._config)
        error, loss = outcome(model, own.held.pixels, own.held.labels)
        test, _ = outcome(model, own.test.pixels, own.test.labels)
        self._keep(model, step, error, test)
        self._run.log(step, **named(measure(model, self._inputs, own.triplets, TAPS)))
        return {"held_out_error": error, "held_out_loss": loss, "test_error": test}

    def _keep(self, model: SmallCNN, step: int, held: float, test: float) -> None:
        there = {event.fields["name"] for event in self._run.events(KEPT)}
        crossed = [name_of(e) for e in sorted(self._config.errors)[::-1] if 100 * held <= e]
        for name in crossed if step else [START]:
            if name in there:
                continue
            with atomic_write(self._run.checkpoints / f"{name}.pt") as file:
                torch.save(model.state_dict(), file)
            self._run.append(KEPT, step, name=name, held_out_error=held, test_error=test)


def name_of(error: float) -> str:
    """Name of the network kept at an error in percent."""
    return f"error-{error:g}"


def started(prepared: Prepared, config: ImageConfig) -> SmallCNN:
    """Network before its first step, with the batch statistics of training images."""
    batches = _first_batches(config, prepared.parts.train)
    device = next(prepared.model.parameters()).device
    return with_batch_statistics(prepared.model, (batch.to(device) for batch in batches))


def _network(config: ImageConfig, train: Images, side: int) -> SmallCNN:
    """Network with random weights; the scale of a pooled vector is that of training images."""
    if config.pooling is None:
        return SmallCNN(config.width, len(train.names), side)
    model = PooledCNN(config.pooling, config.width, len(train.names), side)
    seen = with_batch_statistics(model, _first_batches(config, train))
    seen.calibrate(_first_batches(config, train))
    model.load_state_dict(seen.state_dict())  # `seen` itself would never forget a batch
    return model


def _first_batches(config: ImageConfig, train: Images) -> Iterator[Float[Tensor, "_ 3 y x"]]:
    """Standardised training images of the first steps, not augmented."""
    order = Schedule(len(train), config.batch, config.seed)
    for i in range(min(STATISTICS_BATCHES, order.batches)):
        yield SmallCNN.prepare(train.select(order.indices(0, i)).pixels())


def _held(prepared: Prepared, _: int) -> dict[str, float]:
    """Error and loss on held-out images."""
    held = prepared.held
    error, loss = outcome(prepared.model, held.pixels, held.labels)
    return {"held_out_error": error, "held_out_loss": loss}


def named(found: Mapping[Kind, Ratios]) -> dict[str, float]:
    """Median ratios, and AUC of random triplets, by the names of `runs.ratios`."""
    values: dict[str, float] = {}
    for kind, each in found.items():
        for tap in each.intra:
            values[f"{tap} {kind} intra"] = float(each.intra[tap].median())
            values[f"{tap} {kind} inter"] = float(each.inter[tap].median())
    return values | {f"{tap} random AUC": value for tap, value in found["random"].auc.items()}


def kept_networks(run: Run) -> dict[str, tuple[SmallCNN, Mapping[str, Any]]]:
    """Networks that a run kept, in evaluation mode, with step and errors, in their order.

    Raises:
        WorkbenchError: a file is missing or damaged.
    """
    return {
        event.fields["name"]: (
            load_network(run, event.fields["name"]),
            {"step": event.step, **event.fields},
        )
        for event in run.events(KEPT)
    }


def load_network(run: Run, name: str) -> SmallCNN:
    """Network that a run kept under a name, in evaluation mode.

    Raises:
        WorkbenchError: its file is missing or damaged.
    """
    path = run.checkpoints / f"{name}.pt"
    if not path.exists():
        raise WorkbenchError(f"a network at {path}", "no file", "train it again")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        classes, features = state["logits.weight"].shape
        width = len(state["block1.0.weight"])
        model = SmallCNN(width, classes, 8 * round((features / (4 * width)) ** 0.5))
        model.load_state_dict(state)
    except (UnpicklingError, RuntimeError, EOFError, KeyError) as error:
        raise WorkbenchError(f"a network at {path}", "a damaged file", "train it again") from error
    return model.eval()


def _geometry(prepared: Prepared, config: ImageConfig, layers: Sequence[str]) -> LiveGeometry:
    """Geometry of layers on some training images, chosen at random and not augmented."""
    train = prepared.parts.train
    count = min(config.geometry_samples, len(train))
    chosen = train.select(Schedule(len(train), count, config.seed).indices(0, 0))
    device = next(prepared.model.parameters()).device
    return LiveGeometry(prepared.model, layers, SmallCNN.prepare(chosen.pixels()).to(device))
