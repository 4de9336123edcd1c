"""Contours that people draw, as targets at blocks of pixels, and the loss against them."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, max_pool2d

from workbench.errors import WorkbenchError
from workbench.linalg.precision import check_real, widened
from workbench.objectives.assignment import check_labels

DRAWN_WEIGHT = 3.0
"""Weight of blocks with a drawn contour: they are few."""


def drawn_contours(
    labels: Int[Tensor, "annotators height width"], step: int
) -> Float[Tensor, "rows columns"]:
    """Fraction of the annotators with a contour in each block of step×step pixels.

    A pixel is on a contour if its right or lower neighbour has another label. Blocks at the lower
    and right edge may be smaller.

    Raises:
        WorkbenchError: there is no annotator or no pixel, or the labels are not integers.
    """
    check_labels(labels)
    on = torch.zeros(labels.shape, device=labels.device)
    on[:, :, :-1] = (labels[:, :, 1:] != labels[:, :, :-1]).float()
    on[:, :-1] = torch.maximum(on[:, :-1], (labels[:, 1:] != labels[:, :-1]).float())
    return max_pool2d(on[:, None], step, ceil_mode=True)[:, 0].mean(0)


def contour_loss(
    logits: Float[Tensor, "rows columns"], drawn: Float[Tensor, "rows columns"]
) -> Float[Tensor, ""]:
    """Weighted logistic loss, mean over blocks, nats, in the dtype of the logits.

    Raises:
        WorkbenchError: logits or contours are not real, have different shapes, or have no block.
    """
    check_real(logits, "map of logits")
    check_real(drawn, "map of drawn contours")
    if logits.shape != drawn.shape or logits.numel() == 0:
        raise WorkbenchError(
            "logits and drawn contours of the same blocks, at least one",
            f"shapes {tuple(logits.shape)} and {tuple(drawn.shape)}",
            "draw the contours at the step of the logits, and leave empty images out",
        )
    wide = widened(logits)
    weight = torch.where(drawn > 0, DRAWN_WEIGHT, 1.0)
    loss = binary_cross_entropy_with_logits(wide, drawn.to(wide.dtype), reduction="none")
    return (weight * loss).mean().to(logits.dtype)
