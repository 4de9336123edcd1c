"""Neural hashing: a siamese tanh network (Masci, Migliore, Bronstein and Schmidhuber, 2012).

The loss is `objectives.metric.contrastive` of the network's outputs, which are in (−1, 1). The
pairs of a step are all of its batch.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float64
from torch import nn

from workbench.hashing.hasher import Hasher, Labelled, Vectors
from workbench.objectives.metric import contrastive


@dataclass
class NeuralHash(Hasher):
    """Network of one or two layers with tanh on each, trained on pairs by AdamW.

    Attributes:
        layers: 1, or 2 with a hidden layer.
        hidden: its width; 0: four times the bits.
        passes: over the labelled vectors.
        batch: vectors a step.
        learning_rate: highest, in the middle of one cycle.
        margin: M; 0: √(2 bits), the root of half the largest squared distance.
        weight_decay: of AdamW.
    """

    layers: Literal[1, 2] = 1
    hidden: int = 0
    passes: int = 60
    batch: int = 200
    learning_rate: float = 3e-3
    margin: float = 0.0
    weight_decay: float = 1e-4
    supervised: ClassVar[bool] = True

    def _learn(self, labelled: Labelled, pool: Vectors) -> None:
        x = torch.from_numpy(labelled.vectors).float()
        self.mean = x.mean(0)
        self.deviation = x.std(0).clamp(min=1e-12)
        x = (x - self.mean) / self.deviation
        labels = torch.from_numpy(labelled.labels).long()
        margin = self.margin or (2 * self.bits) ** 0.5
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            torch.manual_seed(self.seed)
            self.network = self._network(x.shape[1])
            steps = self.passes * -(-len(x) // self.batch)
            rate = self.learning_rate
            optimizer = torch.optim.AdamW(
                self.network.parameters(), lr=rate, weight_decay=self.weight_decay
            )
            cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
            for _ in range(self.passes):
                for rows in torch.randperm(len(x)).split(self.batch):
                    optimizer.zero_grad()
                    contrastive(self.network(x[rows]), labels[rows], margin).backward()
                    optimizer.step()
                    cycle.step()

    def _network(self, features: int) -> nn.Sequential:
        widths = [features, self.hidden or 4 * self.bits, self.bits]
        if self.layers == 1:
            widths = [features, self.bits]
        parts = [part for a, b in pairwise(widths) for part in (nn.Linear(a, b), nn.Tanh())]
        return nn.Sequential(*parts)

    @torch.no_grad()
    def _values(self, x: Float64[np.ndarray, "n d"]) -> Float64[np.ndarray, "n bits"]:
        standard = (torch.from_numpy(x).float() - self.mean) / self.deviation
        return np.asarray(self.network(standard).double().numpy())
