"""How well one segmentation covers each annotator, beside those of the pool."""

import holoviews as hv
import numpy as np
from jaxtyping import Float

from workbench.views.style import AFTER, BEFORE, as_chart, styled


def covering_bars(
    now: Float[np.ndarray, "annotators"], pool: Float[np.ndarray, "segmentations annotators"]
) -> hv.Overlay:
    """A bar an annotator for a segmentation, a dash for the pool's best there.

    Args:
        now: coverings of the annotators by the segmentation; none where there is none.
        pool: coverings by the pool's.
    """
    dimensions = ("annotator", "covering")
    numbers = np.arange(1, len(now) + 1)
    best = pool.max(axis=0, initial=0.0)
    lines = [[(i - 0.4, value), (i + 0.4, value)] for i, value in enumerate(best, 1)]
    bars = styled(
        hv.Rectangles(
            [(i - 0.35, 0.0, i + 0.35, value) for i, value in zip(numbers, now, strict=True)]
        ),
        common={"color": AFTER, "alpha": 0.8},
        bokeh={"line_alpha": 0},
        matplotlib={"linewidth": 0},
    )
    dashes = styled(
        hv.Path(lines, list(dimensions)),
        common={"color": BEFORE},
        bokeh={"line_width": 3},
        matplotlib={"linewidth": 2.5},
    )
    return as_chart(
        bars * dashes,
        ylim=(0, 1),
        xlim=(0.4, max(len(best), 1) + 0.6),
        xlabel="annotator",
        ylabel="covering",
        xticks=list(range(1, max(len(best), 1) + 1)),
    )
