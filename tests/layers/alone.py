"""`python -m tests.layers.alone`: layers exported, saved, copied; inputs that are refused.

In a process of its own: the tests' run-time checks would stop torch's tracer, and complex inputs
before the layers see them.
"""

import copy
import io
import pickle
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from workbench import linalg
from workbench.errors import WorkbenchError
from workbench.layers import MatrixConvolution, NormalizedCuts, SecondOrderPooling
from workbench.objectives import contour_loss
from workbench.objectives.regularised import squared

torch.manual_seed(0)
torch.set_num_threads(1)
MAPS = torch.rand(2, 3, 4, 5)
LAYERS: list[tuple[nn.Module, Tensor]] = [
    (SecondOrderPooling(centre=True, vectorised=True), MAPS),
    (SecondOrderPooling("power"), MAPS.double()),
    (MatrixConvolution(3, 2, (3, 3), padding=(1, 1)), MAPS),
    (NormalizedCuts(3, learn_coupling=True), MAPS[0]),
]


def output(layer: Callable, x: Tensor) -> Tensor:
    found = layer(x)
    return found.dense() if isinstance(found, linalg.Affinity) else found


def exported(layer: nn.Module, x: Tensor) -> None:
    """Exported, written, read; and the layer is as it was."""
    before, stream = output(layer, x), io.BytesIO()
    torch.export.save(torch.export.export(layer, (x,)), stream)
    stream.seek(0)
    torch.testing.assert_close(output(torch.export.load(stream).module(), x), before)
    torch.testing.assert_close(output(layer, x), before, rtol=0, atol=0)


def dynamic_batch() -> None:
    batch = torch.export.Dim("batch")
    for layer, x in LAYERS[:3]:
        program = torch.export.export(layer, (x,), dynamic_shapes=({0: batch},), strict=True)
        other = torch.rand(5, *x.shape[1:]).to(x)
        torch.testing.assert_close(program.module()(other), layer(other))


def copied(layer: nn.Module, x: Tensor) -> None:
    expected = output(layer, x)
    other = copy.deepcopy(layer)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    other.load_state_dict(layer.state_dict())
    for twin in (other, pickle.loads(pickle.dumps(layer)), layer.to("cpu")):
        torch.testing.assert_close(output(twin, x), expected, rtol=0, atol=0)
    double = output(other.double(), x.double())
    torch.testing.assert_close(double, expected.double(), rtol=1e-6, atol=1e-6)
    with torch.inference_mode():
        torch.testing.assert_close(output(layer, x), expected, rtol=0, atol=0)
    with torch.no_grad():
        torch.testing.assert_close(output(layer, x), expected, rtol=0, atol=0)


def refused() -> None:
    """Complex and integer inputs at every entrance: a sentence that names the dtype."""
    for dtype in (torch.complex128, torch.complex64, torch.int64, torch.bool):
        a, maps = torch.eye(2).to(dtype), torch.ones(1, 3, 4, 4).to(dtype)
        for call in (
            lambda a=a: linalg.eig(a),
            lambda a=a: linalg.eig(a, method="paper"),
            lambda a=a: linalg.svd(a),
            lambda a=a: linalg.log(a),
            lambda a=a: linalg.exp(a),
            lambda a=a: linalg.gram_log(a),
            lambda a=a: linalg.gram_power(a),
            lambda a=a: linalg.projector(a),
            lambda a=a: linalg.pseudo_inverse(a),
            lambda a=a: linalg.vectorise(a),
            lambda a=a: linalg.Affinity(torch.eye(2)) @ a,
            lambda maps=maps: linalg.PatchOperator(3, 4, 4, (1, 1))(maps),
            lambda maps=maps: linalg.PatchOperator(3, 4, 4, (1, 1)).adjoint(maps[0].flatten(1)),
            lambda a=a: contour_loss(torch.eye(2), a),
            lambda a=a: squared(a, torch.tensor([0, 1])),
            lambda a=a: linalg.Affinity(a),
            lambda a=a: linalg.Affinity(torch.eye(2), a),
            lambda maps=maps: SecondOrderPooling(centre=True)(maps),
            lambda maps=maps: NormalizedCuts(3)(maps[0]),
            lambda maps=maps: MatrixConvolution(3, 2, (1, 1))(maps),
        ):
            with pytest.raises(WorkbenchError, match=str(dtype).removeprefix("torch.")):
                call()


if __name__ == "__main__":
    for one, maps in LAYERS:
        copied(one, maps)
        exported(one, maps)
    dynamic_batch()
    refused()
