"""Images of a workspace as a table with thumbnails and scores; a click on a row opens it."""

import base64
import io
from collections.abc import Callable
from functools import partial
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import panel as pn
from bokeh.models.widgets.tables import HTMLTemplateFormatter
from PIL import Image

from pipelines.errors import UserError
from workbench.evaluation.scenes.snapshots import Snapshot
from workbench.widgets.explorers.evaluations import Evaluations
from workbench.widgets.explorers.sources import SceneSnapshots
from workbench.widgets.served import in_turn
from workbench.widgets.workspace.state import State

Look = Callable[[str, str], Snapshot]
"""Function from a split and the id of an image to the trained network's snapshot of the image."""
_SIDE = 56
"""Longer side of a thumbnail, screen pixels."""
_MOST = 200
"""Largest number of thumbnails; further rows have none."""
_COLUMNS = ("picture", "image", "average", "best")


class ImageTable:
    """Images of the main run, with the scores of its evaluation; a click opens one.

    Args:
        state: state of the workspace.
        source: snapshots of the main run.
        look: function that makes the snapshot of an evaluated image whose own was not kept.
        failed: function that takes an error.

    Attributes:
        widget: table; its columns sort by a click on their titles.
    """

    def __init__(
        self,
        state: State,
        source: SceneSnapshots,
        look: Look | None,
        failed: Callable[[Exception], None],
    ) -> None:
        self._state, self._failed = state, failed
        self.show(source, look)
        self.widget = pn.widgets.Tabulator(
            pd.DataFrame(columns=list(_COLUMNS)), show_index=False, disabled=True, selectable=1,
            theme=state.table_theme, sizing_mode="stretch_width", height=380,
            layout="fit_data_fill", configuration={"rowHeight": _SIDE + 4},
            stylesheets=[":host {font-size: 12px}"],
            formatters={"picture": HTMLTemplateFormatter(template="<%= value %>")},
            titles={"picture": ""},
        )  # fmt: skip
        self.widget.on_click(lambda event: in_turn(partial(self.choose, int(event.row))))

    def show(self, source: SceneSnapshots, look: Look | None) -> None:
        """Take the images of another run; `refresh` shows them."""
        self._source, self._look = source, look
        self._evaluations = Evaluations(source.run)
        self._open: dict[str, tuple[str, str]] = {}  # split and id of images to be made
        self._thumbnails: dict[str, str] = {}

    def refresh(self) -> None:
        """Read images and scores, the worst covering first where there are scores."""
        try:
            rows = self._rows()
        except UserError as error:
            self._failed(error)
            return
        table = pd.DataFrame(rows, columns=list(_COLUMNS))
        if table["average"].notna().any():
            table = table.sort_values("average", kind="stable", ignore_index=True)
        if not table.equals(self.widget.value):
            self.widget.value = table
        self.mark()

    def mark(self) -> None:
        """Select the row of the state's image."""
        names = self.widget.value["image"].tolist()
        chosen = [names.index(self._state.image)] if self._state.image in names else []
        if self.widget.selection != chosen:
            self.widget.selection = chosen

    def choose(self, row: int) -> None:
        """Open the image of a row, made by the trained network where its snapshot was not kept."""
        name = str(self.widget.value["image"].iloc[row])
        if name not in self._source.scenes() and name in self._open and self._look is not None:
            try:
                self._source.put(name, self._look(*self._open[name]))
            except UserError as error:
                self._failed(error)
                return
        self._state.image = name

    def _rows(self) -> list[dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for number, name in enumerate(self._source.scenes()):
            picture, scores = self._kept(name, number < _MOST)
            found[name] = {"picture": picture, "image": name} | scores
        chosen = self._source.evaluation_of(self._state.step) or self._evaluations.usual()
        if chosen is None or chosen[1] not in self._evaluations.methods(chosen[0]):
            return list(found.values())
        split, method = chosen
        for id, scores in self._evaluations.scores(split)["methods"][method]["images"].items():
            name = self._source.evaluated_scene(split, method, id)
            if name in found or self._look is not None:
                self._open[name] = split, id
                row = found.setdefault(name, {"picture": "", "image": name})
                row |= {measure: round(scores[measure], 3) for measure in ("average", "best")}
        return list(found.values())

    def _kept(self, name: str, picture: bool) -> tuple[str, dict[str, float]]:
        """Thumbnail and scores of an image at its last step; empty where they cannot be read."""
        steps = self._source.steps(name)
        try:
            image, coverings = self._source.image(name, steps[-1]) if steps else (None, None)
        except (UserError, OSError):
            return "", {}  # its own view says what is wrong with it
        scores = {}
        if coverings is not None and coverings.size:
            scores = {
                "average": round(float(coverings.mean(1).max()), 3),
                "best": round(float(coverings.max()), 3),
            }
        if image is None or not picture:
            return "", scores
        if name not in self._thumbnails:
            self._thumbnails[name] = _thumbnail(image, name)
        return self._thumbnails[name], scores


def _thumbnail(image: np.ndarray, name: str) -> str:
    small = Image.fromarray(image)
    small.thumbnail((_SIDE, _SIDE))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=80)
    content = base64.b64encode(file.getvalue()).decode()
    return f'<img alt="{escape(name)}" src="data:image/jpeg;base64,{content}">'
