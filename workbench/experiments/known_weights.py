"""Where pretrained weights are: in the folder that WORKBENCH_DATA names."""

import os
from pathlib import Path

from workbench.errors import WorkbenchError


def known_weights(backbone: str) -> Path:
    """The backbone's file in $WORKBENCH_DATA/weights.

    Raises:
        WorkbenchError: the variable is not set, or there is no such file.
    """
    root = os.environ.get("WORKBENCH_DATA")
    if root:
        found = sorted((Path(root) / "weights").glob(f"{backbone}*"))
        if found:
            return found[0]
    raise WorkbenchError(
        f"pretrained weights of {backbone}",
        f"no {backbone}* in {root}/weights" if root else "no folder in WORKBENCH_DATA",
        "let WORKBENCH_DATA name a folder with weights/ (python -m pipelines download weights)",
    )
