"""Layers with buffers that something fits: scales, running statistics."""

from torch import Tensor, nn

from workbench.layers import SecondOrderPooling
from workbench.models.scaling import Standardised
from workbench.testing import Case, Draw


def maps(draw: Draw) -> tuple[Tensor, ...]:
    """A batch of feature maps after a ReLU, four of them."""
    return (draw.positive(4, *draw.sizes),)


class ScaledPooling(nn.Sequential):
    """Input of a classifier of the workbench: pooled vectors, their scale fixed on examples."""

    def __init__(self, *, each: bool) -> None:
        pooling = SecondOrderPooling(epsilon=0.1, vectorised=True)
        super().__init__(pooling, Standardised(6, 1.0, each))


def calibrate(layer: nn.Module, examples: tuple[Tensor, ...]) -> None:
    """As training does, before its first step."""
    pooling, scaling = layer
    scaling.calibrate([pooling(*examples)])


class NormalisedCovariance(nn.Module):
    """Covariances over cells of maps that batch normalisation has standardised before."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.normalise = nn.BatchNorm2d(features)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, features, features) of maps (batch, features, rows, columns)."""
        cells = self.normalise(x).flatten(2)
        return cells @ cells.mT / cells.shape[-1]


def pooling_case(each: bool) -> Case:
    return Case.of_layer(
        f"pooling, scaled {'entry by entry' if each else 'by one number'}",
        lambda: ScaledPooling(each=each),
        maps,
        fit=calibrate,
        sizes=((3, 1, 3),),
        batched=False,
        compile=each,
        single_tolerance=1e-5,
    )


CASES = [
    pooling_case(each=False),
    pooling_case(each=True),
    Case.of_layer(
        "batch-normalised covariance",
        lambda: NormalisedCovariance(3),
        maps,
        sizes=((3, 2, 3), (3, 1, 2)),
        batched=False,
        refuses=None,
    ),
    Case.of_layer(
        "dropout",
        lambda: nn.Sequential(nn.Linear(3, 2), nn.Dropout()),
        lambda draw: (draw.positive(*draw.sizes),),
        sizes=((3,), (2, 3)),
        fit=None,
        random=True,
        refuses=None,
    ),
]
