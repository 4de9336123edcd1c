"""The layer against nn.Conv2d: outputs, gradients, one step of training."""

import pytest
import torch
from torch import nn

from workbench.errors import WorkbenchError
from workbench.layers import MatrixConvolution

OPTIONS = [
    {},
    {"stride": 2, "padding": (2, 1)},
    {"dilation": (1, 2), "bias": False},
    {"padding": "valid"},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_is_conv2d_with_its_gradients(options: dict) -> None:
    theirs = nn.Conv2d(3, 5, (3, 2), dtype=torch.float64, **options)
    ours = MatrixConvolution.of(theirs)
    maps = torch.randn(2, 3, 8, 7, dtype=torch.float64)
    upstream = torch.randn_like(theirs(maps))
    gradients = []
    for layer in (ours, theirs):
        leaf = maps.clone().requires_grad_()
        output = layer(leaf)
        torch.testing.assert_close(output, theirs(maps))
        parameters = dict(layer.named_parameters())
        found = torch.autograd.grad(output, [leaf, *parameters.values()], upstream)
        gradients.append([g.flatten() for g in found])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


def test_takes_one_image_or_a_batch_and_keeps_the_operator() -> None:
    layer = MatrixConvolution(2, 4, (3, 3), padding=(1, 1))
    maps = torch.randn(5, 2, 6, 6)
    torch.testing.assert_close(layer(maps)[3], layer(maps[3]))
    assert layer.operator(6, 6) is layer.operator(6, 6)
    assert layer(maps).shape == (5, 4, 6, 6)
    assert repr(layer) == (
        "MatrixConvolution(2, 4, kernel=(3, 3), stride=(1, 1), padding=(1, 1), "
        "dilation=(1, 1), bias=True)"
    )


@pytest.mark.parametrize(
    "options", [{"groups": 2}, {"padding": "same"}, {"padding": 1, "padding_mode": "reflect"}]
)
def test_what_it_cannot_be_is_named(options: dict) -> None:
    with pytest.raises(WorkbenchError, match="without groups"):
        MatrixConvolution.of(nn.Conv2d(2, 4, 3, **options))
