"""Short trainings of a `SmallCNN` on given images: nothing is kept but the network.

Trainings into run folders, which can be watched and go on after a stop, are those of `training`.
"""

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor
from torch.nn.functional import cross_entropy

from workbench.data.augment import Augmentation
from workbench.models.small_cnn import SmallCNN
from workbench.training.images.config import ImageConfig


def train_shortly(
    pixels: UInt8[Tensor, "images 3 y x"],
    labels: Int64[Tensor, "images"],
    *,
    classes: int,
    steps: int,
    config: ImageConfig,
) -> SmallCNN:
    """Train a network from random weights with SGD, images mirrored and shifted at random.

    Args:
        pixels: images.
        labels: categories.
        classes: number of categories.
        steps: number of steps; in a pass each image comes once.
        config: width, batch, learning rate and its cycle, weight decay, augmentation, seed,
            precision; the rest is not used.

    Returns:
        The network in evaluation mode.
    """
    augment = Augmentation(config.mirror, config.jitter)
    planes = pixels.permute(0, 2, 3, 1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = SmallCNN(config.width, classes, pixels.shape[-1]).train()
        optimizer = torch.optim.SGD(
            model.parameters(), momentum=0.9, weight_decay=config.weight_decay
        )
        cycle = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, config.learning_rate, total_steps=steps, pct_start=config.warmup,
            cycle_momentum=False,
        )  # fmt: skip
        order: list[Tensor] = []
        for _ in range(steps):
            order = order or list(torch.randperm(len(labels)).split(config.batch))
            chosen = order.pop()
            (moved,) = augment([planes[chosen].contiguous()], torch.rand(len(chosen), 3))
            inputs = model.prepare(moved.permute(0, 3, 1, 2))
            half = config.precision == "bf16-mixed"
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                logits = model(inputs)
            cross_entropy(logits.float(), labels[chosen]).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip)
            optimizer.step()
            optimizer.zero_grad()
            cycle.step()
    return model.eval()
