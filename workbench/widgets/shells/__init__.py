"""Base class of explorers, with their controls and their layout in JupyterLab and in Panel."""

from workbench.widgets.shells.explorer import Explorer

__all__ = ["Explorer"]
