"""Gradient error against gap, ours and the peers', as a picture."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from workbench.bench.report import Curves

_OURS = "#1467b3"


def draw(curves: Sequence[Curves], path: Path) -> None:
    """One panel for each; a tie stands at the left end, and NaN is drawn as an error of 100 %+."""
    figure, panels = plt.subplots(
        1, len(curves), figsize=(5.2 * len(curves), 4), squeeze=False, layout="constrained"
    )
    for panel, one in zip(panels[0], curves, strict=True):
        positive = [gap for gap in one.gaps if gap > 0]
        tie = min(positive, default=1.0) / 100
        gaps = [gap or tie for gap in one.gaps]
        for name, errors in one.errors.items():
            ours = name.startswith("workbench")
            shown = np.nan_to_num(np.clip(errors, 1e-16, 1e2), nan=1e2)
            panel.loglog(
                gaps, shown, marker="o" if ours else ".", label=name,
                linewidth=2.2 if ours else 1.0, color=_OURS if ours else None,
                zorder=3 if ours else 2,
            )  # fmt: skip
        panel.set(title=one.title, xlabel="relative gap (left end: tie)", ylim=(1e-16, 3e2))
        panel.set_ylabel("relative error of the gradient (top: NaN)")
        panel.grid(alpha=0.3)
        panel.legend(fontsize=7)
    figure.savefig(path, dpi=150)
    plt.close(figure)
