"""Selection of the geometry of a classifier of small images, and the interface of its panels."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import panel as pn

from workbench.experiments.images.kept import Kept, KeptNetworks


@dataclass(frozen=True)
class Asked:
    """Selection that a panel is computed from.

    Attributes:
        start: network with random weights.
        network: network that is looked at.
        layer: name of the layer.
        coder: name of the method that makes codes.
        bits: length of the codes.
        query: position of a test image; past the last one, the last.
    """

    start: Kept
    network: Kept
    layer: str
    coder: str
    bits: int
    query: int

    @property
    def networks(self) -> list[Kept]:
        """Network and the start; one where they are the same."""
        return list(dict.fromkeys([self.network, self.start]))


class ImagesPanel(ABC):
    """Panel that is computed away from the event loop, and then shown.

    Attributes:
        controls: names of the parts of the selection that it depends on.
    """

    controls: ClassVar[tuple[str, ...]]

    @abstractmethod
    def compute(self, kept: KeptNetworks, asked: Asked) -> Any:
        """Compute what is shown; may take seconds, and is called in a thread.

        Raises:
            UserError: the store or a network cannot be read, or codes cannot be made.
        """

    @abstractmethod
    def show(self, found: Any) -> None:
        """Show what was computed."""

    @abstractmethod
    def panel(self) -> pn.Column:
        """Layout of the panel."""
