"""`python -m tests.linalg.compiled`: `torch.compile` against plain calls, in one process.

The backend "aot_eager" checks graphs and fake kernels; the default backend, inductor, checks the
strides announced as well, on one function that has every operator in it. What compiles with graph
breaks is compared in `tests.conformance.compiled`. Prints the trouble of each case that fails.
"""

import sys
import traceback
from collections.abc import Callable

import torch
from torch import Tensor

from workbench import linalg
from workbench.layers import MatrixConvolution, NormalizedCuts, SecondOrderPooling
from workbench.objectives import j2

torch.manual_seed(0)
torch.set_num_threads(1)
SQUARE = torch.randn(2, 4, 4, dtype=torch.float64)
POSITIVE = SQUARE @ SQUARE.mT + torch.eye(4)
TALL = torch.randn(2, 6, 4, dtype=torch.float64)
MAPS = torch.rand(2, 3, 4, 5, dtype=torch.float64)
LABELS = torch.arange(20) % 3
CUTS = NormalizedCuts(3, learn_coupling=True)
CONVOLUTION = MatrixConvolution(3, 2, (3, 3), padding=(1, 1)).double()

Function = Callable[[Tensor], Tensor]


ONE_GRAPH: dict[str, tuple[Function, Tensor]] = {
    "gram_power, wide": (lambda x: linalg.gram_power(x).value, TALL.mT),
    "pooling": (SecondOrderPooling(centre=True, vectorised=True), MAPS),
    "cuts": (lambda maps: CUTS(maps).degrees, MAPS[0]),
}
SEVERAL_GRAPHS: dict[str, tuple[Function, Tensor]] = {
    "projector": (lambda x: linalg.projector(x).value, TALL),
    "spectrum": (lambda x: linalg.Affinity(x).spectrum(2).vectors, MAPS[0, 0]),
    "j2": (lambda maps: j2(CUTS(maps), LABELS).value, MAPS[0]),
}


def every_operator(maps: Tensor) -> Tensor:
    """eigh, svd, gram_eigh, smallest_allowed, finite and watch_gauge, of a batch."""
    pooled = SecondOrderPooling("power", epsilon=0.1)(CONVOLUTION(maps))
    root = linalg.log(pooled).value
    vectors = linalg.eig(root).vectors
    u, _, v, *_ = linalg.svd(maps[..., 0])
    turned = linalg.inverse_sqrt(pooled).value @ (vectors * vectors[..., :1, :])
    return turned.flatten(1).sum(1) + (u @ v.mT).flatten(1).sum(1)


def derived(function: Function, x: Tensor) -> tuple[Tensor, Tensor]:
    """Value, and a gradient with an upstream that is the same each time."""
    leaf = x.detach().clone().requires_grad_()
    value = function(leaf)
    upstream = torch.linspace(-1, 1, value.numel()).to(value).reshape(value.shape).cos()
    (gradient,) = torch.autograd.grad(value, leaf, upstream)
    return value.detach(), gradient


def compare(function: Function, x: Tensor, backend: str) -> None:
    """A single graph has value and gradient of the plain call, which works afterwards too."""
    torch.compiler.reset()
    compiled = torch.compile(function, backend=backend, fullgraph=True)
    found = derived(compiled, x)
    for one, other in zip(found, derived(function, x), strict=True):
        assert one.dtype == other.dtype
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-9)


def refuses_one_graph(function: Function, x: Tensor) -> None:
    """What docs/layers.md declares not to be one graph is not."""
    torch.compiler.reset()
    try:
        torch.compile(function, backend="aot_eager", fullgraph=True)(x)
    except (torch._dynamo.exc.TorchDynamoException, RuntimeError):
        return
    raise AssertionError("is one graph by now: say so in docs/layers.md")


def main() -> int:
    """How many cases failed."""
    trials = [
        (name, lambda f=f, x=x: compare(f, x, "aot_eager")) for name, (f, x) in ONE_GRAPH.items()
    ]
    for name, (f, x) in SEVERAL_GRAPHS.items():
        trials.append((name, lambda f=f, x=x: refuses_one_graph(f, x)))
    maps = torch.rand(2, 3, 4, 3, dtype=torch.float64)
    trials.append(("inductor", lambda: compare(every_operator, maps, "inductor")))
    failed = 0
    for name, trial in trials:
        try:
            trial()
        except Exception:  # noqa: BLE001 - the report of all cases is what is wanted
            failed += 1
            print(f"--- {name}\n{traceback.format_exc(limit=-3)}")  # noqa: T201
    return failed


if __name__ == "__main__":
    sys.exit(main())
