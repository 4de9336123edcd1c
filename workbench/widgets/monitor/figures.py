"""Charts of the monitor as one bokeh document, and their lines as bytes, as its page takes them."""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import bokeh
import numpy as np
import pandas as pd
from bokeh.core.json_encoder import serialize_json
from bokeh.document import Document
from bokeh.models import Range1d

from workbench.views.training.live import Chart, live_chart

VERSION: str = bokeh.__version__


@cache
def bokeh_script() -> str:
    """BokehJS from bokeh's installation: no page needs a network for it."""
    return Path(
        str(distribution("bokeh").locate_file("bokeh/server/static/js/bokeh.min.js"))
    ).read_text(encoding="utf-8")


def document_of(charts: Sequence[Chart]) -> dict[str, Any]:
    """Bokeh document of the charts, without values, over one range of steps.

    Returns:
        document: JSON text; sources: name of a line by the id of its data source; range: id of the
        range of steps.
    """
    document, steps = Document(), Range1d(start=0, end=1)
    sources: dict[str, str] = {}
    for chart in charts:
        drawn, names = live_chart(chart, steps)
        sources |= names
        document.add_root(drawn)
    return {
        "document": serialize_json(document.to_json(deferred=False)),
        "sources": sources,
        "range": steps.id,
    }


def lines_as_bytes(lines: Mapping[str, pd.Series]) -> dict[str, list[bytes]]:
    """Steps and values of every line, float32, little-endian."""
    return {
        name: [
            np.asarray(part, dtype="<f4").tobytes() for part in (values.index, values.to_numpy())
        ]
        for name, values in lines.items()
    }
