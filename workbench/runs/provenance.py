"""Provenance of a run: the command, code, libraries and machine needed to repeat it."""

import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from workbench.version import __version__

_LIBRARIES = (
    "torch", "lightning-fabric", "numpy", "scipy", "pandas", "scikit-image", "xarray", "zarr",
    "dask", "safetensors",
)  # fmt: skip


def provenance() -> dict[str, Any]:
    """Provenance of a run that this process starts now; plain values, for JSON.

    Keys: started (ISO 8601, UTC), command, workbench (version), commit and dirty (None where the
    code is not a git checkout), python, libraries (versions by name), machine.
    """
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(sys.argv),
        "workbench": __version__,
        **_code(),
        "python": platform.python_version(),
        "libraries": _versions(),
        "machine": _machine(),
    }


def commit_in_words(found: Mapping[str, Any]) -> str:
    """The code of a `provenance`: the beginning of its commit, and whether it was changed."""
    changed = " with changes" if found["dirty"] else ""
    return f"{(found['commit'] or 'unknown')[:10]}{changed}"


def machine_in_words(machine: Mapping[str, Any], threads: bool = False) -> str:
    """The machine of a `provenance`: its GPU, or its processor and cores.

    Args:
        machine: the value of that name.
        threads: say how many of the cores were used.
    """
    if machine["device"]:
        return str(machine["device"])
    used = f"{machine['threads']} of " if threads else ""
    return f"{machine['cpu']}, {used}{machine['cores']} cores"


def _code() -> dict[str, Any]:
    # An installed copy may lie inside an unrelated checkout, whose commit does not describe it.
    if _git("ls-files", "--error-unmatch", Path(__file__).name) is None:
        return {"commit": None, "dirty": None}
    return {"commit": _git("rev-parse", "HEAD"), "dirty": bool(_git("status", "--porcelain"))}


def _git(*arguments: str) -> str | None:
    """Output of git in the code's checkout; None without git or checkout."""
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _versions() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue  # an installation that only reads runs need not have all libraries
    return found


def _machine() -> dict[str, Any]:
    available = torch.cuda.is_available()
    return {
        "host": platform.node(),
        "system": platform.platform(),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if available else None,
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
