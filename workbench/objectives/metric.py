"""Metric criteria: losses of an embedding that draw a class together and part it from the others.

Each is a function `loss(embedding, labels)` of a batch, as metric-learning libraries have them; the
pairs and triplets are those of the batch. Sums are in the embedding's own precision, float32 for
the halves. Sources: `contrastive`, Hadsell, Chopra and LeCun, CVPR 2006, eq. 4; `batch_hard`,
Hermans, Beyer and Leibe, arXiv 1703.07737, eq. 5; `supervised_contrastive`, Khosla et al., NeurIPS
2020, eq. 2.
"""

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from workbench.errors import WorkbenchError
from workbench.linalg.precision import uncast

Criterion = Callable[[Tensor, Tensor], Tensor]
"""Function `loss(embedding, labels)`: (batch, features), (batch,) int64 to a scalar."""
_LEAST = 1e-12
"""Least squared distance under a root, whose slope at 0 is infinite."""


def contrastive(
    embedding: Float[Tensor, "batch features"], labels: Int64[Tensor, "batch"], margin: float = 1.0
) -> Float[Tensor, ""]:
    """Contrastive loss: ½ E d² over pairs of a class + ½ E max(0, margin − d)² over the others.

    d is the Euclidean distance; a kind of pair that the batch lacks adds nothing.

    Args:
        embedding: outputs of a network.
        labels: classes.
        margin: distance past which pairs of different classes cost nothing.

    Raises:
        WorkbenchError: the margin is not positive.
    """
    _require_positive(margin, "margin")
    same, others = _pairs(labels)
    squares = _squares(embedding)
    far = (margin - (squares[others] + _LEAST).sqrt()).clamp(min=0).square()
    return (_mean(squares[same]) + _mean(far)) / 2


def batch_hard(
    embedding: Float[Tensor, "batch features"], labels: Int64[Tensor, "batch"], margin: float = 0.3
) -> Float[Tensor, ""]:
    """Batch-hard triplet loss: E max(0, margin + farthest of the class − closest of the others).

    Distances are Euclidean; the mean is over anchors that have both, 0 where none has.

    Args:
        embedding: outputs of a network.
        labels: classes.
        margin: margin by which the others shall be farther.

    Raises:
        WorkbenchError: the margin is not positive.
    """
    _require_positive(margin, "margin")
    same, others = _pairs(labels)
    distances = (_squares(embedding) + _LEAST).sqrt()
    farthest = distances.masked_fill(~same, -torch.inf).amax(1)
    closest = distances.masked_fill(~others, torch.inf).amin(1)
    anchors = same.any(1) & others.any(1)
    return _mean((margin + farthest[anchors] - closest[anchors]).clamp(min=0))


def supervised_contrastive(
    embedding: Float[Tensor, "batch features"],
    labels: Int64[Tensor, "batch"],
    temperature: float = 0.1,
) -> Float[Tensor, ""]:
    """Supervised contrastive loss: mean negative log-probability of the others of the class.

    The probability of j given anchor i is the softmax of their inner products over the temperature
    over all j ≠ i; the mean is over the class of an anchor, then over anchors that have one.

    Args:
        embedding: vectors of length 1.
        labels: classes.
        temperature: divisor of the inner products.

    Raises:
        WorkbenchError: the temperature is not positive.
    """
    _require_positive(temperature, "temperature")
    same, others = _pairs(labels)
    x = _wide(embedding)
    with uncast(x):
        products = x @ x.T / temperature
    chances = products.masked_fill(~(same | others), -torch.inf).log_softmax(1)
    anchors = same.any(1)
    of_class = chances.masked_fill(~same, 0)[anchors].sum(1) / same[anchors].sum(1)
    return _mean(-of_class)


CRITERIA: Mapping[str, Criterion] = {
    "contrastive": contrastive,
    "triplet": batch_hard,
    "supcon": supervised_contrastive,
}
"""Criteria by name, with their usual margin or temperature for vectors of length 1."""


def criterion_named(name: str, known: Mapping[str, Criterion] = CRITERIA) -> Criterion:
    """Criterion of a name.

    Raises:
        WorkbenchError: there is none.
    """
    if name not in known:
        raise WorkbenchError(
            f"a metric criterion out of {', '.join(known)}",
            repr(name),
            "name one of these, or pass a function loss(embedding, labels) in Python",
        )
    return known[name]


def _pairs(
    labels: Int64[Tensor, "batch"],
) -> tuple[Bool[Tensor, "batch batch"], Bool[Tensor, "batch batch"]]:
    """Pairs of a class, none with itself, and pairs of two classes."""
    equal = labels[:, None] == labels
    return equal & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device), ~equal


def _squares(embedding: Float[Tensor, "batch features"]) -> Float[Tensor, "batch batch"]:
    """Squared Euclidean distances."""
    x = _wide(embedding)
    with uncast(x):
        lengths = x.square().sum(1)
        return (lengths[:, None] + lengths - 2 * x @ x.T).clamp(min=0)


def _wide(x: Tensor) -> Tensor:
    return x.float() if x.dtype.itemsize < torch.float32.itemsize else x


def _mean(values: Float[Tensor, "_"]) -> Float[Tensor, ""]:
    """Mean; of nothing 0, which still has a gradient, 0."""
    return values.sum() / max(len(values), 1)


def _require_positive(value: float, name: str) -> None:
    if not value > 0:
        raise WorkbenchError(f"a positive {name}", f"{value}", "raise it")
