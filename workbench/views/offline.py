"""Plots in notebooks without a network, down to their style sheets.

`hv.extension("bokeh", inline=True)` brings the scripts. But what Panel lays plots out with names
style sheets of a content delivery network, also where Panel is told to be inline: it sees to those
of its own objects only, and not of what HoloViews hands to it. Browsers then ask for them at every
plot, and without a network say so in their console.
"""

import os
from typing import Any

from bokeh.models.ui import UIElement
from panel.io.notebook import patch_inline_stylesheets
from panel.viewable import Viewable


def inline_style_sheets() -> None:
    """From now on, have every plot bring its style sheets along."""
    os.environ.setdefault("PANEL_INLINE", "true")
    hooks: list[Any] = Viewable._preprocessing_hooks  # annotated as less than they may take
    if _inline not in hooks:
        hooks.append(_inline)


def _inline(viewable: Viewable, root: Any, changed: Viewable, before: Any) -> None:
    for model in root.select({"type": UIElement}):
        patch_inline_stylesheets(model)
