"""`python -m tests.conformance.compiled`: every case under `torch.compile`.

In a process of its own, because torch's tracer cannot read the run-time checks of shapes that the
tests install. Prints the name and the trouble of each case that fails.
"""

import sys
import traceback

import torch

from tests.conformance.registry import all_cases
from workbench.testing import checks_of


def main() -> int:
    """How many cases failed."""
    torch.set_num_threads(1)
    failed = 0
    for case in all_cases():
        if check := checks_of(case).get("compile"):
            try:
                check(case)
            except Exception:  # noqa: BLE001 - the report of all cases is what is wanted
                failed += 1
                print(f"--- {case.name}\n{traceback.format_exc(limit=-3)}")  # noqa: T201
    return failed


if __name__ == "__main__":
    sys.exit(main())
