"""Explorer with its two shells: a cell of JupyterLab and a Panel layout."""

import ipywidgets
import panel as pn

from workbench.widgets.shells.base import ExplorerBase
from workbench.widgets.shells.jupyter_shell import as_widget, show
from workbench.widgets.shells.panel_shell import as_panel


class Explorer(ExplorerBase):
    """Base class of explorers that display themselves in a notebook and in an app."""

    def panel(self) -> pn.Column:
        """Layout of the explorer for a Panel app."""
        return as_panel(self)

    def widget(self) -> ipywidgets.Widget:
        """Widget of the explorer for a cell of JupyterLab."""
        return as_widget(self)

    def _ipython_display_(self) -> None:
        show(self)
