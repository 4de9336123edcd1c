"""Small networks that the project does not know, and images to show them."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from pipelines.label_maps import encode_mat


def convolutional(seed: int = 0) -> nn.Sequential:
    """Three strided convolutions, like the beginning of a ResNet: cells at stride 2, 8, 16."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(3, 8, 7, 2, 3),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, 1),
            nn.Conv2d(8, 12, 3, 2, 1),
            nn.Tanh(),
            nn.Conv2d(12, 6, 3, 2, 1),
            nn.Tanh(),
        ).eval()


class Tokens(nn.Module):
    """A tiny vision transformer: a class token, patches of 8 pixels, two mixing blocks."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 8, 8)
        self.first = nn.Parameter(torch.randn(1, 1, width))
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(width, 2, 32, batch_first=True) for _ in range(2)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Logits of two classes."""
        tokens = self.patches(x).flatten(2).mT
        tokens = torch.cat([self.first.expand(len(x), -1, -1), tokens], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        return tokens[:, 0, :2]


def write_truths(folder: Path, count: int = 4, size: tuple[int, int] = (64, 48)) -> Path:
    """Label maps of the two halves of `write_images`: BSDS's form, two annotators an image."""
    folder.mkdir(parents=True, exist_ok=True)
    halves = np.ones(size, np.uint16)
    halves[:, size[1] // 2 :] = 2
    quarters = halves + 2 * (np.arange(size[0])[:, None] >= size[0] // 2).astype(np.uint16)
    for number in range(count):
        content = encode_mat([halves, quarters], [halves, quarters])
        (folder / f"photo{number}.mat").write_bytes(content)
    return folder


def write_images(folder: Path, count: int = 4, size: tuple[int, int] = (64, 48)) -> Path:
    """Photographs of two halves, left dark and right light, with noise."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    height, width = size
    for number in range(count):
        pixels = random.integers(0, 60, (height, width, 3))
        pixels[:, width // 2 :] += 150
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"photo{number}.png")
    return folder
