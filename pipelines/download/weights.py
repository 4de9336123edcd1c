"""Conversion of torchvision's .pth files, by a package that imports torch.

This package does not import torch. A package that does offers a function under the entry point
group `pipelines.weights`, as `workbench` does with `workbench.models.convert:write_features`:

    convert(source: Path, target: Path, backbone: str) -> None
"""

from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

from pipelines.errors import PipelineError

GROUP = "pipelines.weights"

Convert = Callable[[Path, Path, str], None]


def converter() -> Convert:
    """The converter that is installed.

    Raises:
        PipelineError: there is none.
    """
    for found in entry_points(group=GROUP):
        convert: Convert = found.load()
        return convert
    raise PipelineError(
        f"a package that reads .pth files (entry point {GROUP})",
        "none installed",
        "pip install -e . in this project's folder",
    )
