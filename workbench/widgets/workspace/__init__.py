"""Workspace: one state that a large picture, spectrum, figures, timeline and table of runs share.

    workbench lab --app runs/            # the page
    workbench.explore("runs/first")      # the same in a cell of JupyterLab

Panels read `State` and write to it; nothing else is shared. `View` computes what is shown of an
image at a step.
"""

from workbench.widgets.workspace.compare import Compare
from workbench.widgets.workspace.geometry import GeometryPage
from workbench.widgets.workspace.state import State
from workbench.widgets.workspace.workspace import Workspace

__all__ = ["Compare", "GeometryPage", "State", "Workspace"]
