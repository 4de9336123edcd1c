"""Figure 3 out of what the columns of a table kept of a few scenes."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from workbench.evaluation.metrics import covering
from workbench.experiments.column_evaluation import pictures_file, scenes_file
from workbench.experiments.columns import Column
from workbench.runs.snapshots import read_snapshot
from workbench.views.figure3 import FigureScene, Panel, write_figure3
from workbench.views.segments import typical_annotator


def draw_figure3(out: Path, columns: Iterable[Column]) -> list[Path]:
    """Write figure3.html and figure3.jpg of the columns that are there.

    Args:
        out: folder of the table.
        columns: that may be in it, in the order of the table.

    Returns:
        The files.
    """
    kept = read_snapshot(scenes_file(out))
    there = [column for column in columns if pictures_file(out, column.name).exists()]
    pictures = {column.name: read_snapshot(pictures_file(out, column.name)) for column in there}
    scenes = []
    for id in sorted({name.partition("/")[0] for name in kept}):
        truths = kept[f"{id}/truths"]
        panels = []
        for column in there:
            labels = pictures[column.name][f"{id}/{column.shown}"]
            mean = float(np.mean([covering(truth, labels) for truth in truths]))
            panels.append(Panel(labels, mean))
        human = typical_annotator({"truths": truths})
        scenes.append(FigureScene(id, kept[f"{id}/image"], tuple(panels), human))
    return write_figure3([column.title for column in there], scenes, out)
