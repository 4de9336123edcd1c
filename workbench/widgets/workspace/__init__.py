"""Workspace: one state that a large picture, spectrum, figures, timeline and table of runs share.

    workbench lab --app runs/            # the page
    workbench.explore("runs/first")      # the same in a cell of JupyterLab

Every panel reads `State` and writes to it; nothing else is shared. What is computed of an image at a
step is in `View`.
"""

from workbench.widgets.workspace.state import State
from workbench.widgets.workspace.workspace import Workspace

__all__ = ["State", "Workspace"]
