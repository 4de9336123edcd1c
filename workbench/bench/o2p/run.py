"""`workbench bench o2p`: cost of second-order pooling in a network that is trained.

A step is forward and backward through backbone, pooling and a linear classifier of 80 categories.
The same model is measured with other poolings in place of ours, and the backbone and each pooling
layer by themselves.
"""

import statistics
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.linalg import LinAlgError  # type: ignore[attr-defined]
from torch.nn.functional import cross_entropy, interpolate

from workbench.bench.measure import peak_bytes
from workbench.bench.o2p.poolings import OURS, Pooling, poolings
from workbench.bench.o2p.report import BACKBONE, StepReport, StepRow, targets
from workbench.layers import SecondOrderPooling
from workbench.models.backbones import Backbone
from workbench.models.weights import find_weights, load_weights
from workbench.runs.provenance import provenance

CLASSES = 80

Task = Callable[[], object]


@dataclass(frozen=True)
class StepCase:
    """A network and its input.

    Attributes:
        backbone, tap: source of the pooling layer's features.
        side: side of the square image, pixels.
        batch: number of images in a step.
    """

    backbone: str
    tap: str
    side: int
    batch: int


@dataclass(frozen=True)
class StepSizes:
    """Cases and repeats of the benchmark.

    Attributes:
        cases: networks and inputs, in order.
        rounds: number of timed rounds, after an untimed one; each runs every task.
    """

    cases: tuple[StepCase, ...]
    rounds: int = 5


PAPER = StepCase("alexnet", "relu5", 227, 100)
QUICK = StepSizes((StepCase("alexnet", "relu5", 227, 10),), 3)


def full_sizes(device: torch.device) -> StepSizes:
    """Cases: the paper's network; one with more pixels than features; VGG-16.

    On a CPU the last two have fewer images a step: their time is in proportion, and VGG-16 would
    need 20 GB for a hundred.
    """
    many = 100 if device.type == "cuda" else 10
    return StepSizes(
        (
            PAPER,
            StepCase("alexnet", "relu5", 451, many),
            StepCase("vgg16", "relu5", 224, many),
        ),
        rounds=5 if device.type == "cuda" else 3,
    )


def bench_o2p(sizes: StepSizes, device: torch.device, data: Path | None = None) -> StepReport:
    """Report of all cases, ours first in each.

    Args:
        sizes: cases and repeats.
        device: device of networks and images.
        data: folder with coco2017/ and weights/; what it lacks is replaced and a note says so.
    """
    origin = provenance()
    rows: list[StepRow] = []
    notes: list[str] = [
        "A step is forward and backward of backbone, pooling and linear classifier; the optimizer "
        "is left out. Ratios are medians over rounds of quotients within a round."
    ]
    for case in sizes.cases:
        found, said = _measure(case, sizes.rounds, device, data)
        rows += found
        notes += said
    return StepReport(
        "o2p",
        tuple(rows),
        targets(rows, device.type == "cuda"),
        tuple(dict.fromkeys(notes)),
        origin,
    )


def _measure(
    case: StepCase, rounds: int, device: torch.device, data: Path | None
) -> tuple[list[StepRow], list[str]]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        backbone = Backbone(case.backbone, case.tap)
        notes = [_fill(backbone, data)]
        images, source = frames(data, case.batch, case.side)
        backbone, images = backbone.to(device), images.to(device)
        with torch.no_grad():
            maps = backbone(images)[0]
        labels = torch.randint(CLASSES, (case.batch,)).to(device)
        methods = poolings()
        heads = {
            name: nn.Linear(pool(maps[:1]).shape[1], CLASSES).to(device)
            for name, pool in methods.items()
        }
    upstream = torch.randn(maps.shape, generator=torch.Generator().manual_seed(1)).to(device)
    parameters = list(backbone.parameters())
    title = _title(case, maps)
    notes += [source, _spectrum(title, maps)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a peer has to say of its own input
        steps = {
            name: _step(backbone, pool, heads[name], images, labels)
            for name, pool in methods.items()
        }
        finite = {name: _is_finite(step) for name, step in steps.items()}
        for name in [name for name, ended in finite.items() if ended is None]:
            notes.append(f"{title}: {name} gives up on these matrices and is left out.")
            del steps[name]
        tasks: dict[str, Task] = {
            BACKBONE: lambda: torch.autograd.grad(backbone(images)[0], parameters, upstream)
        }
        for name, step in steps.items():
            tasks |= {f"step {name}": step, f"layer {name}": _layer(methods[name], maps)}
        times = in_turn(tasks, rounds)
        peaks = {name: peak_bytes(tasks[name], device) for name in tasks if "layer" not in name}
    return _rows(title, case.batch, times, peaks, finite), notes


def in_turn(tasks: Mapping[str, Task], rounds: int) -> dict[str, list[float]]:
    """Seconds of each task in each round; every round runs each once, after an untimed round."""
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for untimed in (True, *[False] * rounds):
        for name, task in tasks.items():
            _synchronise()
            start = time.perf_counter()
            task()
            _synchronise()
            if not untimed:
                times[name].append(time.perf_counter() - start)
    return times


def frames(data: Path | None, count: int, side: int) -> tuple[Tensor, str]:
    """Images (count, 3, side, side) in [0, 1], and a sentence on their source."""
    paths = sorted((data / "coco2017" / "val2017").glob("*.jpg"))[:count] if data else []
    if len(paths) == count:
        pictures = [
            np.asarray(Image.open(path).convert("RGB").resize((side, side))) for path in paths
        ]
        return torch.from_numpy(np.stack(pictures)).movedim(3, 1) / 255, "Images are COCO's."
    coarse = torch.randn(count, 3, side // 8, side // 8, generator=torch.Generator().manual_seed(0))
    smooth = interpolate(coarse, (side, side), mode="bilinear", align_corners=False)
    return torch.sigmoid(2 * smooth), (
        f"Images are smooth noise: no {count} of COCO's in --data; ranks and dead channels are "
        "then not those of photographs."
    )


def _fill(backbone: Backbone, data: Path | None) -> str:
    """Load pretrained weights where there are some; a sentence on which."""
    path = find_weights(backbone.name, data) if data else None
    if path is None:
        return f"Weights of {backbone.name} are random: no pretrained ones in --data."
    load_weights(backbone, path)
    return f"Weights of {backbone.name} are ImageNet's."


def _step(
    backbone: Backbone, pool: Pooling, head: nn.Linear, images: Tensor, labels: Tensor
) -> Callable[[], tuple[Tensor, ...]]:
    """Task that computes the gradients of all parameters."""
    parameters = [*backbone.parameters(), *head.parameters()]

    def task() -> tuple[Tensor, ...]:
        loss = cross_entropy(head(pool(backbone(images)[0])), labels)
        return torch.autograd.grad(loss, parameters)

    return task


def _layer(pool: Pooling, maps: Tensor) -> Task:
    """Task that computes the gradient of the maps, for an upstream gradient of the layer."""
    upstream = torch.ones_like(pool(maps))

    def task() -> Tensor:
        leaf = maps.detach().requires_grad_()
        return torch.autograd.grad(pool(leaf), leaf, upstream)[0]

    return task


def _is_finite(step: Callable[[], tuple[Tensor, ...]]) -> bool | None:
    """Whether all gradients are finite; None where LAPACK or cuSOLVER finds no solution."""
    try:
        return all(bool(gradient.isfinite().all()) for gradient in step())
    except LinAlgError:
        return None


def _rows(
    title: str,
    batch: int,
    times: Mapping[str, list[float]],
    peaks: Mapping[str, int],
    finite: Mapping[str, bool | None],
) -> list[StepRow]:
    def median(over: str, under: str | None = None) -> float:
        if under is None:
            return statistics.median(times[over])
        pairs = zip(times[over], times[under], strict=True)
        return statistics.median(a / b for a, b in pairs)

    rows = [
        StepRow(
            title,
            name,
            median(f"step {name}"),
            median(f"step {name}", f"step {OURS}"),
            peaks[f"step {name}"],
            rate=batch / median(f"step {name}"),
            layer=median(f"layer {name}"),
            layer_ratio=median(f"layer {name}", f"layer {OURS}"),
            share=median(f"layer {name}", f"step {name}"),
            of_backbone=median(f"layer {name}", BACKBONE),
            finite=bool(ended),
        )
        for name, ended in finite.items()
        if ended is not None
    ]
    alone = StepRow(
        title,
        BACKBONE,
        median(BACKBONE),
        median(BACKBONE, f"step {OURS}"),
        peaks[BACKBONE],
        rate=batch / median(BACKBONE),
    )
    return [*rows, alone]


def _title(case: StepCase, maps: Tensor) -> str:
    _, features, height, width = maps.shape
    return f"{case.backbone} {case.tap}, {case.batch} × {height}·{width} × {features}"


def _spectrum(title: str, maps: Tensor) -> str:
    """Sentence on the layer's input: the side that is factored, ranks, dead channels."""
    found = SecondOrderPooling("log").pool(maps)
    rank = found.rank
    dead = int((maps.amax((0, 2, 3)) == 0).sum())
    return (
        f"{title}: rank {int(rank.min())} to {int(rank.max())} of {found.features} features in "
        f"{maps[0, 0].numel()} cells; ours factors the side of the {found.side} "
        f"({found.eigenvalues.shape[-1]}), the others {found.features}×{found.features}; "
        f"{dead} channels off in all images."
    )


def _synchronise() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
