"""Peers: libraries that we compare with. None is required: a missing one is named and left out."""

from dataclasses import dataclass
from importlib import import_module
from types import ModuleType


@dataclass(frozen=True)
class Peer:
    """Library of the `bench` extra.

    Attributes:
        module: name of the module to import.
        requirement: requirement to install, as in pyproject.toml.
    """

    module: str
    requirement: str


TORCHSPD = Peer("torchspd", "torchspd==0.1.2")
SPD_LEARN = Peer("spd_learn.functional", "spd_learn==0.2.1")
GEOOPT = Peer("geoopt.linalg", "geoopt==0.5.1")
NCUT_PYTORCH = Peer("ncut_pytorch", "ncut_pytorch==3.2.0")
FAISS = Peer("faiss", "faiss-cpu==1.15.1")
SCIKIT_LEARN = Peer("sklearn.manifold", "scikit-learn==1.9.1")
SCIKIT_IMAGE = Peer("skimage.graph", "scikit-image==0.26.0")


class Peers:
    """Peers, imported on demand, and the record of those that are missing."""

    def __init__(self) -> None:
        self.missing: dict[str, str] = {}

    def find(self, peer: Peer) -> ModuleType | None:
        """Module of a peer; None where it, or something that it needs, is not installed."""
        try:
            return import_module(peer.module)
        except ImportError as error:
            self.missing[peer.requirement] = str(error)
            return None

    def notes(self) -> list[str]:
        """Sentence for each missing peer, with the command that installs it."""
        return [
            f"{requirement} is not here ({why}); to include it: pip install '{requirement}', "
            "or pip install -e '.[bench]' for all peers"
            for requirement, why in self.missing.items()
        ]
