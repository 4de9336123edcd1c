"""Panel shell of an explorer: the same controls and pictures, for an app without a notebook."""

from collections.abc import Callable
from html import escape
from typing import Any

import panel as pn

from workbench.widgets.shells.base import ExplorerBase
from workbench.widgets.shells.controls import Action, Choice, Control, Number, Player, Toggle

_NOTHING = "–"


def as_panel(explorer: ExplorerBase) -> pn.Column:
    """Panel layout of an explorer: controls, message, pictures, readout."""
    made = [_built(explorer, control) for control in explorer.offered_controls()]
    message = pn.pane.Alert("", alert_type="warning", visible=False)
    readout = pn.pane.HTML("")

    def update(_: object = None) -> None:
        message.object, message.visible = escape(explorer.message), bool(explorer.message)
        readout.object = f'<div style="white-space:pre-line">{escape(explorer.readout)}</div>'

    update()
    explorer.observe(update, ["message", "readout"])
    return pn.Column(pn.FlexBox(*made), message, explorer.plots(), readout)


def _built(explorer: ExplorerBase, control: Control) -> pn.widgets.Widget:
    """Widget of a control, hidden while the control cannot act."""
    widget = _BUILDERS[type(control)](explorer, control)

    def update(_: object = None) -> None:
        widget.visible = explorer.can_act(control)

    update()
    explorer.observe(update, ["options_version", "message"])
    return widget


def _follow(
    explorer: ExplorerBase, control: Control, widget: Any, to_widget: Callable[[], None]
) -> None:
    """Tie a widget to a trait; `to_widget` sets the widget from the explorer."""
    busy = False

    def update(_: object = None) -> None:
        nonlocal busy
        busy = True
        try:
            to_widget()
        finally:
            busy = False

    def to_trait(event: Any) -> None:
        if not busy and event.new is not None and event.new != _NOTHING:
            setattr(explorer, control.name, event.new)

    update()
    explorer.observe(update, [control.name, "options_version"])
    widget.param.watch(to_trait, "value")


def _choice(explorer: ExplorerBase, control: Control) -> pn.widgets.Select:
    widget = pn.widgets.Select(label=control.label, width=180)

    def to_widget() -> None:
        options = explorer.options(control.name)
        value = getattr(explorer, control.name)
        widget.param.update(options=options, value=value if value in options.values() else None)

    _follow(explorer, control, widget, to_widget)
    return widget


def _player(explorer: ExplorerBase, control: Control) -> pn.widgets.DiscretePlayer:
    # The player's own text of the value is not updated with new options, so the label shows it.
    widget = pn.widgets.DiscretePlayer(
        label=control.label, options=[_NOTHING], value=_NOTHING, interval=500, width=320,
        loop_policy="once", show_loop_controls=False, show_value=False,
    )  # fmt: skip

    def to_widget() -> None:
        labels = {value: label for label, value in explorer.options(control.name).items()}
        options = list(labels) or [_NOTHING]
        value = getattr(explorer, control.name)
        value = value if value in options else options[-1]
        label = f"{control.label}: {labels.get(value, value)}"
        widget.param.update(options=options, value=value, label=label)

    _follow(explorer, control, widget, to_widget)
    return widget


def _number(explorer: ExplorerBase, control: Control) -> pn.widgets.Widget:
    low, high, step = explorer.bounds(control.name)
    kind = pn.widgets.IntSlider if isinstance(step, int) else pn.widgets.FloatSlider
    widget = kind(label=control.label, start=low, end=high, step=step, width=180)

    def to_widget() -> None:
        low, high, step = explorer.bounds(control.name)
        value = min(max(getattr(explorer, control.name), low), high)
        widget.param.update(start=low, end=max(high, low + step), step=step, value=value)

    _follow(explorer, control, widget, to_widget)
    return widget


def _toggle(explorer: ExplorerBase, control: Control) -> pn.widgets.Checkbox:
    widget = pn.widgets.Checkbox(label=control.label)

    def to_widget() -> None:
        widget.value = getattr(explorer, control.name)

    _follow(explorer, control, widget, to_widget)
    return widget


def _action(explorer: ExplorerBase, control: Control) -> pn.widgets.Button:
    button = pn.widgets.Button(label=control.label)
    button.on_click(lambda _: getattr(explorer, control.name)())
    return button


_BUILDERS: dict[type[Control], Callable[[ExplorerBase, Control], pn.widgets.Widget]] = {
    Choice: _choice,
    Player: _player,
    Number: _number,
    Toggle: _toggle,
    Action: _action,
}
