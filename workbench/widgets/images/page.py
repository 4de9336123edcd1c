"""Page of the geometry of a classifier of small images: ratios, codes, nearest images, layers.

    workbench lab --app runs/role          # the tab Geometry of a run of images
    workbench.explore("runs/role/seed-0")  # the same in a cell

What takes long is computed in a thread, only for the open panel, and only where the selection or
the kept networks have changed.
"""

from collections.abc import Sequence
from functools import partial
from html import escape
from typing import Any

import panel as pn
from bokeh.models.widgets import Div

from workbench.experiments.images.kept import CODERS, Kept, KeptNetworks
from workbench.runs import Run
from workbench.runs.geometry import geometry_layers
from workbench.widgets.images.asked import Asked, ImagesPanel
from workbench.widgets.images.codes import TITLES, CodePanel
from workbench.widgets.images.nearest import NearestPanel
from workbench.widgets.images.ratios import RatioPanel
from workbench.widgets.pacing import InBackground
from workbench.widgets.workspace.geometry import GeometryPage
from workbench.widgets.workspace.measured import of_run
from workbench.widgets.workspace.state import BITS, CODES, LAYERS, NEAREST, RATIOS, State

_NONE = (
    "No network is kept yet: the first one, with random weights, is kept before the first step of "
    "the training, further ones when the held-out error falls below the errors that it names."
)
_GREY = "color:#6d737c;padding:8px 10px;font-size:14px"
_LAST = "the last kept"
_SELECTION = ["network", "layer", "coder", "bits", "position", "geometry"]


class ImagesPage:
    """Geometry of a classifier of small images; medians of other runs are faint.

    Args:
        runs: the runs, the main one first.
        state: state of the workspace.
        names: names of the runs; default: those of their folders.

    Attributes:
        panels: panels by name.
        message: sentence on what is missing or being computed; empty without one.
    """

    def __init__(
        self, runs: Sequence[Run], state: State | None = None, names: Sequence[str] = ()
    ) -> None:
        self.state = state or State()
        self.message = ""
        self._runs, self._names = list(runs), [*names] or [each.path.name for each in runs]
        self._kept = KeptNetworks(self._runs[0])
        self._ratios = RatioPanel(self.state)
        self.panels: dict[str, ImagesPanel] = {
            RATIOS: self._ratios, CODES: CodePanel(), NEAREST: NearestPanel(self.state),
        }  # fmt: skip
        self._layers = GeometryPage(self._runs, self.state, self._names)
        self._shown: dict[str, Asked] = {}
        self._compute = InBackground()
        self._note = Div(sizing_mode="stretch_width", visible=False)
        self._busy = False
        self._choice = pn.widgets.RadioButtonGroup.from_param(
            self.state.param.geometry, options=list(self.panels), align="end"
        )
        self._controls = self._made()
        self._layouts = {name: each.panel() for name, each in self.panels.items()}
        self._layouts[LAYERS] = self._layers.panel()
        self._watcher = self.state.param.watch(lambda *_: self._update(), _SELECTION)
        self.refresh()

    def refresh(self) -> None:
        """Read the runs again; what has not changed is not computed again."""
        networks = self._kept.networks()
        measured = [of_run(run, name) for run, name in zip(self._runs, self._names, strict=True)]
        self._ratios.measured(measured, networks)
        self._layers.refresh()
        shown = bool(geometry_layers(measured[0].series)) or self.state.geometry == LAYERS
        offered = [*self.panels, *([LAYERS] if shown else [])]
        if self._choice.options != offered:
            self._choice.options = offered
        self._offer(networks)
        self._update()

    def panel(self) -> pn.Column:
        """Layout of choice, controls, message and the open panel."""
        return pn.Column(
            pn.FlexBox(self._choice, *self._controls.values(), align_items="end"),
            pn.pane.Bokeh(self._note, sizing_mode="stretch_width"),
            *self._layouts.values(),
            sizing_mode="stretch_both",
            scroll=True,
        )

    def close(self) -> None:
        """Stop to answer the state."""
        self.state.param.unwatch(self._watcher)
        self._layers.close()

    def _made(self) -> dict[str, Any]:
        """Controls by the part of the selection that they set."""
        of, select = self.state.param, pn.widgets.Select
        bits = sorted({*BITS, self.state.bits})
        network = select(label="Network", options={_LAST: ""}, value="", width=230)
        network.param.watch(self._on_network, "value")
        return {
            "network": network,
            "layer": select.from_param(of.layer, label="Layer", width=90),
            "coder": select.from_param(
                of.coder, label="Codes", options={TITLES[c]: c for c in CODERS}, width=180
            ),
            "bits": select.from_param(of.bits, label="Bits", options=bits, width=75),
            "position": pn.widgets.IntInput.from_param(of.position, label="Query", width=90),
        }

    def _offer(self, networks: Sequence[Kept]) -> None:
        """Offer the kept networks, by name or the last one whichever it is."""
        control, options = self._controls["network"], {_LAST: ""}
        options |= {each.words: each.name for each in networks}
        value = self.state.network if self.state.network in options.values() else ""
        if (control.options, control.value) != (options, value):
            self._busy = True
            try:
                control.param.update(options=options, value=value)
            finally:
                self._busy = False

    def _on_network(self, event: Any) -> None:
        if event.new is not None and not self._busy:
            self.state.network = event.new

    def _update(self) -> None:
        """Show the open panel, and have it computed where its selection has changed."""
        name, networks = self.state.geometry, self._kept.networks()
        panel = self.panels.get(name)
        self._offer(networks)
        for each, layout in self._layouts.items():
            layout.visible = each == name
        for each, control in self._controls.items():
            control.visible = panel is not None and bool(networks) and each in panel.controls
        asked = self._asked(networks)
        self._ratios.mark(None if asked is None else asked.network)
        if panel is None:
            self._say("")
        elif asked is None:
            self._say(_NONE)
        elif asked == self._shown.get(name):
            self._say("")
        else:
            self._say(f"Computing {name} of {asked.network.words} …")
            done = partial(self._show, name, asked)
            self._compute(partial(panel.compute, self._kept, asked), done, self._say)

    def _asked(self, networks: Sequence[Kept]) -> Asked | None:
        """Selection, with the last network where the one that it names is not kept."""
        if not networks:
            return None
        state = self.state
        chosen = next((each for each in networks if each.name == state.network), networks[-1])
        of = state.layer, state.coder, state.bits, state.position
        return Asked(networks[0], chosen, *of)

    def _show(self, name: str, asked: Asked, found: Any) -> None:
        self._shown[name] = asked
        self.panels[name].show(found)
        self._say("")

    def _say(self, message: str) -> None:
        self.message = message
        self._note.text = f'<div style="{_GREY}">{escape(message)}</div>' if message else ""
        self._note.visible = bool(message)
