"""`workbench bench probe`: recording beside the forward pass alone, and one cut of many images.

The cut is that of the affinity (1 + cosine)/2 over all cells of all images. Ours is exact in O(d²)
memory; ncut_pytorch samples cells (Nyström) and is given the same features and the same affinity.
Its error is the sine of the largest angle between its leading eigenvectors and the exact ones.
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from workbench.bench.measure import medians, peak_bytes
from workbench.bench.ncuts.run import sine
from workbench.bench.peers import NCUT_PYTORCH, Peers
from workbench.bench.records import Row, Target
from workbench.bench.report import Report, at_most, find
from workbench.models import Backbone
from workbench.probe.across import joint_spectrum
from workbench.probe.affinities import cosine_rows
from workbench.probe.capture import Capture
from workbench.probe.geometry.live import LiveGeometry
from workbench.probe.geometry.pace import Pace
from workbench.probe.places import measured_places
from workbench.probe.start import probe
from workbench.probe.training import TrainingRecord
from workbench.runs.provenance import provenance

OURS, FORWARD = "workbench", "forward pass alone"
PLAIN = "training loop alone"
KINDS = 10
"""Number of kinds of cells; as many eigenvectors stand out, and only their span is compared."""
SAMPLES, SIDE = 64, 64
"""Number of samples of the geometry while a network trains, and the side of its images, pixels."""
EVERY = 100
"""Steps between two measurements of a layer."""


@dataclass(frozen=True)
class ProbeSizes:
    """Sizes and repeats of the benchmark.

    Attributes:
        images: number of images that are recorded.
        side: side of these images, pixels.
        steps: number of steps of a training that are timed.
        geometry_steps: number of steps of a training whose geometry is measured, that are timed.
        photographs: number of images in the cut over many images.
        cells, features: numbers of cells and of features of each of these.
        eigenvectors: number of eigenvectors of the cut.
        repeats: number of rounds.
    """

    images: int = 64
    side: int = 224
    steps: int = 40
    geometry_steps: int = 600
    photographs: int = 1000
    cells: int = 1024
    features: int = 768
    eigenvectors: int = 20
    repeats: int = 3


QUICK = ProbeSizes(images=4, steps=6, geometry_steps=20, photographs=20, repeats=1)


def bench_probe(sizes: ProbeSizes, device: torch.device) -> Report:
    """Report of the benchmark: ours beside the forward pass, the plain loop, and ncut_pytorch."""
    peers, origin = Peers(), provenance()
    rows = [
        *_recording_rows(sizes, device),
        *_training_rows(sizes, device),
        *_geometry_rows(sizes, device),
        *_cut_rows(sizes, peers),
    ]
    notes = (
        "Recording keeps features in half precision on the disk, and sums of d×d a layer.",
        f"The training step is the mean over {EVERY} steps of which one is looked at.",
        "Geometry is measured at its own pace; both loops take a step in turn, and the mean is "
        "over all steps and measurements but the first one, before training.",
        *peers.notes(),
    )
    return Report("probe", tuple(rows), _targets(rows), notes, origin)


def _recording_rows(sizes: ProbeSizes, device: torch.device) -> list[Row]:
    """Rows of recording two layers of VGG-16 over images that are in memory."""
    network = Backbone("vgg16", "relu4", "relu5").to(device).eval()
    layers = [f"features.{end}" for end in network.ends]
    random = torch.Generator().manual_seed(0)
    images = torch.rand(sizes.images, 3, sizes.side, sizes.side, generator=random)

    def forward() -> None:
        with torch.inference_mode():
            for batch in images.split(8):
                network(batch.to(device))

    def record() -> None:
        with tempfile.TemporaryDirectory() as folder:
            probe(network, TensorDataset(images), layers, path=Path(folder) / "run", progress=False)

    def place() -> None:
        with Capture(network, layers, None, None) as capture:
            for layer in layers:
                measured_places(
                    network, capture, layer, (sizes.side, sizes.side), lambda maps: maps
                )

    case = f"recording ReLU-4 and ReLU-5 of VGG-16, {sizes.images} images of {sizes.side}²"
    once = "of it once, whatever the number of images: the places of both layers' cells"
    return [
        *_timed(case, {OURS: record, FORWARD: forward}, sizes.repeats, device),
        *_timed(once, {OURS: place}, sizes.repeats, device),
    ]


def _training_rows(sizes: ProbeSizes, device: torch.device) -> list[Row]:
    """Rows of training steps of AlexNet's convolutions; one step in `EVERY` measures a layer."""
    network = Backbone("alexnet", "relu5").to(device).train()
    optimizer = torch.optim.SGD(network.parameters(), 1e-4)
    batch = torch.rand(8, 3, sizes.side, sizes.side, device=device)

    def step() -> Tensor:
        loss: Tensor = network(batch)[0].square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    with tempfile.TemporaryDirectory() as folder:
        training = TrainingRecord(Path(folder) / "run", network)

        def plain_record() -> None:
            training.step(loss=step())

        both = medians({PLAIN: step, OURS: plain_record}, sizes.steps, patience=float("inf"))
        plain, recorded = both[PLAIN], both[OURS]
        training.probe([f"features.{end}" for end in network.ends], every=1)
        looked = medians({OURS: plain_record}, sizes.steps, patience=float("inf"))[OURS]
    mean = recorded + (looked - recorded) / EVERY
    case = f"training step, AlexNet to ReLU-5, batches of 8, a look every {EVERY} steps"
    return [Row(case, OURS, mean, 1.0), Row(case, PLAIN, plain, plain / mean)]


def _geometry_rows(sizes: ProbeSizes, device: torch.device) -> list[Row]:
    """Rows of training steps with and without the geometry of three layers, at its own pace."""
    spent = {OURS: 0.0, PLAIN: 0.0}
    costs: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        steps = {name: _small_training(device) for name in spent}
        network = steps[OURS][0]
        images = torch.rand(SAMPLES, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
        layers = [f"features.{end}" for end in (0, 3, network.ends[-1])]
        geometry = LiveGeometry(network, layers, images)
        geometry.measure(0)  # what is made at the first time is no part of the pace
        geometry.pace = Pace(clock=lambda: spent[OURS])
        geometry.measure(0)
        training = TrainingRecord(Path(folder) / "run", network)
        for number in range(1, sizes.geometry_steps + 1):
            for name, (_, own) in steps.items():
                start = time.perf_counter()
                loss = float(own())
                if name == OURS:
                    training.step(loss=loss)
                spent[name] += time.perf_counter() - start
            found = geometry(number)
            if found:
                start = time.perf_counter()
                training.log(number, **found)
                costs.append(found["geometry seconds"] + time.perf_counter() - start)
                spent[OURS] += costs[-1]
    means = {name: seconds / sizes.geometry_steps for name, seconds in spent.items()}
    size = f"batches of 8 of {SIDE}²"
    case = f"training step, AlexNet to ReLU-5, {size}, geometry of 3 layers, {SAMPLES} samples"
    one = geometry.measure(0)["geometry seconds"]
    timed = [Row(case, name, mean, mean / means[OURS]) for name, mean in means.items()]
    return [
        *(timed if costs else []),  # too few steps for a measurement say nothing of its cost
        Row(f"{case}: one measurement; {len(costs)} were taken", OURS, one, one / means[PLAIN]),
    ]


def _small_training(device: torch.device) -> tuple[Backbone, Callable[[], Tensor]]:
    """Network and a step of its training."""
    network = Backbone("alexnet", "relu5").to(device).train()
    optimizer = torch.optim.SGD(network.parameters(), 1e-4)
    batch = torch.rand(8, 3, SIDE, SIDE, device=device)

    def step() -> Tensor:
        loss: Tensor = network(batch)[0].square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return network, step


def _cut_rows(sizes: ProbeSizes, peers: Peers) -> list[Row]:
    """Rows of one normalized cut of all cells of many images."""
    x = cell_features(sizes.photographs, sizes.cells, sizes.features)
    parts, count = x.split(sizes.cells), sizes.eigenvectors

    def ours() -> Tensor:
        found = joint_spectrum(lambda: (cosine_rows(part).double() for part in parts), count)
        return torch.cat([found.vectors(cosine_rows(part).double()).float() for part in parts])

    tasks: dict[str, Callable[[], Tensor]] = {OURS: ours}
    if ncut := peers.find(NCUT_PYTORCH):
        tasks["ncut_pytorch, Nyström"] = lambda: ncut.Ncut(
            n_eig=count, device="cpu", affinity_fn=_cosine, sigma=1.0
        ).fit_transform(x)
    seconds = medians(tasks, sizes.repeats)
    exact = ours()
    size = f"{sizes.photographs:,} images × {sizes.cells:,} cells × {sizes.features} features"
    return [
        Row(
            f"one cut of {size}",
            name,
            seconds[name],
            seconds[name] / seconds[OURS],
            peak_bytes(task, torch.device("cpu")),
            0.0 if name == OURS else _angle(exact, task(), x, KINDS),
        )
        for name, task in tasks.items()
    ]


def _angle(exact: Tensor, found: Tensor, x: Tensor, count: int) -> float:
    """Sine of the largest angle between the spans of the leading vectors D^½y."""
    rows = cosine_rows(x)
    root = (rows @ rows.sum(0)).sqrt()[:, None]
    theirs = found[:, :count].to(root)
    if float(theirs[:, 0].std() / theirs[:, 0].mean().abs()) < 1e-2:  # D^-½U: the first is constant
        theirs = theirs * root
    return sine(exact[:, :count] * root, theirs)


def cell_features(images: int, cells: int, features: int) -> Tensor:
    """Features (images · cells, features) float32 of both signs, around `KINDS` random vectors."""
    random = torch.Generator().manual_seed(0)
    kinds = torch.randn(KINDS, features, generator=random)
    found = torch.empty(images, cells, features)
    for image in found:
        which = torch.randint(KINDS, (cells,), generator=random)
        noise = torch.randn(cells, features, generator=random)
        torch.add(kinds[which], noise, alpha=1.5, out=image)
    return found.flatten(0, 1)


def _cosine(one: Tensor, other: Tensor | None = None, sigma: object = None) -> Tensor:
    """Affinity (1 + cosine)/2, in the signature that ncut_pytorch asks for."""
    a = cosine_rows(one)
    return a @ (a if other is None else cosine_rows(other)).mT


def _timed(
    case: str, tasks: dict[str, Callable[[], object]], repeats: int, device: torch.device
) -> list[Row]:
    seconds = medians(tasks, repeats)
    return [
        Row(case, n, seconds[n], seconds[n] / seconds[OURS], peak_bytes(task, device))
        for n, task in tasks.items()
    ]


def _targets(rows: list[Row]) -> tuple[Target, ...]:
    recording, _, training, geometry, *_ = dict.fromkeys(row.case for row in rows)
    return (
        at_most(
            "recording beyond the forward pass, of it", _beyond(rows, recording, FORWARD), 20.0,
            "{} %",
        ),
        at_most("training slowed by the record", _beyond(rows, training, PLAIN), 5.0, "{} %"),
        at_most("training slowed by the geometry", _beyond(rows, geometry, PLAIN), 5.0, "{} %"),
    )  # fmt: skip


def _beyond(rows: list[Row], case: str, alone: str) -> float | None:
    """Additional time of ours, percent of that of the work alone."""
    ours, floor = find(rows, case, OURS), find(rows, case, alone)
    if ours is None or floor is None or ours.seconds is None or floor.seconds is None:
        return None
    return 100 * (ours.seconds / floor.seconds - 1)
