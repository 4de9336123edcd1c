"""Plot of gradient error against gap, ours and the peers'."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from workbench.bench.records import Curves

_OURS = "#1467b3"
_OTHERS = ("#e07b00", "#8d929b", "#2f9e44", "#c92a2a", "#7048e8")
_MARKS = "sv^Dx"


def draw(curves: Sequence[Curves], path: Path) -> None:
    """Draw each curve in a panel: a tie at the left end, NaN as the largest error."""
    figure, panels = plt.subplots(
        1, len(curves), figsize=(5 * len(curves), 4.2), squeeze=False, layout="constrained"
    )
    for panel, one in zip(panels[0], curves, strict=True):
        tie = min((point for point in one.at if point > 0), default=1.0) / 100
        points = [point or tie for point in one.at]
        rivals = iter(zip(_OTHERS, _MARKS, strict=True))
        for name, errors in one.errors.items():
            shown = np.nan_to_num(np.clip(errors, 1e-16, 1e3), nan=1e3)
            if name.startswith("workbench"):  # a broad band, so that who equals it stays visible
                panel.loglog(points, shown, "o-", color=_OURS, label=name, linewidth=5, alpha=0.8)
            else:
                colour, mark = next(rivals)
                panel.loglog(points, shown, mark + "--", color=colour, label=name, linewidth=1.2)
        ties = " (left end: tie)" if 0 in one.at else ""
        panel.set(title=one.title, xlabel=one.axis + ties, ylim=(1e-16, 3e3))
        panel.grid(alpha=0.3)
    panels[0, 0].set_ylabel("relative error of the gradient (top: NaN)")
    panels[0, 0].legend(fontsize=8)
    figure.savefig(path, dpi=120)
    plt.close(figure)
