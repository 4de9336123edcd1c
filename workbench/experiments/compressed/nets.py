"""Small networks behind measurements: a classifier, alone or with its operator, and a refiner."""

from collections.abc import Iterable, Iterator

import torch
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from workbench.models.measuring import SIDE, deviation, noisy

HIDDEN = 256
BATCH = 100
RATE = 2e-3
"""Largest rate of AdamW in a cycle."""
_ROWS = 2000


def classifier(measurements: int, categories: int) -> nn.Sequential:
    """Two-layer network on standardised measurements; the same behind every operator."""
    return nn.Sequential(
        nn.BatchNorm1d(measurements, affine=False),
        nn.Linear(measurements, HIDDEN),
        nn.ReLU(),
        nn.Dropout(0.25),
        nn.Linear(HIDDEN, categories),
    )


def train_classifier(
    operator: nn.Module,
    inputs: Float[Tensor, "images entries"],
    labels: Int64[Tensor, "images"],
    *,
    measurements: int,
    categories: int,
    noise: float,
    passes: int,
    seed: int,
) -> nn.Sequential:
    """Train a classifier of noisy measurements, and its operator where that has parameters.

    Args:
        operator: from inputs to measurements; the identity where the inputs are measurements.
        inputs: (images, pixels) images, or their measurements without noise.
        labels: categories.
        measurements: number of measurements.
        categories: number of categories.
        noise: deviation of the noise, relative to that of the measurements of a batch.
        passes: number of passes over the images.
        seed: seed of initial weights, noise and order.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = torch.Generator().manual_seed(seed)
        head = classifier(measurements, categories)
        network = nn.ModuleList([operator, head]).train()
        for chosen in _steps(network.parameters(), len(inputs), passes, generator):
            y = operator(inputs[chosen])
            scale = noise * float(deviation(y.detach()))
            loss = cross_entropy(head(noisy(y, scale, generator)), labels[chosen])
            loss.backward()
    network.eval()
    return head


def train_refiner(
    rough: Float[Tensor, "images pixels"],
    images: Float[Tensor, "images pixels"],
    inside: Bool[Tensor, "side side"],
    *,
    passes: int,
    seed: int,
    width: int = 16,
) -> nn.Module:
    """Train a network of three convolutions that corrects reconstructions of grey images.

    Args:
        rough: reconstructions, pixels of the disc.
        images: originals, the same pixels.
        inside: the disc.
        passes, seed: as in `train_classifier`.
        width: channels.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = torch.Generator().manual_seed(seed)
        network = Refiner(inside, width)
        for chosen in _steps(network.parameters(), len(rough), passes, generator):
            mse_loss(network(rough[chosen]), images[chosen]).backward()
    return network.eval()


class Refiner(nn.Module):
    """Correction that three convolutions add to the reconstruction of a grey image.

    Args:
        inside: (side, side) pixels that are reconstructed.
        width: channels.
    """

    def __init__(self, inside: Bool[Tensor, "side side"], width: int) -> None:
        super().__init__()
        self.inside = inside
        last = nn.Conv2d(width, 1, 3, padding=1)
        nn.init.zeros_(last.weight)  # begins as the identity, but for the bias
        self.layers = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1), nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), last,
        )  # fmt: skip

    def forward(self, rough: Float[Tensor, "images pixels"]) -> Float[Tensor, "images pixels"]:
        """Reconstructions, corrected."""
        square = rough.new_zeros(len(rough), SIDE, SIDE)
        square[:, self.inside] = rough
        correction: Tensor = self.layers(square[:, None])
        return rough + correction[:, 0][:, self.inside]


@torch.no_grad()
def applied(network: nn.Module, inputs: Shaped[Tensor, "images entries"]) -> Float[Tensor, "..."]:
    """Outputs of a network in evaluation mode, some images at a time."""
    return torch.cat([network(some) for some in inputs.split(_ROWS)])


def _steps(
    parameters: Iterable[nn.Parameter], count: int, passes: int, generator: torch.Generator
) -> Iterator[Int64[Tensor, "chosen"]]:
    """Batches of indices; after each, the gradients that the caller has left make a step."""
    optimiser = torch.optim.AdamW([each for each in parameters if each.requires_grad], lr=RATE)
    batches = max(count // BATCH, 1)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=passes * batches + 1)
    for _ in range(passes):
        for chosen in torch.randperm(count, generator=generator).tensor_split(batches):
            optimiser.zero_grad()
            yield chosen
            optimiser.step()
            cycle.step()
