"""`workbench bench ncuts`: J1, J2 and the spectral embedding from factors, against m×m matrices."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from workbench.bench.layers.exact import relative_error
from workbench.bench.measure import medians, peak_bytes
from workbench.bench.ncuts.embeddings import EIGSH, OURS, SKLEARN, embeddings
from workbench.bench.peers import Peers
from workbench.bench.records import Row, Target
from workbench.bench.report import Report, at_least, at_most, find
from workbench.linalg import Affinity
from workbench.objectives import j1, j2
from workbench.runs.provenance import provenance

DENSE = "dense m×m, torch pinv"
GEMM = "plain GEMM of the flops"
COPY = "one copy of X"
SEGMENTS = 8
OBJECTIVES = {"J1": j1, "J2": j2}
PASSES = {"J1": 14, "J2": 3}
"""Number of reads and writes of X or arrays of its size, counted in the code. J2: read for the Gram
matrix and the segment sums, read and written by the adjoint. J1 also: read twice for the degrees,
once for their adjoint, which writes two terms, and autograd adds the three up.
"""

Objective = Callable[[Tensor], Tensor]
Tasks = Mapping[str, Callable[[], object]]


@dataclass(frozen=True)
class CutSizes:
    """Sizes and repeats of the benchmark.

    Attributes:
        dense: number of pixels in the comparison with the m×m objectives.
        large: (pixels, features) of J1 and J2 on whole images.
        embedded: number of pixels in the comparison of embeddings.
        repeats: number of rounds of each comparison.
    """

    dense: int = 2025
    large: tuple[tuple[int, int], ...] = ((154_401, 20), (154_401, 256))
    embedded: int = 10_000
    repeats: int = 7


QUICK = CutSizes(large=((154_401, 20),), embedded=3025, repeats=3)


def bench_ncuts(sizes: CutSizes, device: torch.device) -> Report:
    """Report of the benchmark: ours beside the peers that are installed."""
    peers, origin = Peers(), provenance()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a peer has to say of its own input
        rows = [
            *_dense_rows(sizes, device),
            *_large_rows(sizes, device),
            *_embedding_rows(sizes, device, peers),
            *_ill_conditioned_rows(device),
        ]
    notes = (
        "A target is judged at the size that it speaks of: 2,025 pixels against the dense forms, "
        "10,000 for embeddings. Ratios grow with the size.",
        "ncut_pytorch and scikit-image solve problems of their own (an RBF affinity by Nyström, "
        "a graph of superpixels): their sin θ says how far apart the answers are.",
        *peers.notes(),
    )
    return Report("ncuts", tuple(rows), _targets(rows), notes, origin)


def image_features(m: int, d: int) -> Tensor:
    """Features (m, d) float32, nonnegative: segments of unequal size in noise."""
    generator = torch.Generator().manual_seed(0)
    labels = segments(m)
    centres = torch.rand(SEGMENTS, d, generator=generator)
    return (centres[labels] + 0.3 * torch.rand(m, d, generator=generator)).relu()


def segments(m: int) -> Tensor:
    """Labels 0 … SEGMENTS − 1 of m pixels, in runs along the pixels."""
    return (torch.arange(m) / m).sqrt().mul(SEGMENTS).long()


def _dense_rows(sizes: CutSizes, device: torch.device) -> Iterator[Row]:
    m = sizes.dense
    x, labels = image_features(m, 20).double().to(device), segments(m).to(device)
    e = one_hot(labels).double()
    for name in OBJECTIVES:
        tasks: Tasks = {
            OURS: _gradient(x, _factored(name, labels)),
            DENSE: _gradient(x, partial(_dense_objective, name, e)),
        }
        yield from _rows(f"{name} value + gradient, {m}×20, float64", tasks, sizes.repeats, device)


def _factored(name: str, labels: Tensor) -> Objective:
    objective = OBJECTIVES[name]
    return lambda x: objective(Affinity(x), labels).value


def _dense_objective(name: str, e: Tensor, x: Tensor) -> Tensor:
    """Objective by equations (18), (20), unchanged: W, its projector and the target's are m×m."""
    w = x @ x.T
    if name == "J1":
        root = w.sum(1).sqrt()
        w, e = w / root / root[:, None], root[:, None] * e
    projector = w @ torch.linalg.pinv(w, rtol=1e-12, hermitian=True)
    distance: Tensor = (projector - e @ torch.linalg.pinv(e)).square().sum() / 2
    return distance


def _large_rows(sizes: CutSizes, device: torch.device) -> Iterator[Row]:
    for m, d in sizes.large:
        x, labels = image_features(m, d).to(device), segments(m).to(device)
        wide = torch.randn(m, d, dtype=torch.float64, device=device)
        thin = torch.randn(d, min(SEGMENTS, d), dtype=torch.float64, device=device)
        flops = 2 * m * d * d + 4 * m * thin.numel()
        for name in OBJECTIVES:
            tasks: Tasks = {
                OURS: _gradient(x, _factored(name, labels)),
                GEMM: partial(_gemm, wide, thin),
                COPY: x.clone,
            }
            passes = PASSES[name]
            floor = f"{passes} passes, {passes * x.nbytes / 2**20:.0f} MiB; {flops / 1e9:.2g} GFLOP"
            case = f"{name} value + gradient, {m}×{d}, float32"
            yield from _rows(case, tasks, sizes.repeats, device, floor)


def _gemm(wide: Tensor, thin: Tensor) -> None:
    """Plain products with as many flops: 2md² (Gram matrix) and 4mdk (adjoint, k segments)."""
    torch.mm(wide.T, wide)
    torch.mm(torch.mm(wide, thin), thin.T)


def _embedding_rows(sizes: CutSizes, device: torch.device, peers: Peers) -> Iterator[Row]:
    m = sizes.embedded
    x = image_features(m, 20).to(device)
    tasks = embeddings(x, SEGMENTS, peers)
    found = {name: task() for name, task in tasks.items()}
    reference = found[EIGSH]
    case = f"embedding, {SEGMENTS} vectors, {m}×20"
    floor = f"{x.nbytes / 2**20:.2g} MiB, {2 * m * 20**2 / 1e9:.2g} GFLOP"
    for row in _rows(case, tasks, sizes.repeats, device, floor):
        vectors = found[row.method]
        if vectors is not None and reference is not None:
            row = replace(row, error=sine(vectors, reference))
        yield row


def sine(one: Tensor, other: Tensor) -> float:
    """Sine of the largest angle between the spans of two sets of columns."""
    a, b = (torch.linalg.qr(u.double().cpu())[0] for u in (one, other))
    return float(torch.linalg.matrix_norm(a - b @ (b.T @ a), 2))


def _ill_conditioned_rows(device: torch.device) -> Iterator[Row]:
    """Rows of float32 features with κ = 1e5 against a QR factorisation in float64."""
    x = image_features(2000, 8)
    x[:, 0] = x[:, 1] + 1e-4 * x[:, 0]
    kappa = float(torch.linalg.cond(x.double()))
    labels = segments(2000)
    e = one_hot(labels).double()
    for name in OBJECTIVES:
        leaf = x.double().requires_grad_()
        delta = leaf @ leaf.sum(0) if name == "J1" else torch.ones(2000, dtype=torch.float64)
        q, _ = torch.linalg.qr(leaf / delta.sqrt()[:, None])
        target = delta.sqrt()[:, None] * e
        target = target / target.norm(dim=0)
        (expected,) = torch.autograd.grad(-(q.T @ target).square().sum(), leaf)
        ours = _gradient(x.to(device), _factored(name, labels.to(device)))()
        case = f"{name} gradient of float32 X, κ = {kappa:.0e}"
        yield Row(case, OURS, error=relative_error(ours, expected))


def _gradient(x: Tensor, function: Objective) -> Callable[[], Tensor]:
    def task() -> Tensor:
        leaf = x.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(function(leaf), leaf)
        return gradient

    return task


def _rows(
    case: str,
    tasks: Tasks,
    repeats: int,
    device: torch.device,
    floor: str = "",
) -> list[Row]:
    seconds = medians(tasks, repeats)
    return [
        Row(
            case,
            name,
            seconds[name],
            seconds[name] / seconds[OURS],
            peak_bytes(task, device) if seconds[name] < 5 else None,
            None,
            floor if name == OURS else "",
        )
        for name, task in tasks.items()
    ]


def _targets(rows: list[Row]) -> tuple[Target, ...]:
    targets = []
    for case in dict.fromkeys(row.case for row in rows):
        name, size = case.split()[0], case.split(", ")[1]
        ratios = {row.method: row.ratio for row in rows if row.case == case}
        ours = find(rows, case, OURS)
        error = ours.error if ours else None
        if DENSE in ratios:
            found = at_least(f"3. {name} 2,000× the dense form", ratios[DENSE], 2000.0, "{}×")
            targets.append(_judged(found, size, "2025×20"))
        if GEMM in ratios:
            promise = f"3. {name}, {size}: 3 passes over X"
            targets.append(at_most(promise, float(PASSES[name]), 3.0, "{} passes"))
            share = f"{ratios[GEMM]:.0%} of its speed"
            targets.append(Target(f"3. {name}, {size}: beside a GEMM of its flops", share, None))
        if EIGSH in ratios:
            size = case.split(", ")[2]
            for rival, bound in ((EIGSH, 500.0), (SKLEARN, 4000.0)):
                found = at_least(f"4. {bound:,.0f}× {rival}", ratios.get(rival), bound, "{}×")
                targets.append(_judged(found, size, "10000×20"))
            targets.append(at_most("4. sin θ to eigsh at most 1e-12", error, 1e-12, "{}"))
        if "κ" in case:
            promise = f"5. {name} gradient, error at most 1e-6"
            targets.append(at_most(promise, error, 1e-6, f"{{}} at {size}"))
    return tuple(targets)


def _judged(target: Target, size: str, promised: str) -> Target:
    """Target with its size; neither met nor missed at another size than the promised one."""
    found = f"{target.found} at {size}"
    return replace(target, found=found, met=target.met if size == promised else None)
