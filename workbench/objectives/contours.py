"""Contours that people draw, as targets at blocks of pixels, and the loss against them."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, max_pool2d

from workbench.linalg.precision import check_real, widened

DRAWN_WEIGHT = 3.0
"""Weight of blocks with a drawn contour: they are few."""


def drawn_contours(
    labels: Int[Tensor, "annotators height width"], step: int
) -> Float[Tensor, "rows columns"]:
    """Fraction of the annotators with a contour in each block of step×step pixels.

    A pixel is on a contour if its right or lower neighbour has another label. Blocks at the lower
    and right edge may be smaller.
    """
    on = torch.zeros(labels.shape, device=labels.device)
    on[:, :, :-1] = (labels[:, :, 1:] != labels[:, :, :-1]).float()
    on[:, :-1] = torch.maximum(on[:, :-1], (labels[:, 1:] != labels[:, :-1]).float())
    return max_pool2d(on[:, None], step, ceil_mode=True)[:, 0].mean(0)


def contour_loss(
    logits: Float[Tensor, "rows columns"], drawn: Float[Tensor, "rows columns"]
) -> Float[Tensor, ""]:
    """Weighted logistic loss, mean over blocks, nats, in the dtype of the logits.

    Raises:
        WorkbenchError: the logits are not real.
    """
    check_real(logits, "map of logits")
    wide = widened(logits)
    weight = torch.where(drawn > 0, DRAWN_WEIGHT, 1.0)
    loss = binary_cross_entropy_with_logits(wide, drawn.to(wide.dtype), reduction="none")
    return (weight * loss).mean().to(logits.dtype)
