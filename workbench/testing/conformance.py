"""Cases in, a test for pytest out."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch

from workbench.errors import WorkbenchError
from workbench.testing import checks, stateful
from workbench.testing.case import Case

Check = Callable[[Case], None]

CHECKS: dict[str, tuple[Check, Callable[[Case], bool]]] = {
    "first derivative": (checks.first_derivative, lambda case: True),
    "second derivative": (checks.second_derivative, lambda case: case.second_order),
    "oracle": (checks.oracle, lambda case: case.oracle is not None),
    "batch": (checks.batch_is_a_loop, lambda case: case.batched),
    "layout": (checks.layout_in_memory, lambda case: True),
    "edges": (
        checks.empty_and_one_by_one,
        lambda case: case.batched or case.sizes != case.proper_sizes,
    ),
    "degenerate": (checks.degenerate_spectra, lambda case: bool(case.spectra)),
    "float32": (checks.float32, lambda case: case.single),
    "nan": (checks.nan_and_inf, lambda case: case.refuses is not None),
    "symmetry": (checks.symmetry, lambda case: bool(case.symmetries)),
    "vmap": (checks.vmap, lambda case: case.batched and case.vmap),
    "forward mode": (checks.forward_mode, lambda case: case.forward),
    "batched gradients": (checks.batched_gradients, lambda case: case.batched_gradients),
    "compile": (checks.compiled, lambda case: case.compile),
    "cuda": (checks.cuda, lambda case: True),
    "evaluation": (stateful.evaluation_is_fixed, lambda case: case.state is not None),
    "alone": (stateful.evaluation_ignores_the_batch, lambda case: case.state is not None),
    "fit": (
        stateful.fitting_reaches_the_buffers,
        lambda case: case.state is not None and case.state.fit is not None,
    ),
    "saved": (stateful.state_round_trip, lambda case: case.state is not None),
    "buffers": (stateful.no_gradient_in_buffers, lambda case: case.state is not None),
    "training": (
        stateful.training_derivative,
        lambda case: case.state is not None and not case.state.random,
    ),
}
"""Each property by name: its check, and the cases that it is for."""


def checks_of(case: Case) -> dict[str, Check]:
    """The checks that a case declares itself fit for, by name."""
    return {name: check for name, (check, fits) in CHECKS.items() if fits(case)}


def conformance(
    cases: Iterable[Case], *, without: Sequence[str] = (), cuda_marks: Sequence[Any] = ()
) -> Callable[[Case, Check], None]:
    """A parametrised test of every case and property; assign it to a name that starts with `test`.

    Args:
        cases: with names of their own.
        without: names of `CHECKS` that are left out.
        cuda_marks: of pytest, for the tests on a CUDA device, which are skipped without one.

    Raises:
        WorkbenchError: pytest is missing, two cases have one name, or a check does not exist.
    """
    try:
        import pytest
    except ImportError as error:
        raise WorkbenchError("the package pytest", "none", "pip install pytest") from error
    cases = list(cases)
    names = [case.name for case in cases]
    if len(set(names)) < len(names):
        raise WorkbenchError("a name for each case", f"{sorted(names)}", "rename one of the same")
    if unknown := set(without) - set(CHECKS):
        raise WorkbenchError(f"checks of {list(CHECKS)}", f"{sorted(unknown)}", "choose from them")
    absent = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
    parameters = [
        pytest.param(
            case,
            check,
            id=f"{case.name}-{name}",
            marks=[absent, *cuda_marks] if name == "cuda" else [],
        )
        for case in cases
        for name, check in checks_of(case).items()
        if name not in without
    ]

    @pytest.mark.parametrize(("case", "check"), parameters)
    def test_conformance(case: Case, check: Check) -> None:
        check(case)

    return test_conformance
