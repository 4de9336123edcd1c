"""Features of images without training: random convolutions, and wavelets.

    features = FEATURES["patches"](64, 0, pixels)    # width, seed, some images without labels
    features(pixels)                                 # (images, features.count) float32

Nothing sees a label. Some images standardise the features, estimate the batch statistics of
`RandomNetwork`, and whiten the patches of `RandomPatches`.

Sources: Huang, Zhu, Siew, "Extreme learning machine", Neurocomputing 2006; Saxe et al., "On random
weights and unsupervised feature learning", ICML 2011; Coates, Lee, Ng, "An analysis of single-layer
networks in unsupervised feature learning", AISTATS 2011 (patches, whitening, pooling over
quarters); Bruna, Mallat, "Invariant scattering convolution networks", PAMI 2013.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d, conv2d, relu, unfold

from workbench.models.random_weights import randomised, with_batch_statistics
from workbench.models.scattering import Scattering
from workbench.models.small_cnn import SmallCNN

Pixels = UInt8[Tensor, "images 3 y x"]
_BATCH = 100
"""Images of a batch of the statistics and of standardisation."""


class RandomNetwork(nn.Module):
    """Blocks of a `SmallCNN` with Gaussian weights: its features before the linear classifier.

    Args:
        width: channels of the first block; 64·width features of 32×32 pixels.
        seed: seed of the weights.
        pixels: images of the batch statistics.
    """

    def __init__(self, width: int, seed: int, pixels: Pixels) -> None:
        super().__init__()
        network = randomised(SmallCNN(width, side=pixels.shape[-1]), seed)
        batches = (SmallCNN.prepare(some) for some in pixels.split(_BATCH))
        network = with_batch_statistics(network, batches)
        self.blocks = nn.Sequential(*(network.get_submodule(f"block{i}") for i in (1, 2, 3)))

    def forward(self, pixels: Pixels) -> Float[Tensor, "images features"]:
        """Maps of the last block, flattened."""
        maps: Tensor = self.blocks(SmallCNN.prepare(pixels))
        return maps.flatten(1)


class RandomPatches(nn.Module):
    """Random convolution of normalised and whitened patches, ±, ReLU, means over quarters.

    A patch p of `SIZE`×`SIZE` pixels becomes z = G W (p̂ − μ), where p̂ = (p − mean(p)) /
    √(var(p) + 10) with values up to 255, W = (C + 0.1)^(−1/2) whitens (μ and C: mean and covariance
    of p̂), and the rows of G are Gaussian of expected norm 1. ReLU(z) and ReLU(−z) are averaged over
    the four quarters of the image.

    Args:
        width: an eighth of the number of filters; 64·width features.
        seed: seed of the filters.
        pixels: images of the whitening.
    """

    SIZE, STRIDE = 6, 1
    CONTRAST, RIDGE = 10.0, 0.1
    IMAGES = 8
    """Images at a time: their maps stay in a processor's cache."""

    filters: Tensor
    offset: Tensor

    def __init__(self, width: int, seed: int, pixels: Pixels) -> None:
        super().__init__()
        entries = 3 * self.SIZE**2
        patches = unfold(pixels.float(), self.SIZE, stride=self.SIZE - 1)
        patches = patches.permute(0, 2, 1).reshape(-1, entries)
        patches = patches - patches.mean(1, keepdim=True)
        patches = (
            patches / (patches.square().mean(1, keepdim=True) + self.CONTRAST).sqrt()
        ).double()
        mean = patches.mean(0)
        values, axes = torch.linalg.eigh((patches - mean).T @ (patches - mean) / len(patches))
        whitening = (axes * (values.clamp(min=0) + self.RIDGE).rsqrt()) @ axes.T
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.randn(8 * width, entries, generator=generator).double() / entries**0.5
        filters = drawn @ whitening
        self.register_buffer("offset", -(filters @ mean).float()[:, None, None])
        filters = (filters - filters.mean(1, keepdim=True)).float()  # of a patch without its mean
        self.register_buffer("filters", filters.view(-1, 3, self.SIZE, self.SIZE))

    def forward(self, pixels: Pixels) -> Float[Tensor, "images features"]:
        """Means over quarters, of positive and of negative parts."""
        return torch.cat([self._pooled(some.float()) for some in pixels.split(self.IMAGES)])

    def _pooled(self, images: Float32[Tensor, "images 3 y x"]) -> Float[Tensor, "images features"]:
        mean = avg_pool2d(images.mean(1, keepdim=True), self.SIZE, self.STRIDE)
        square = avg_pool2d(images.square().mean(1, keepdim=True), self.SIZE, self.STRIDE)
        contrast = (square - mean.square() + self.CONTRAST).rsqrt()
        maps = conv2d(images, self.filters, stride=self.STRIDE)
        maps = maps * contrast.to(maps.dtype) + self.offset.to(maps.dtype)
        positive = relu(maps)
        halves = [adaptive_avg_pool2d(part, 2).flatten(1) for part in (positive, positive - maps)]
        return torch.cat(halves, 1)


class Wavelets(nn.Module):
    """Scattering network of order 2 over 2³ pixels (`Scattering`); nothing of it is random.

    With L directions it has (1 + 3L + 3L²)·48 features of 32×32 pixels.

    Args:
        width: the directions are as many as give at most 64·width features, at least one.
        seed: not used.
        pixels: not used.
    """

    SCALE = 3

    def __init__(self, width: int, seed: int, pixels: Pixels) -> None:
        super().__init__()
        most = 64 * width / 48
        self.network = Scattering(self.SCALE, max(1, int((12 * most - 3) ** 0.5 - 3) // 6))

    def forward(self, pixels: Pixels) -> Float[Tensor, "images features"]:
        """Coefficients of all orders, flattened."""
        maps: Tensor = self.network(pixels.float() / 255)
        return maps.flatten(1)


class Standardised(nn.Module):
    """Features of mean 0 and variance 1 over some images; constant ones become 0.

    Args:
        features: module from pixels to features.
        pixels: images of the means and variances.
        precision: "bf16-mixed": convolutions in bfloat16; else in float32.

    Attributes:
        count: number of features.
    """

    def __init__(self, features: nn.Module, pixels: Pixels, precision: str = "32-true") -> None:
        super().__init__()
        self.features, self.precision = features.eval(), precision
        self.mean, self.scale = torch.zeros(1), torch.ones(1)
        found = torch.cat([self(some) for some in pixels.split(_BATCH)])
        self.mean, deviation = found.mean(0), found.std(0)
        self.scale = torch.where(deviation > 0, 1 / deviation, 0.0)
        self.count = found.shape[1]

    @torch.no_grad()
    def forward(self, pixels: Pixels) -> Float32[Tensor, "images features"]:
        """Standardised features."""
        half = self.precision == "bf16-mixed"
        with torch.autocast(pixels.device.type, torch.bfloat16, enabled=half):
            found: Tensor = self.features(pixels)
        return (found.float() - self.mean) * self.scale


FEATURES: Mapping[str, Callable[[int, int, Tensor], Any]] = MappingProxyType(
    {"network": RandomNetwork, "patches": RandomPatches, "scattering": Wavelets}
)
"""Features by name: from width, seed and images without labels to a module."""
