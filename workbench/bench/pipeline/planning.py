"""Cost of planning full COCO and shares of it, each in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from workbench.bench.pipeline.data import ANNOTATIONS, synthetic_coco
from workbench.bench.pipeline.report import PlanCost

_ONCE = """
import json, sys, msgspec
from pathlib import Path
from time import perf_counter
from pipelines import jobs

def resident(name):  # of this program alone: getrusage also counts the one that started it
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))

before, start = resident("VmRSS:"), perf_counter()
made = jobs.planned("coco", sys.argv[1])
seconds = perf_counter() - start
assert made.plan.items > 0
print(json.dumps({
    "seconds": seconds, "before": before, "peak": resident("VmHWM:"),
    "plan_bytes": len(msgspec.json.encode(made.plan)), "record_bytes": sum(map(len, made.records)),
}))
"""
"""Program that plans the dataset in the folder that it is given."""


def plan_cost(share: float, scratch: Path) -> PlanCost:
    """Plan the regions of a synthetic share of COCO, written below `scratch` and deleted after."""
    with TemporaryDirectory(dir=scratch) as name:
        folder = Path(name)
        images, instances = synthetic_coco(folder, share)
        size = sum(path.stat().st_size for path in (folder / ANNOTATIONS).iterdir())
        done = subprocess.run(
            [sys.executable, "-c", _ONCE, str(folder)],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return PlanCost(share, images, instances, size, **json.loads(done.stdout))
