"""Figures of networks kept in a folder, so that an interrupted measurement goes on."""

import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from torch import nn

from workbench.probe.geometry.movements import Movement, Reading, Request
from workbench.probe.recording import digest_of_network
from workbench.runs.files import atomic_write, read_json_object, to_json


class Kept:
    """Movements of networks in a folder, by all that they follow from.

    Args:
        folder: folder, made when it is written to; None: nothing is kept.
        ids: ids of the images.
        request: images and transformations.
        layers: names of the layers.
        how: function and call by which a layer's output is taken.
    """

    def __init__(
        self,
        folder: Path | None,
        ids: Sequence[str],
        request: Request,
        layers: Sequence[str],
        how: tuple[Any, ...],
    ) -> None:
        self.folder = folder
        self._digest = xxhash.xxh3_64()
        if folder is not None:
            words = [list(ids), request.view, request.points, list(layers), repr(how)]
            self._digest.update(json.dumps(words).encode())
            for tensor in (request.mean, request.std, *request.images):
                self._digest.update(tensor.numpy().tobytes())

    def read(self, network: nn.Module, weights: str, pooling: str) -> Movement | None:
        """Movement of a network; None where it is not here."""
        if self.folder is None:
            return None
        path = self._path(network, weights, pooling)
        if not path.is_file():
            return None
        found = read_json_object(path)
        readings = tuple(Reading(*each) for each in found.pop("readings"))
        arrays = {
            each.name: np.array(found[each.name], float)
            for each in fields(Movement)
            if isinstance(found.get(each.name), list)
        }
        features = tuple(int(each) for each in found["features"])
        return Movement(**found | arrays | {"readings": readings, "features": features})

    def write(self, network: nn.Module, found: Movement) -> None:
        """Keep the movement of a network."""
        if self.folder is None:
            return
        plain = {each.name: getattr(found, each.name) for each in fields(Movement)}
        with atomic_write(self._path(network, found.weights, found.pooling)) as file:
            file.write(to_json(plain).encode())

    def _path(self, network: nn.Module, weights: str, pooling: str) -> Path:
        assert self.folder is not None
        digest = self._digest.copy()
        digest.update((repr(network) + digest_of_network(network)).encode())
        name = f"{weights.replace(' ', '-')}-{pooling}-{digest.hexdigest()}.json"
        return self.folder / name
