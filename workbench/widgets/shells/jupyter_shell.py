"""JupyterLab shell of an explorer: ipywidgets for its controls, HoloViews for its pictures.

A control and its trait hold the same value; a change on either side is copied to the other.
"""

from collections.abc import Callable
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

import holoviews as hv
import ipywidgets
import panel as pn
from bokeh.document import Document
from bokeh.document.events import ModelChangedEvent
from bokeh.model import collect_models
from bokeh.models.ui import UIElement
from IPython.display import Javascript, display
from jupyter_bokeh.widgets import BokehModel, serialize_json
from panel.io.notebook import patch_inline_stylesheets
from traitlets import link

from workbench.views.offline import carry_style_sheets
from workbench.widgets.shells.base import ExplorerBase
from workbench.widgets.shells.controls import (
    Action,
    Choice,
    Control,
    Number,
    Options,
    Player,
    Toggle,
)
from workbench.widgets.shells.main_thread import answer_in_main_thread

_NOTHING = ("–", "–")
"""Option of a slider without options: it cannot be empty."""
_STYLE = {"description_width": "initial"}
_ALERT = "background:#fdf0d5;color:#5c3d00;padding:6px 10px;border-left:4px solid #e69f00"


def show(explorer: ExplorerBase) -> None:
    """Display an explorer in the running cell: controls, message, pictures, readout.

    Where there is nothing to see yet, the message says why. A refreshed page gets the pictures as
    they then are.
    """
    answer_in_main_thread()
    load_plots()
    display(as_widget(explorer))


def as_widget(explorer: ExplorerBase) -> ipywidgets.VBox:
    """Widget of an explorer's controls, message, pictures and readout."""
    plots = as_present(explorer.plots())
    readout = _words(explorer, "readout", "white-space:pre-line")
    return ipywidgets.VBox([controls_of(explorer), plots, readout])


def as_present(layout: pn.viewable.Viewable) -> BokehModel:
    """Widget of a Panel layout, which a refreshed page gets as it then is."""
    return _Plots(layout.get_root(Document()), combine_events=True)


class _Plots(BokehModel):  # type: ignore[misc]  # it has no types
    """Pictures as a widget; a refreshed page gets them as they are, not as first drawn.

    What is added later carries its style sheets too: Panel would name those of a network.
    """

    _inlining = False

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:
        """State of the widget, with the present state of the pictures where all is asked for."""
        state: dict[str, Any] = super().get_state(key, drop_defaults)
        if key is None:
            carry_style_sheets(self._model)  # what has changed since names addresses again
            state["render_bundle"] = serialize_json(self._model_to_traits(self._model))
        return state

    def _document_patched(self, event: Any) -> None:
        if self._inlining:  # the style sheets themselves, which go with the models that have them
            return
        if isinstance(event, ModelChangedEvent):
            self._inlining = True
            try:
                if event.attr == "stylesheets" and isinstance(event.model, UIElement):
                    carry_style_sheets(event.model)
                    event.new = event.model.stylesheets
                for each in collect_models(event.new):
                    if isinstance(each, UIElement):
                        patch_inline_stylesheets(each)
            finally:
                self._inlining = False
        super()._document_patched(event)


_LOADED_HERE: list[bool] = []
"""Marker: not empty once an explorer, and not the notebook, has loaded the plotting extension."""


def load_plots() -> None:
    """Load HoloViews' bokeh extension without a network, unless the notebook has loaded it.

    A refreshed page loses what a cell has loaded into it, and the kernel does not know. Where an
    explorer's own cell has loaded the extension, that cell loads it again whenever it runs.
    """
    if _LOADED_HERE or not getattr(hv.extension, "_loaded", False):
        hv.extension("bokeh", inline=True, logo=False)
        _LOADED_HERE.append(True)


def load_tables() -> None:
    """Load the script of tables, which HoloViews' extension does not bring, without a network.

    The cell that shows a table loads it, so that a refreshed page loads it again.
    """
    bundled = files("panel") / "dist" / "bundled" / "datatabulator"
    (script,) = (f for f in Path(str(bundled)).rglob("tabulator.min.js") if f.is_file())
    display(Javascript(f"if (!window.Tabulator) {{\n{script.read_text()}\n}}"))


def controls_of(explorer: ExplorerBase) -> ipywidgets.VBox:
    """Box of all controls, with the message below them."""
    wrapped = ipywidgets.Layout(flex_flow="row wrap")
    made = [_built(explorer, control) for control in explorer.offered_controls()]
    message = _words(explorer, "message", _ALERT)
    return ipywidgets.VBox([ipywidgets.HBox(made, layout=wrapped), message])


def _built(explorer: ExplorerBase, control: Control) -> ipywidgets.Widget:
    """Widget of a control, hidden while the control cannot act."""
    widget = _BUILDERS[type(control)](explorer, control)

    def update(_: object = None) -> None:
        widget.layout.display = None if explorer.can_act(control) else "none"

    update()
    explorer.observe(update, ["options_version", "message"])
    return widget


def _words(explorer: ExplorerBase, trait: str, style: str) -> ipywidgets.HTML:
    shown = ipywidgets.HTML()

    def update(_: object = None) -> None:
        text = getattr(explorer, trait)
        shown.value = f'<div style="{style}">{escape(text)}</div>' if text else ""

    update()
    explorer.observe(update, trait)
    return shown


def _follow(
    explorer: ExplorerBase, control: Control, widget: Any, to_widget: Callable[[Options, Any], None]
) -> None:
    """Tie a widget with options to a trait; the trait's value wins when the options change.

    Args:
        explorer: explorer with the trait.
        control: control of the trait.
        widget: widget whose value follows the trait.
        to_widget: function that sets the widget's options and value.
    """
    busy = False

    def update(_: object = None) -> None:
        nonlocal busy
        busy = True
        try:
            to_widget(explorer.options(control.name), getattr(explorer, control.name))
        finally:
            busy = False

    def to_trait(change: Any) -> None:
        if not busy and change["new"] in explorer.options(control.name).values():
            setattr(explorer, control.name, change["new"])

    update()
    explorer.observe(update, [control.name, "options_version"])
    widget.observe(to_trait, "value")


def _choice(explorer: ExplorerBase, control: Control) -> ipywidgets.Widget:
    widget = ipywidgets.Dropdown(
        description=control.label, style=_STYLE, layout=ipywidgets.Layout(width="auto")
    )

    def to_widget(options: Options, value: Any) -> None:
        if list(widget.options) != list(options.items()):
            widget.options = list(options.items())
        widget.value = value if value in options.values() else None

    _follow(explorer, control, widget, to_widget)
    return widget


def _player(explorer: ExplorerBase, control: Control) -> ipywidgets.Widget:
    options = list(explorer.options(control.name).items()) or [_NOTHING]
    slider = ipywidgets.SelectionSlider(
        options=options, description=control.label, style=_STYLE, continuous_update=True
    )
    play = ipywidgets.Play(interval=500, show_repeat=False)

    def to_widget(options: Options, value: Any) -> None:
        offered = list(options.items()) or [_NOTHING]  # a slider needs at least one option
        if list(slider.options) != offered:
            slider.options = offered
        if value in options.values():
            slider.value = value

    def extend(_: object = None) -> None:
        play.max = max(len(slider.options) - 1, 0)

    _follow(explorer, control, slider, to_widget)
    extend()
    slider.observe(extend, "options")
    play.value = slider.index or 0
    link((play, "value"), (slider, "index"))
    return ipywidgets.HBox([play, slider])


def _number(explorer: ExplorerBase, control: Control) -> ipywidgets.Widget:
    low, high, step = explorer.bounds(control.name)
    kind = ipywidgets.IntSlider if isinstance(step, int) else ipywidgets.FloatSlider
    slider = kind(
        value=getattr(explorer, control.name), min=low, max=high, step=step,
        description=control.label, style=_STYLE,
    )  # fmt: skip

    def rebound(_: object = None) -> None:
        low, high, step = explorer.bounds(control.name)
        with slider.hold_trait_notifications():
            slider.min, slider.max, slider.step = low, high, step
            slider.value = getattr(explorer, control.name)

    explorer.observe(rebound, "options_version")
    link((explorer, control.name), (slider, "value"))
    return slider


def _toggle(explorer: ExplorerBase, control: Control) -> ipywidgets.Widget:
    box = ipywidgets.Checkbox(
        value=getattr(explorer, control.name), description=control.label, indent=False,
        layout=ipywidgets.Layout(width="auto"),
    )  # fmt: skip
    link((explorer, control.name), (box, "value"))
    return box


def _action(explorer: ExplorerBase, control: Control) -> ipywidgets.Widget:
    button = ipywidgets.Button(description=control.label)
    button.on_click(lambda _: getattr(explorer, control.name)())
    return button


_BUILDERS: dict[type[Control], Callable[[ExplorerBase, Control], ipywidgets.Widget]] = {
    Choice: _choice,
    Player: _player,
    Number: _number,
    Toggle: _toggle,
    Action: _action,
}
