"""All cases, from every `cases_*.py` in this folder."""

import importlib
from collections.abc import Iterator
from pathlib import Path

from workbench.testing import Case


def all_cases() -> Iterator[Case]:
    """File by file, in alphabetical order."""
    for path in sorted(Path(__file__).parent.glob("cases_*.py")):
        yield from importlib.import_module(f"tests.conformance.{path.stem}").CASES
