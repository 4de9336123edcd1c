"""Every operator against its fake kernel; compiled functions against plain ones, in a process."""

import importlib
from pathlib import Path

import pytest
import torch
from torch import Tensor

import workbench
from tests.processes import run_python

SHAPES = ((2, 3, 3), (3, 3), (0, 3, 3), (1, 1), (0, 0))
TALL = (*SHAPES, (5, 3), (3, 5), (2, 3, 5), (1, 4), (0, 3), (2, 3, 0))


def copies(shape: tuple[int, ...]) -> list[Tensor]:
    """A matrix, the same column by column, and in float32."""
    x = torch.randn(shape, dtype=torch.float64)
    x = x @ x.mT if shape[-2] == shape[-1] else x
    return [x, x.mT.contiguous().mT, x.float()]


OPERATORS = {
    "eigh": lambda a: [(x,) for x in copies(a)],
    "svd": lambda a: [(x,) for x in copies(a)],
    "gram_eigh": lambda a: [(copies(a)[0], 0.1), (copies(a)[1], 0.0)],
    "smallest_allowed": lambda a: [(torch.linalg.eigvalsh(copies(a)[0]), False)],
    "watch_gauge": lambda a: [(1e-9 * x, torch.ones_like(x), 1e-4, False) for x in copies(a)],
    "finite": lambda a: [(x, "matrix", "") for x in copies(a)],
}
"""Arguments of each operator for a shape of matrices."""


def registered() -> set[str]:
    """Names of this library's operators, once every module that registers some is imported."""
    root = Path(workbench.__file__).parent
    for path in root.rglob("*.py"):
        if "torch.library" in path.read_text():
            name = ".".join(path.relative_to(root.parent).with_suffix("").parts)
            importlib.import_module(name.removesuffix(".__init__"))
    names = (name.partition("::") for name in torch._C._dispatch_get_all_op_names())
    return {name.partition(".")[0] for library, _, name in names if library == "workbench"}


def test_every_operator_has_a_case() -> None:
    assert registered() == set(OPERATORS)


@pytest.mark.parametrize("name", OPERATORS)
def test_operator(name: str) -> None:
    """`opcheck` compares shapes, dtypes and strides; once also under torch's tracer."""
    operator = getattr(torch.ops.workbench, name).default
    for shape in TALL if name == "svd" else SHAPES:
        quick = ("test_schema", "test_faketensor")
        for arguments in OPERATORS[name](shape):
            torch.library.opcheck(operator, arguments, test_utils=quick)
    torch.library.opcheck(operator, OPERATORS[name](SHAPES[0])[0])


def test_compiled_equals_plain() -> None:
    done = run_python("-m", "tests.linalg.compiled")
    assert done.returncode == 0, done.stdout + done.stderr
