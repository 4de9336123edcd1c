"""Second-order pooling of feature maps and of regions of any shape (paper §4; MPN-COV)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import pad

from workbench.errors import WorkbenchError
from workbench.linalg.gram_log import GramFunction, Normalisation, gram_log, gram_power
from workbench.linalg.precision import check_real
from workbench.linalg.vectorise import vectorise


class SecondOrderPooling(nn.Module):
    """Pooling log(XᵀX + εI) or (XᵀX + εI)^p of the features X of an image, or of its regions.

    A region without a pixel has XᵀX = 0 and pools to log ε · I, or ε^p · I. There is no parameter:
    to reduce the number of features, put a 1×1 convolution in front.

    Args:
        function: "log", or "power" with p = `power`.
        epsilon: ε; default: 1e-3 for the logarithm, 0 for the power.
        normalisation: "mean" divides XᵀX by the number of pixels, "sum" does not.
        power: p, from 0.2 to 0.8; ½ is the square root of MPN-COV.
        centre: subtract the mean feature of the region first: XᵀX/pixels is then its covariance.
        vectorised: give the upper triangle as `linalg.vectorise` does, not the matrix.

    Raises:
        WorkbenchError: there is no such function.
    """

    def __init__(
        self,
        function: Literal["log", "power"] = "log",
        epsilon: float | None = None,
        normalisation: Normalisation = "mean",
        power: float = 0.5,
        centre: bool = False,
        vectorised: bool = False,
    ) -> None:
        super().__init__()
        if function not in ("log", "power"):
            raise WorkbenchError("function log or power", f"{function}", "choose one")
        self.function = function
        self.epsilon = (1e-3 if function == "log" else 0.0) if epsilon is None else epsilon
        self.normalisation = normalisation
        self.power, self.centre, self.vectorised = power, centre, vectorised

    def forward(
        self,
        maps: Float[Tensor, "..."],
        masks: Bool[Tensor, "..."] | None = None,
    ) -> Tensor:
        """Matrix, or vector, of each map: (…, features, features) or (…, entries).

        Args:
            maps: (batch, features, height, width) or (features, height, width), real floating; the
                result has their dtype. Pixels outside the mask are ignored, NaN too.
            masks: (batch, height, width) or (height, width): pixels that belong to the region;
                None: all.

        Raises:
            WorkbenchError: maps or masks of another shape; see `linalg.gram_log` for more.
        """
        if maps.ndim == 3:
            return self._formed(self.pool(maps[None], None if masks is None else masks[None]))[0]
        return self._formed(self.pool(maps, masks))

    def pool(
        self,
        maps: Float[Tensor, "..."],
        masks: Bool[Tensor, "..."] | None = None,
    ) -> GramFunction:
        """Matrix of each map, as `forward` has it, with rank, tolerance and eigenvalues.

        Args:
            maps, masks: as `forward` has them, with the dimension of the batch.
        """
        _check_shapes(maps, masks)
        x = maps.flatten(2).mT
        if masks is None:
            inside = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
        else:
            inside = masks.flatten(1)
            x = torch.where(inside[..., None], x, 0.0)
        return self._pooled(x, inside)

    def regions(
        self,
        features: Sequence[Float[Tensor, "_ features"]] | Float[Tensor, "total features"],
        lengths: Sequence[int] | None = None,
    ) -> Tensor:
        """Matrix, or vector, of each region: (regions, features, features) or (…, entries).

        Args:
            features: one tensor (pixels, features) a region; or all of them in one, region after
                region, with their lengths.
            lengths: number of pixels of each region; only where `features` is one tensor.

        Raises:
            WorkbenchError: no regions, or lengths that do not fit; see `linalg.gram_log` for more.
        """
        return self._formed(self.pool_regions(features, lengths))

    def pool_regions(
        self,
        features: Sequence[Float[Tensor, "_ features"]] | Float[Tensor, "total features"],
        lengths: Sequence[int] | None = None,
    ) -> GramFunction:
        """Matrices of the regions, as `regions` has them, with rank, tolerance and eigenvalues.

        Regions whose lengths have the same number of binary digits are padded with rows of zeros
        and computed together, so that no more than half of the rows is padding.
        """
        regions = _split(features, lengths)
        buckets: dict[int, list[int]] = {}
        for index, region in enumerate(regions):
            buckets.setdefault(len(region).bit_length(), []).append(index)
        pooled = [self._bucket([regions[i] for i in members]) for members in buckets.values()]
        order = torch.tensor([i for members in buckets.values() for i in members]).argsort()
        order = order.to(regions[0].device)
        side = max(result.eigenvalues.shape[-1] for result in pooled)
        eigenvalues = [pad(p.eigenvalues, (side - p.eigenvalues.shape[-1], 0)) for p in pooled]
        return GramFunction(
            torch.cat([result.value for result in pooled])[order],
            torch.cat(eigenvalues)[order],
            pooled[0].features,
            self.epsilon,
        )

    def _bucket(self, regions: list[Tensor]) -> GramFunction:
        longest = max(len(region) for region in regions)
        # pad_sequence writes in place, which is_grads_batched does not take
        x = torch.stack([pad(region, (0, 0, 0, longest - len(region))) for region in regions])
        lengths = torch.tensor([len(region) for region in regions], device=x.device)
        return self._pooled(x, torch.arange(x.shape[1], device=x.device) < lengths[:, None])

    def _pooled(
        self, x: Float[Tensor, "batch rows features"], inside: Bool[Tensor, "batch rows"]
    ) -> GramFunction:
        """Matrix function of X with zeros in the rows that are not inside."""
        check_real(x, "feature map")
        lengths, dtype = inside.sum(1), x.dtype
        if self.centre:
            x = x.double()
            mean = x.sum(1) / lengths.clamp(min=1)[:, None]
            x = torch.where(inside[..., None], x - mean[:, None], 0.0)
        if self.function == "log":
            found = gram_log(x, self.epsilon, self.normalisation, lengths)
        else:
            found = gram_power(x, self.power, self.epsilon, self.normalisation, lengths)
        return replace(found, value=found.value.to(dtype))

    def _formed(self, pooled: GramFunction) -> Tensor:
        return vectorise(pooled.value) if self.vectorised else pooled.value

    def extra_repr(self) -> str:
        """Settings, for print(network)."""
        what = "log" if self.function == "log" else f"power={self.power:g}"
        flags = [name for name in ("centre", "vectorised") if getattr(self, name)]
        return ", ".join([what, f"epsilon={self.epsilon:g}", self.normalisation, *flags])


def _check_shapes(maps: Tensor, masks: Tensor | None) -> None:
    """Refuse maps that are no batch of maps, and masks of other pixels."""
    if maps.ndim != 4:
        raise WorkbenchError(
            "maps of shape (batch, features, height, width) or (features, height, width)",
            f"shape {tuple(maps.shape)}",
            "reshape them; for regions as rows of pixels use .regions",
        )
    if masks is not None and masks.shape != (len(maps), *maps.shape[2:]):
        raise WorkbenchError(
            f"masks of shape {(len(maps), *maps.shape[2:])}, one for each map",
            f"shape {tuple(masks.shape)}",
            "resize the masks to the maps' pixels",
        )


def _split(
    features: Sequence[Tensor] | Tensor, lengths: Sequence[int] | None
) -> list[Float[Tensor, "_ features"]]:
    if isinstance(features, Tensor):
        if lengths is None or sum(lengths) != len(features):
            raise WorkbenchError(
                f"lengths that sum to the {len(features)} rows of the features",
                "no lengths" if lengths is None else f"a sum of {sum(lengths)}",
                "pass the number of pixels of each region, or a list of tensors",
            )
        features = features.split(list(lengths))
    if not features:
        raise WorkbenchError("at least one region", "none", "skip images without regions")
    return list(features)
