"""Features with singular values of one's choice."""

import torch
from torch import Tensor


def with_singular_values(rows: int, features: int, values: list[float]) -> Tensor:
    """(rows, features) float64 with these, and zeros for the rest."""
    count = len(values)
    left = torch.linalg.qr(torch.randn(rows, count, dtype=torch.float64))[0]
    right = torch.linalg.qr(torch.randn(features, count, dtype=torch.float64))[0]
    return (left * torch.tensor(values, dtype=torch.float64)) @ right.mT
