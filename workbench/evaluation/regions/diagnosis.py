"""What limits a region classifier, looked for around its pooling layer on held-out regions.

Three things can: the features (the spectrum of XᵀX says in how many directions they lie), the
scale of what the classifier sees (an offset that all regions share tells nothing of their
categories), and the layer's gradient (the matrix logarithm divides by eigenvalues: it may pass on
much more for one region than for another).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cross_entropy

from workbench.data import RegionFeatures, Regions, Schedule, batches_of, region_reader
from workbench.evaluation.regions.scores import BATCH
from workbench.layers import SecondOrderPooling
from workbench.linalg.effective_rank import effective_rank
from workbench.linalg.gram_log import GramFunction
from workbench.models.regions import RegionNetwork
from workbench.models.scaling import Standardised


@dataclass(frozen=True)
class Limits:
    """Medians over regions, if nothing else is said.

    Attributes:
        regions: how many were looked at.
        epsilon: ε of the structured layer; None where there is none.
        eigenvalues: of XᵀX/cells, descending: the median of the largest, of the second, ….
        rank: numerical rank of X.
        effective_rank: exp of the entropy of the eigenvalues as shares of their sum.
        above_epsilon: how many eigenvalues exceed ε; None without ε.
        condition: of XᵀX/cells + εI; None without ε.
        entries: of the pooled vector.
        entry: root mean square of the pooled vector's entries, over all regions.
        shared: share of the vectors' mean squared length that their mean has.
        directions: effective rank of the vectors about their mean, over the regions.
        gradient: norm of the loss's gradient by the pooled vector.
        gain: ‖∂L/∂maps‖·‖maps‖ over ‖∂L/∂v‖·‖v − mean‖: how much stronger the loss reacts to a
            relative change of the maps than to one of the vector.
        gain_spread: 95 % quantile of the gain over its median.
    """

    regions: int
    epsilon: float | None
    eigenvalues: tuple[float, ...]
    rank: float
    effective_rank: float
    above_epsilon: float | None
    condition: float | None
    entries: int
    entry: float
    shared: float
    directions: float
    gradient: float
    gain: float
    gain_spread: float


@dataclass(frozen=True)
class _Look:
    """One batch: a row a region."""

    vectors: Float[Tensor, "batch entries"]
    eigenvalues: Float[Tensor, "batch side"]
    rank: Float[Tensor, "batch"]
    gradient: Float[Tensor, "batch"]
    gain: Float[Tensor, "batch"]


def limits_of(
    model: RegionNetwork, regions: Regions, features: RegionFeatures | None = None
) -> Limits:
    """Look at a network as it is, on the device where it is.

    Args:
        model: put into evaluation mode.
        regions: held out, with masks where the model pools over them; at least two.
        features: of a frozen backbone, to read instead of computing.

    Raises:
        StoreError: a region is missing or damaged.
    """
    return _summary(model, list(_looks(model, regions, features)))


def spectra_of(
    model: RegionNetwork, regions: Regions, features: RegionFeatures | None = None
) -> Float[np.ndarray, "regions side"]:
    """Eigenvalues of XᵀX/cells of every region, descending; arguments as `limits_of` has them.

    XᵀX has no more than these that are not zero: as many as X has rows or features.
    """
    return torch.cat([look.eigenvalues for look in _looks(model, regions, features)]).numpy()


def _looks(
    model: RegionNetwork, regions: Regions, features: RegionFeatures | None
) -> Iterator[_Look]:
    model.eval()
    device = next(model.parameters()).device
    schedule = Schedule(len(regions), min(BATCH, len(regions)), shuffle=False)
    for batch in batches_of(region_reader(regions, schedule, features=features, device=device)):
        with torch.no_grad():
            maps = model.features(batch.seen) if features is None else batch.seen
        yield _look(model, maps, batch.masks, batch.categories)


def _look(model: RegionNetwork, maps: Tensor, masks: Tensor | None, categories: Tensor) -> _Look:
    maps = maps.detach().requires_grad_()
    vectors, pooled = model.pool(maps, masks)
    logits = model.classifier(model.scaling(vectors))
    loss = cross_entropy(logits.float(), categories, reduction="sum")
    by_maps, by_vectors = torch.autograd.grad(loss, (maps, vectors))
    with torch.no_grad():
        found = pooled if pooled is not None else _spectrum(model, maps, masks)
        mean = model.scaling.mean if isinstance(model.scaling, Standardised) else vectors.mean(0)
        deviation = vectors - mean
        gradient = by_vectors.flatten(1).norm(dim=1).double()
        reach = by_maps.flatten(1).norm(dim=1).double() * maps.flatten(1).norm(dim=1)
        own = gradient * deviation.norm(dim=1)
    return _Look(
        vectors.detach().double().cpu(),
        found.eigenvalues.detach().double().cpu().flip(-1),
        found.rank.double().cpu(),
        gradient.cpu(),
        (reach / own.clamp(min=torch.finfo(torch.float64).tiny)).cpu(),
    )


def _spectrum(model: RegionNetwork, maps: Tensor, masks: Tensor | None) -> GramFunction:
    """That of XᵀX/cells, in a network that does not form it."""
    return SecondOrderPooling().pool(model.reduce(maps), model.inside(maps, masks))


def _summary(model: RegionNetwork, looks: list[_Look]) -> Limits:
    vectors = torch.cat([look.vectors for look in looks])
    values = torch.cat([look.eigenvalues for look in looks])
    gain = torch.cat([look.gain for look in looks])
    epsilon = model.pooling.epsilon if isinstance(model.pooling, SecondOrderPooling) else None
    smallest, condition = None, None
    if epsilon is not None:
        smallest = _median((values > epsilon).sum(1).double())
        full = values.shape[1] == model.channels
        low = values[:, -1] + epsilon if full else torch.full_like(values[:, 0], epsilon)
        condition = _median((values[:, 0] + epsilon) / low) if (low > 0).all() else None
    centred = vectors - vectors.mean(0)
    # The same eigenvalues as those of the much larger covariance of the entries.
    among_regions = torch.linalg.eigvalsh(centred @ centred.mT).clamp(min=0)
    return Limits(
        regions=len(vectors),
        epsilon=epsilon,
        eigenvalues=tuple(values.median(0).values.tolist()),
        rank=_median(torch.cat([look.rank for look in looks])),
        effective_rank=_median(effective_rank(values)),
        above_epsilon=smallest,
        condition=condition,
        entries=vectors.shape[1],
        entry=float(vectors.square().mean().sqrt()),
        shared=float(vectors.mean(0).square().sum() / vectors.square().sum(1).mean()),
        directions=float(effective_rank(among_regions)),
        gradient=_median(torch.cat([look.gradient for look in looks])),
        gain=_median(gain),
        gain_spread=float(np.quantile(gain.numpy(), 0.95)) / max(_median(gain), 1e-300),
    )


def _median(values: Float[Tensor, "regions"]) -> float:
    return float(np.median(values.numpy()))
