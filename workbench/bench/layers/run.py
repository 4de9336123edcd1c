"""`workbench bench layers`: log and sqrt layers in time, memory and gradient error."""

import warnings
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.bench.layers.curves import (
    SMALLEST,
    curves_of,
    down_to,
    error_of,
    gradient_task,
    with_gap,
)
from workbench.bench.layers.exact import (
    gram_gradient,
    log_slopes,
    sqrt_slopes,
)
from workbench.bench.layers.logarithms import OURS, Method, logarithms, newton_schulz, sqrt_by_eigh
from workbench.bench.measure import medians, peak_bytes
from workbench.bench.peers import Peers
from workbench.bench.records import Row, Target
from workbench.bench.report import Report, at_least, at_most, find
from workbench.linalg import sqrt
from workbench.linalg.gram_log import gram_log, gram_power
from workbench.runs.provenance import provenance

EPSILON = 1e-3
"""ε of the paper's log layer, log(XᵀX + εI)."""


@dataclass(frozen=True)
class LayerSizes:
    """Sizes and repeats of the benchmark.

    Attributes:
        batch: number of matrices in a batch.
        rows: number of rows of X, cells of a region.
        features: number of columns of X, and side of the matrices.
        repeats: number of rounds of each comparison.
        gaps: relative gaps on the axis of the curves; 0 is a tie.
    """

    batch: int = 16
    rows: int = 169
    features: int = 256
    repeats: int = 9
    gaps: tuple[float, ...] = (1e-1, 1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12, 1e-14, 0.0)


QUICK = LayerSizes(repeats=3, gaps=(1e-1, 1e-6, 1e-10, 1e-14, 0.0))
NEWTON_SCHULZ = "Newton–Schulz, 5 steps"


def bench_layers(sizes: LayerSizes, device: torch.device) -> Report:
    """Report of the benchmark: our layers beside the peers that are installed."""
    peers, origin = Peers(), provenance()
    methods = logarithms(peers)
    generator = torch.Generator().manual_seed(0)
    rows: list[Row] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a peer has to say of its own input
        for dtype in (torch.float32, torch.float64):
            x = deep_features(sizes, generator).to(device, dtype)
            rows += _log_rows(x, methods, sizes.repeats)
        rows += _root_rows(deep_features(sizes, generator).to(device), sizes.repeats)
        rows += _sqrt_rows(sizes, device, generator)
        singles, doubles = torch.float32, torch.float64
        curves = (
            curves_of(doubles, methods, "relative gap", sizes.gaps, with_gap, device),
            curves_of(singles, methods, "relative gap", sizes.gaps, with_gap, device),
            curves_of(singles, methods, "smallest eigenvalue", SMALLEST, down_to, device),
        )
    return Report("layers", tuple(rows), _targets(rows), tuple(peers.notes()), origin, curves)


def deep_features(sizes: LayerSizes, generator: torch.Generator) -> Tensor:
    """Features like those of a ReLU: correlated, of very different scales, 1/6 dead."""
    mixing = torch.randn(sizes.features, sizes.features, generator=generator).double()
    scales = torch.logspace(0, -2, sizes.features).double()
    x = torch.randn(sizes.batch, sizes.rows, sizes.features, generator=generator).double()
    x = (x @ (mixing * scales[:, None] / sizes.features**0.5)).relu()
    x[..., : sizes.features // 6] = 0
    features: Tensor = x
    return features


def _log_rows(x: Tensor, methods: dict[str, Method], repeats: int) -> list[Row]:
    batch, m, d = x.shape
    bits = torch.finfo(x.dtype).bits
    case = f"log(XᵀX + εI), float{bits}, {batch}×{m}×{d}"
    generator = torch.Generator().manual_seed(1)
    upstream = torch.randn(batch, d, d, generator=generator).to(x)
    identity = EPSILON * torch.eye(d).to(x)

    def of_x(method: Method) -> Method:
        return lambda x: method(x.mT @ x + identity)

    functions: dict[str, Method] = {OURS: lambda x: gram_log(x, EPSILON).value}
    functions |= {name: of_x(method) for name, method in methods.items() if name != OURS}
    functions["workbench log, of XᵀX + εI"] = of_x(methods[OURS])
    expected = gram_gradient(x.cpu(), upstream.double().cpu(), EPSILON, log_slopes)
    return _rows(case, functions, x, upstream, expected, _floor(x, upstream), repeats)


def _root_rows(x: Tensor, repeats: int) -> list[Row]:
    """Rows of the square root of second-order pooling, from X: see `linalg.gram_log.gram_power`."""
    batch, m, d = x.shape
    generator = torch.Generator().manual_seed(2)
    upstream = torch.randn(batch, d, d, generator=generator).to(x)
    identity = EPSILON * torch.eye(d).to(x)
    functions: dict[str, Method] = {
        OURS: lambda x: gram_power(x, 0.5, EPSILON).value,
        NEWTON_SCHULZ: lambda x: newton_schulz(x.mT @ x + identity),
        "torch eigh + autograd": lambda x: sqrt_by_eigh(x.mT @ x + identity),
    }
    expected = gram_gradient(x.cpu(), upstream.cpu(), EPSILON, sqrt_slopes)
    return _rows(
        f"(XᵀX + εI)^½, float64, {batch}×{m}×{d}", functions, x, upstream, expected,
        _floor(x, upstream), repeats,
    )  # fmt: skip


def _floor(x: Tensor, upstream: Tensor) -> str:
    """Least bytes (X, the value, their gradients) and flops of a case, as text.

    Flops are those of the Gram matrix, the eigenproblem (9n³) and four products.
    """
    batch, m, d = x.shape
    least = min(m, d)
    flops = batch * (2 * least * m * d + 9 * least**3 + 6 * least * d * d)
    return f"{_bytes(2 * x.nbytes + 2 * upstream.nbytes)}, {flops / 1e9:.2g} GFLOP"


def _sqrt_rows(sizes: LayerSizes, device: torch.device, generator: torch.Generator) -> list[Row]:
    d, batch = sizes.features, max(sizes.batch // 4, 1)
    case = f"A^½, float64, {batch}×{d}×{d}"
    x = torch.randn(batch, 2 * d, d, generator=generator).double()
    a = (x.mT @ x / (2 * d)).to(device)
    upstream = torch.randn(batch, d, d, generator=generator).to(a)
    values, vectors = torch.linalg.eigh(a)
    root = values.sqrt()
    inner = vectors.mT @ ((upstream + upstream.mT) / 2) @ vectors
    expected = vectors @ (inner / (root[..., :, None] + root[..., None, :])) @ vectors.mT

    def symmetrised(method: Method) -> Method:
        return lambda a: method((a + a.mT) / 2)

    functions: dict[str, Method] = {
        OURS: lambda a: sqrt(a).value,
        NEWTON_SCHULZ: symmetrised(newton_schulz),
        "torch eigh + autograd": symmetrised(sqrt_by_eigh),
    }
    flops = batch * (9 + 8) * d**3
    floor = f"{_bytes(4 * a.nbytes)}, {flops / 1e9:.2g} GFLOP"
    return _rows(case, functions, a, upstream, expected, floor, sizes.repeats)


def _rows(
    case: str,
    functions: dict[str, Method],
    x: Tensor,
    upstream: Tensor,
    expected: Tensor,
    floor: str,
    repeats: int,
) -> list[Row]:
    """Rows of value and gradient of each function, ours first: time, memory, error."""
    tasks = {name: gradient_task(function, x, upstream) for name, function in functions.items()}
    errors = {name: error_of(task, expected) for name, task in tasks.items()}
    able = {name: task for name, task in tasks.items() if errors[name] is not None}
    seconds = medians(able, repeats)
    return [
        Row(
            case,
            name,
            seconds.get(name),
            seconds[name] / seconds[OURS] if name in seconds else None,
            peak_bytes(task, x.device) if name in seconds else None,
            float("nan") if errors[name] is None else errors[name],
            floor if name == OURS else "",
        )
        for name, task in tasks.items()
    ]


def _targets(rows: list[Row]) -> tuple[Target, ...]:
    single, double, pooled, root = list(dict.fromkeys(row.case for row in rows))
    ours, peer = find(rows, single, OURS), find(rows, single, "torchspd")
    targets = []
    for name in ("torchspd", "spd_learn"):
        rival = find(rows, single, name)
        lead = rival.error / ours.error if rival and ours and rival.error and ours.error else None
        targets.append(
            at_least(f"1. gradient error 10⁴ below {name}'s, float32", lead, 1e4, "{} times")
        )
    targets.append(
        Target("1. no NaN", f"{ours.error:.1e}", ours.error == ours.error)
        if ours and ours.error is not None
        else Target("1. no NaN", "–", None)
    )
    relative = 1 / peer.ratio if peer and peer.ratio else None
    targets.append(at_most("1. at most torchspd's time, float32", relative, 1.0, "{} of it"))
    peer = find(rows, double, "torchspd")
    lead = peer.ratio if peer else None
    targets.append(at_least("1. float64: 2× faster than torchspd", lead, 2.0, "{}×"))
    for case, what in ((root, "of A"), (pooled, "straight from X")):
        ours, peer = find(rows, case, OURS), find(rows, case, NEWTON_SCHULZ)
        lead = peer.ratio if peer else None
        targets.append(at_least(f"2. sqrt {what}: 5× Newton–Schulz's speed", lead, 5.0, "{}×"))
        error = ours.error if ours else None
        targets.append(at_most(f"2. sqrt {what} is exact", error, 1e-11, "error {}"))
    return tuple(targets)


def _bytes(count: int) -> str:
    return f"{count / 2**20:.3g} MiB"
