"""Size of a region classifier: parameters part by part, and the memory of a training step."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from workbench.models.regions import RegionArchitecture, RegionNetwork

FLOAT = 4
"""Bytes of a parameter."""


@dataclass(frozen=True)
class Part:
    """Part of a network.

    Attributes:
        name: name of the part.
        parameters: number of its parameters.
        trained: whether they are trained.
    """

    name: str
    parameters: int
    trained: bool


@dataclass(frozen=True)
class Size:
    """Size of a network, in parameters and memory.

    Attributes:
        entries: length of the pooled vector.
        parts: parts of the network, from the image on.
        batch: number of regions in a step.
        activations: bytes that the forward pass of a batch keeps for the backward pass.
        momentum: buffers of the optimizer for each parameter: 1 for SGD, 2 for AdamW.
    """

    entries: int
    parts: tuple[Part, ...]
    batch: int
    activations: int
    momentum: int

    @property
    def parameters(self) -> int:
        """Number of parameters of all parts."""
        return sum(part.parameters for part in self.parts)

    @property
    def state(self) -> int:
        """Bytes of parameters, and of gradients and optimizer where they are trained."""
        trained = sum(part.parameters for part in self.parts if part.trained)
        return FLOAT * (self.parameters + (1 + self.momentum) * trained)

    def __str__(self) -> str:
        lines = [f"{'part':<12}{'parameters':>13}{'MB':>9}"]
        for part in self.parts:
            frozen = "" if part.trained or not part.parameters else "  frozen"
            size = FLOAT * part.parameters / 1e6
            lines.append(f"{part.name:<12}{part.parameters:>13,}{size:>9.1f}{frozen}")
        size = FLOAT * self.parameters / 1e6
        lines += [
            f"{'all':<12}{self.parameters:>13,}{size:>9.1f}",
            f"the pooled vector has {self.entries:,} entries",
            f"a training step with {self.batch} regions keeps {self.state / 1e6:,.0f} MB of "
            f"parameters, gradients and momentum and {self.activations / 1e6:,.0f} MB of "
            "activations",
        ]
        return "\n".join(lines)


def describe(
    architecture: RegionArchitecture,
    *,
    batch: int = 100,
    side: int = 227,
    frozen: bool = False,
    optimizer: str = "sgd",
) -> Size:
    """Count the parameters, and measure the memory that a training step keeps.

    Activations are measured on the CPU in float32, on two small batches whose difference is that of
    a region; a GPU's allocator and workspaces come on top.

    Args:
        architecture: architecture of the network.
        batch: number of regions in a step.
        side: side of the regions' square frame, pixels.
        frozen: whether the backbone is trained.
        optimizer: "sgd" or "adamw".

    Raises:
        WorkbenchError: there is no such architecture.
    """
    with torch.random.fork_rng():
        network = RegionNetwork(architecture)
        if frozen:
            network.backbone.requires_grad_(False)
        one, two = (_kept(network, count, side) for count in (1, 2))
    parts = tuple(
        Part(
            name,
            sum(p.numel() for p in module.parameters()),
            any(p.requires_grad for p in module.parameters()),
        )
        for name, module in (
            ("backbone", network.backbone),
            ("reduce", network.reduce),
            ("pooling", nn.ModuleList([network.pooling] if network.pooling else [])),
            ("classifier", network.classifier),
        )
    )
    activations = one + (batch - 1) * (two - one)
    return Size(network.entries, parts, batch, activations, 2 if optimizer == "adamw" else 1)


def _kept(network: RegionNetwork, count: int, side: int) -> int:
    """Bytes that autograd keeps of a forward pass of so many regions, parameters apart."""
    own = {p.untyped_storage().data_ptr() for p in (*network.parameters(), *network.buffers())}
    kept: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        address = tensor.untyped_storage().data_ptr()
        if address not in own:
            kept[address] = tensor  # held, so that no other tensor gets its place
        return tensor

    images = torch.rand(count, 3, side, side)
    masks = torch.ones(count, side, side, dtype=torch.bool)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        network.train()(images, masks)
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
