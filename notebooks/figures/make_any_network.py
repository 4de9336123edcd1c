"""README's picture of a foreign network: a photograph, a click, and the cells that are like it.

    WORKBENCH_DATA=/path/to/data python notebooks/figures/make_any_network.py

The network is a VGG-19 that this file builds by itself in plain torch, with the convolution weights
in WORKBENCH_DATA/weights; the photographs are those that scikit-image ships (public domain).
"""

import argparse
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from PIL import Image
from safetensors.torch import load_file
from skimage import data
from torch import nn

from workbench.models.weights import known_weights
from workbench.probe import AcrossImages, Preprocessing
from workbench.probe.start import probe
from workbench.views.style import INK, MARKER, SEQUENTIAL

HERE = Path(__file__).parent
CLICKS = {"chelsea": (105, 225), "astronaut": (150, 215), "coffee": (240, 160)}
"""Pixel (y, x) that is clicked in each photograph."""
ROWS = ("photograph and click", "affinity to the click", "eigenvectors of all three")
LAYER = "features.31"
"""Second ReLU of the last block: 512 features, a cell every 16 pixels."""
SIDE = 448
"""Longest side of the photographs that the network sees, pixels."""


def vgg19() -> nn.Module:
    """VGG-19's convolutions, in plain torch."""
    layers: list[nn.Module] = []
    channels = 3
    for block, (width, count) in enumerate([(64, 2), (128, 2), (256, 4), (512, 4), (512, 4)]):
        layers += [nn.MaxPool2d(2)] * (block > 0)
        for _ in range(count):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
    network = nn.Sequential(OrderedDict(features=nn.Sequential(*layers)))
    weights = {name: each.float() for name, each in load_file(known_weights("vgg19")).items()}
    network.load_state_dict(weights)
    return network.eval()


def main() -> None:
    """Probe the network, draw one row a photograph, write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE / "any-network.jpg")
    out = parser.parse_args().out
    with TemporaryDirectory(prefix="workbench-any-network-") as folder:
        photographs = Path(folder) / "photographs"
        photographs.mkdir()
        for name in CLICKS:
            image = Image.fromarray(getattr(data, name)())
            image.thumbnail((SIDE, SIDE))
            image.save(photographs / f"{name}.png")
        found = probe(
            vgg19(),
            images=photographs,
            layers=[LAYER],
            path=Path(folder) / "probe",
            preprocessing=Preprocessing(longest=SIDE, mean=(0, 0, 0), std=(1, 1, 1)),
        )
        across = AcrossImages(found, LAYER)
        ids = {Path(image).stem: image for image in found.images}
        figure, axes = plt.subplots(3, len(CLICKS), figsize=(9.6, 6.6), layout="constrained")
        for column, (name, click) in zip(axes.T, CLICKS.items(), strict=True):
            draw(column, across, ids[name], click)
        for axis, words in zip(axes[:, 0], ROWS, strict=True):
            axis.set_ylabel(words, color=INK, fontsize=9)
        figure.savefig(out, dpi=110, pil_kwargs={"quality": 88})


def draw(column: Sequence[Axes], across: AcrossImages, name: str, click: tuple[int, int]) -> None:
    """Draw a photograph, the affinity to its click, and its eigenvectors, from top to bottom."""
    image = across.probe.image(name)
    row = torch.from_numpy(across.row(name, click, name))[None]
    fine = across.probe.grid(name, LAYER).interpolate(row, *image.shape[:2])[0].numpy()
    column[0].imshow(image)
    shown = column[1].imshow(fine, cmap=SEQUENTIAL, vmin=0.5, vmax=1)
    column[2].imshow(across.colours(name))
    for axis in column[:2]:
        axis.plot(click[1], click[0], "o", mec=MARKER, mfc="none", ms=11, mew=2.5)
    for axis in column:
        axis.set(xticks=[], yticks=[])
    axis.figure.colorbar(shown, ax=column[1], fraction=0.04)


if __name__ == "__main__":
    main()
