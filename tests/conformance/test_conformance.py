"""Every layer, the same questions. The layers are in `cases_*.py`: a new one joins with a file."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance.registry import all_cases
from workbench.testing import conformance

ROOT = Path(__file__).parents[2]

# torch's tracer cannot read the run-time checks of shapes that the tests install: a process apart.
test_layers = conformance(all_cases(), without=["compile"], cuda_marks=[pytest.mark.cuda])


def test_compile() -> None:
    command = [sys.executable, "-m", "tests.conformance.compiled"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
