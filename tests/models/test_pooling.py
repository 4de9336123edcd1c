"""Pooling replaced: sizes stay, values are those of the windows."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from workbench.errors import WorkbenchError
from workbench.models.pooling import poolings, with_pooling

POOLS = [
    nn.MaxPool2d(2), nn.MaxPool2d(3, 2), nn.MaxPool2d(3, 2, 1), nn.MaxPool2d(2, 2, 1),
    nn.MaxPool2d((3, 2), (2, 1)), nn.AvgPool2d(3, 3, 1), nn.MaxPool2d(3, 2, ceil_mode=True),
    nn.AvgPool2d(2, ceil_mode=True),
]  # fmt: skip


@pytest.mark.parametrize("pool", POOLS, ids=repr)
@pytest.mark.parametrize("side", [9, 12])
def test_sizes_stay_and_every_kind_reads_the_same_windows(pool: nn.Module, side: int) -> None:
    x = torch.rand(2, 3, side, side + 1)
    made = {kind: with_pooling(pool, kind)(x) for kind in ("given", "average", "maximum", "none")}
    assert {each.shape for each in made.values()} == {pool(x).shape}
    assert torch.equal(made["given"], pool(x))
    assert (made["none"] <= made["maximum"]).all()
    assert (made["average"] <= made["maximum"]).all()
    assert torch.isin(made["none"], x).all()
    ramp = torch.arange(float(side)).expand(1, 1, side, side)  # windows inside: middle near mean
    subsampled, means = with_pooling(pool, "none")(ramp), with_pooling(pool, "average")(ramp)
    assert (subsampled - means).abs().max() <= 1


def test_means_do_not_count_padding() -> None:
    x = torch.rand(1, 2, 8, 8)
    found = with_pooling(nn.Sequential(nn.MaxPool2d(3, 2, 1)), "average")(x)
    expected = functional.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
    torch.testing.assert_close(found, expected)


class Twice(nn.Module):
    """A pooling under two names, an adaptive one, and a pooling in a list."""

    def __init__(self) -> None:
        super().__init__()
        self.a = self.b = nn.MaxPool2d(2)
        self.more = nn.ModuleList([nn.AvgPool2d(2)])
        self.last = nn.AdaptiveAvgPool2d(1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.more[0](self.b(self.a(x))))


def test_all_but_adaptive_pooling_is_replaced_in_a_copy() -> None:
    model = Twice().eval()
    assert poolings(model) == (["a", "b", "more.0"], ["last"])
    plain = with_pooling(model, "none")
    x = torch.rand(1, 1, 16, 16)
    torch.testing.assert_close(plain(x).flatten(), x[..., 7::8, 7::8].mean((2, 3)).flatten())
    assert isinstance(model.a, nn.MaxPool2d)
    assert not any(module.training for module in plain.modules())


def test_bad_requests() -> None:
    with pytest.raises(WorkbenchError, match="without one"):
        with_pooling(nn.Sequential(nn.Conv2d(3, 3, 3)), "none")
    with pytest.raises(WorkbenchError, match="adaptive"):
        with_pooling(nn.Sequential(nn.AdaptiveMaxPool2d(1)), "average")
    with pytest.raises(WorkbenchError, match="dilation 2"):
        with_pooling(nn.Sequential(nn.MaxPool2d(2, dilation=2)), "average")
