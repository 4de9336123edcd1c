"""App without JupyterLab: runs and stores below folders, each with tabs of explorers."""

from workbench.widgets.page.application import Page, serve
from workbench.widgets.page.library import Library

__all__ = ["Library", "Page", "serve"]
