"""`python -m tests.conformance.compiled`: every case under `torch.compile`.

In a process of its own, because torch's tracer cannot read the run-time checks of shapes that the
tests install. Prints the name and the trouble of each case that fails.
"""

import sys
import traceback

import torch

from tests.conformance.case import Case, Draw, derivatives
from tests.conformance.registry import all_cases


def compare(case: Case) -> None:
    """The compiled function gives the values and gradients of the plain one."""
    torch.compiler.reset()
    inputs = case.inputs(Draw(sizes=case.proper_sizes[0]))
    compiled = torch.compile(case.function, backend="aot_eager", fullgraph=case.one_graph)
    for one, other in zip(
        sum(derivatives(compiled, inputs), ()),
        sum(derivatives(case.function, inputs), ()),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-13)


def main() -> int:
    """How many cases failed."""
    torch.set_num_threads(1)
    failed = 0
    for case in all_cases():
        if case.compile:
            try:
                compare(case)
            except Exception:  # noqa: BLE001 - the report of all cases is what is wanted
                failed += 1
                print(f"--- {case.name}\n{traceback.format_exc(limit=-3)}")  # noqa: T201
    return failed


if __name__ == "__main__":
    sys.exit(main())
