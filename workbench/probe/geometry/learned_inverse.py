"""Learned inverse of a layer: a decoder that gives photographs from features in one pass.

    inverse = workbench.learned_inverse(model, "relu9", "photographs/", preprocessing=small)
    inverse.psnr                       # of photographs that it was not trained on
    inverse(photograph)                # (3, height, width) in [0, 1], from the features alone

Beside `invert`, which searches an image for each photograph, the decoder knows how photographs
look: it plays the projection onto their set. Its mean squared error is least for the mean of all
photographs with the given features, so its pictures are blurred where information is lost.

Source: Dosovitskiy, Brox, "Inverting Visual Representations with Convolutional Networks", CVPR 2016
(arXiv 1506.02753). Departures: upsampling and 3×3 convolutions with reflection padding in place of
transposed convolutions.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from tqdm.auto import tqdm

from pipelines.errors import UserError
from workbench.data.photos import Pixels
from workbench.errors import WorkbenchError
from workbench.probe.capture import Capture, Select, named_layers
from workbench.probe.geometry.inversion import photograph_of, psnr
from workbench.probe.geometry.inversion_result import Photograph
from workbench.probe.images import image_source
from workbench.probe.preprocessing import Preprocessing, preprocessing_of

NARROW = 32
"""Least number of channels of the decoder's hidden maps."""
LEAST = 5
"""Least number of photographs, to train on and held out together."""


class Decoder(nn.Module):
    """Mirror of a layer: blocks of 3×3 convolution, ReLU, upsampling by 2; then two convolutions.

    Args:
        channels: channels of the layer's maps.
        grid: rows and columns of the maps.
        size: height and width of the photographs.
        scale: root mean square of the features, by which they are divided.
    """

    scale: Tensor

    def __init__(
        self, channels: int, grid: tuple[int, int], size: tuple[int, int], scale: float
    ) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("scale", torch.tensor(scale))
        blocks: list[nn.Module] = []
        while grid[0] * 2 <= size[0] and grid[1] * 2 <= size[1]:
            narrower = max(channels // 2, NARROW)
            blocks += [*_convolution(channels, narrower), nn.ReLU(), nn.Upsample(scale_factor=2)]
            channels, grid = narrower, (2 * grid[0], 2 * grid[1])
        blocks += [*_convolution(channels, NARROW), nn.ReLU(), *_convolution(NARROW, 3)]
        self.blocks = nn.Sequential(*blocks)

    def forward(
        self, features: Float[Tensor, "batch channels rows columns"]
    ) -> Float[Tensor, "batch 3 height width"]:
        """Photographs in [0, 1] from the layer's maps."""
        found = self.blocks(features / self.scale)
        if found.shape[2:] != self.size:
            found = nn.functional.interpolate(found, self.size, mode="bilinear")
        images: Tensor = found.sigmoid()
        return images


def _convolution(channels: int, wanted: int) -> tuple[nn.Module, nn.Module]:
    return nn.ReflectionPad2d(1), nn.Conv2d(channels, wanted, 3)


@dataclass(frozen=True, eq=False)
class LearnedInverse:
    """Decoder of a layer, and how near it comes to photographs that it was not trained on.

    Attributes:
        layer: name of the layer.
        decoder: trained decoder.
        held_out: PSNR in dB of each photograph held out, by id.
        mean_colour: PSNR in dB of the trained photographs' mean colour in place of each of these.
        trained_on: number of photographs that it was trained on.
        losses: mean squared error of every training step.
        left_out: photograph → reason, of those that could not be read.
        features: function from photographs (batch, 3, height, width) in [0, 1] to the features.
        preprocessing: preprocessing of photographs.
    """

    layer: str
    decoder: Decoder
    held_out: dict[str, float]
    mean_colour: dict[str, float]
    trained_on: int
    losses: tuple[float, ...]
    left_out: dict[str, str]
    features: Callable[[Tensor], Tensor]
    preprocessing: Preprocessing

    @property
    def psnr(self) -> float:
        """Mean PSNR of the photographs held out, dB."""
        return float(np.mean(list(self.held_out.values())))

    def __call__(self, image: Any) -> Photograph:
        """Photograph decoded from its features at the layer; `image` as `invert` takes it."""
        photograph = photograph_of(image, self.preprocessing)
        with torch.no_grad():
            found: Tensor = self.decoder(self.features(photograph[None]))[0]
        return found.cpu()

    def __repr__(self) -> str:
        return (
            f"decoder of {self.layer}: PSNR {self.psnr:.1f} dB on {len(self.held_out)} photographs "
            f"held out (one mean colour: {np.mean(list(self.mean_colour.values())):.1f} dB), "
            f"trained on {self.trained_on} in {len(self.losses)} steps"
        )


def learned_inverse(
    model: nn.Module,
    layer: str,
    images: Any,
    *,
    preprocessing: Any = None,
    steps: int = 500,
    batch: int = 8,
    rate: float = 2e-3,
    held_out: float = 0.2,
    seed: int = 0,
    output: Select | None = None,
    call: int | None = None,
    progress: bool = True,
) -> LearnedInverse:
    """Train a decoder of a layer on photographs: random crops, mirrored or not, squared error.

    Args:
        model: network in evaluation mode, on any device; it is not changed.
        layer: name of a layer with maps (batch, channels, rows, columns) of at least 2×2.
        images: as `workbench.probe` takes them, at least 5 that can be read.
        preprocessing: as `workbench.probe` takes it; photographs must come out at one size, so it
            should state a `crop`.
        steps: steps of Adam, with one cycle of the learning rate.
        batch: photographs in a step.
        rate: highest learning rate.
        held_out: share of the photographs that is kept for the PSNR alone, at least one.
        seed: seed of the division, the crops and the decoder's first weights.
        output, call: see `invert`.
        progress: show a bar.

    Raises:
        WorkbenchError: no such layer, a layer without maps, a model in training mode, too few
            photographs, photographs of different sizes.
    """
    names = named_layers(model, layer)
    if len(names) != 1 or any(module.training for module in model.modules()):
        raise WorkbenchError(
            "one layer of a network in evaluation mode",
            f"{len(names)} layers" if len(names) != 1 else "a module in training mode",
            "name one, and call model.eval() first",
        )
    prepared = preprocessing_of(model, preprocessing)
    frames, left_out = _frames(images, prepared)
    capture = Capture(model, names, output, call)
    features = _features_of(model, capture, prepared)
    order = np.random.default_rng(seed).permutation(list(frames))
    kept = max(1, round(held_out * len(order)))
    held, trained = order[:kept].tolist(), [frames[id] for id in order[kept:]]
    size = _size(frames, prepared)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        draw = _Crops(trained, size, seed)
        decoder = _decoder(features(draw(batch)), layer, size)
        losses = _trained(decoder, features, draw, steps, batch, rate, progress)
    mean = torch.stack([_pixels(each).mean((1, 2)) for each in trained]).mean(0)
    found = LearnedInverse(
        layer, decoder.eval(), {}, {}, len(trained), losses, left_out, features, prepared
    )
    originals = {id: _middle(frames[id], size) for id in held}
    return replace(
        found,
        held_out={id: psnr(found(each), each) for id, each in originals.items()},
        mean_colour={
            id: psnr(mean[:, None, None].expand_as(each), each) for id, each in originals.items()
        },
    )


def _features_of(
    model: nn.Module, capture: Capture, preprocessing: Preprocessing
) -> Callable[[Tensor], Tensor]:
    def features(photographs: Tensor) -> Tensor:
        like = next(model.parameters(), photographs)
        mean, std = (
            torch.tensor(values)[:, None, None]
            for values in (preprocessing.mean, preprocessing.std)
        )
        with torch.no_grad(), capture:
            return capture.until_reached(((photographs - mean) / std).to(like))[capture.names[0]]

    return features


def _frames(images: Any, preprocessing: Preprocessing) -> tuple[dict[str, Pixels], dict[str, str]]:
    """Photographs by id, resized and not cropped, and the reasons of those that cannot be read."""
    source, whole = image_source(images), replace(preprocessing, crop=None)
    frames: dict[str, Pixels] = {}
    left_out: dict[str, str] = {}
    for number, id in enumerate(source.ids):
        try:
            image = source.read(number).image
            if not isinstance(image, np.ndarray):
                raise WorkbenchError(
                    "photographs", "an image that is prepared already", "give files"
                )
            frames[id] = whole.shown(image)
        except (UserError, OSError) as error:
            left_out[id] = str(error)
    if len(frames) < LEAST:
        raise WorkbenchError(
            f"at least {LEAST} photographs, some to train on and some held out",
            f"{len(frames)} of {source.title}",
            "give a folder with more",
        )
    return frames, left_out


def _size(frames: dict[str, Pixels], preprocessing: Preprocessing) -> tuple[int, int]:
    """Height and width of the photographs."""
    sizes = {frame.shape[:2] for frame in frames.values()}
    wanted = preprocessing.crop or min(sizes)
    smaller = [size for size in sizes if size[0] < wanted[0] or size[1] < wanted[1]]
    if smaller or (preprocessing.crop is None and len(sizes) > 1):
        raise WorkbenchError(
            "photographs of one size",
            f"{len(sizes)} sizes, {min(sizes)} the smallest",
            "crop them: preprocessing=Preprocessing(shorter=64, crop=(64, 64))",
        )
    return wanted[0], wanted[1]


class _Crops:
    """Batches of random crops, half of them mirrored."""

    def __init__(self, frames: list[Pixels], size: tuple[int, int], seed: int) -> None:
        self._frames, self._size = frames, size
        self._random = np.random.default_rng(seed)

    def __call__(self, count: int) -> Float[Tensor, "count 3 height width"]:
        height, width = self._size
        crops = []
        for number in self._random.integers(len(self._frames), size=count):
            frame = self._frames[number]
            top = self._random.integers(frame.shape[0] - height + 1)
            left = self._random.integers(frame.shape[1] - width + 1)
            crop = frame[top : top + height, left : left + width]
            crops.append(_pixels(crop[:, ::-1] if self._random.random() < 0.5 else crop))
        return torch.stack(crops)


def _pixels(frame: Pixels) -> Photograph:
    return torch.from_numpy(frame.copy()).permute(2, 0, 1).float() / 255


def _middle(frame: Pixels, size: tuple[int, int]) -> Photograph:
    top, left = ((a - b) // 2 for a, b in zip(frame.shape[:2], size, strict=True))
    return _pixels(frame[top : top + size[0], left : left + size[1]])


def _decoder(features: Tensor, layer: str, size: tuple[int, int]) -> Decoder:
    """Decoder for a layer's features, on their device."""
    if features.dim() != 4 or min(features.shape[2:]) < 2:
        raise WorkbenchError(
            f"maps (batch, channels, rows, columns) of at least 2×2 at {layer}",
            f"{tuple(features.shape)}",
            "name an earlier layer, or enlarge the photographs",
        )
    scale = float(features.float().square().mean().sqrt())
    if not (0 < scale < float("inf")):
        raise WorkbenchError(
            f"finite features at {layer} that are not all 0",
            "a dead layer" if scale == 0 else "NaN or infinity",
            "name an earlier layer, or check the network's weights",
        )
    grid = (features.shape[2], features.shape[3])
    return Decoder(features.shape[1], grid, size, scale).to(features)


def _trained(
    decoder: Decoder,
    features: Callable[[Tensor], Tensor],
    draw: _Crops,
    steps: int,
    batch: int,
    rate: float,
    progress: bool,
) -> tuple[float, ...]:
    optimiser = torch.optim.Adam(decoder.parameters())
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    losses = []
    with torch.enable_grad():
        for _ in tqdm(range(steps), unit="step", disable=not progress):
            photographs = draw(batch)
            found = decoder(features(photographs))
            loss = (found - photographs.to(found)).square().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            cycle.step()
            losses.append(float(loss.detach()))
    return tuple(losses)
