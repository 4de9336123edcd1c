"""Plots in notebooks without a network: their style sheets are inlined.

`hv.extension("bokeh", inline=True)` brings the scripts. Panel's layouts, however, name style
sheets of a content delivery network even with `PANEL_INLINE`: it inlines those of its own objects
only, not those of objects that HoloViews passes to it. Browsers would request them at every plot,
and report errors without a network.
"""

import os
from typing import Any

from bokeh.model import Model
from bokeh.models.ui import UIElement
from panel.io.notebook import patch_inline_stylesheets
from panel.viewable import Viewable


def inline_style_sheets() -> None:
    """Make every plot from now on carry its style sheets."""
    os.environ.setdefault("PANEL_INLINE", "true")
    hooks: list[Any] = Viewable._preprocessing_hooks  # its own annotation is too narrow
    if _inline not in hooks:
        hooks.append(_inline)


def _inline(viewable: Viewable, root: Any, changed: Viewable, before: Any) -> None:
    carry_style_sheets(root)


def carry_style_sheets(root: Model) -> None:
    """Put the content of all style sheets of a layout into its models, in place of addresses."""
    for model in root.select({"type": UIElement}):
        patch_inline_stylesheets(model)
