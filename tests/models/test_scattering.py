"""Scattering networks: known properties, and a layer for each order."""

import sys

import pytest
import torch
from torch import Tensor

import workbench
from workbench.errors import WorkbenchError
from workbench.models.scattering import ORDERS, Scattering
from workbench.probe.capture import Capture

SIDE = 64


def bumps(count: int = 6) -> Tensor:
    """Textures that are 0 near the borders."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(count, 1, SIDE, SIDE, generator=generator)
    smooth = torch.nn.functional.avg_pool2d(noise, 3, 1, 1)
    ramp = (torch.arange(SIDE) - (SIDE - 1) / 2).abs()
    window = (ramp < 14).float()
    return smooth * window[:, None] * window


def orders_of(network: Scattering, x: Tensor) -> dict[str, Tensor]:
    with Capture(network, [*ORDERS, "all"]) as capture, torch.inference_mode():
        output = network(x)
        found = capture.outputs
    assert torch.equal(output, found["all"])
    return found


def test_the_orders_are_layers() -> None:
    found = orders_of(Scattering(2, 4), torch.rand(2, 3, 16, 32))
    shapes = {name: tuple(each.shape) for name, each in found.items()}
    assert shapes == {
        "order0": (2, 3, 4, 8), "order1": (2, 24, 4, 8), "order2": (2, 48, 4, 8),
        "all": (2, 75, 4, 8),
    }  # fmt: skip
    images = list(torch.randn(3, 3, 16, 16))
    look = workbench.layer_geometry(Scattering(2, 4).eval(), images, ["order*"], progress=False)
    assert look.table().ratio.notna().all()


def test_distances_and_energy_do_not_grow_and_most_energy_is_kept() -> None:
    x = bumps()
    s = orders_of(Scattering(3), x)["all"]
    norms, energy = x.flatten(1).norm(dim=1), s.flatten(1).norm(dim=1)
    assert (energy <= norms).all()
    assert (energy >= 0.6 * norms).all()  # order 3 and the corners of the spectrum are left out
    assert (torch.pdist(s.flatten(1)) <= torch.pdist(x.flatten(1))).all()
    constant = orders_of(Scattering(3), torch.ones(1, 1, SIDE, SIDE))
    torch.testing.assert_close(constant["order0"].norm(), torch.tensor(64.0), rtol=0.05, atol=0)
    assert constant["order1"].norm() < 1e-3


@pytest.mark.parametrize("pixels", [1, 8])
def test_a_shift_moves_less_than_its_bound_and_less_with_a_larger_scale(pixels: int) -> None:
    x = bumps()
    moved, norms = x.roll(pixels, 3), x.flatten(1).norm(dim=1)
    shares = []
    for scale in (2, 3, 4):
        network = Scattering(scale)
        before, after = orders_of(network, x), orders_of(network, moved)
        for order in ORDERS:
            share = (after[order] - before[order]).flatten(1).norm(dim=1) / norms
            assert (share <= network.shift_bound(float(pixels))).all()
        change = (after["all"] - before["all"]).flatten(1).norm(dim=1)
        shares.append((change / before["all"].flatten(1).norm(dim=1)).median())
    assert shares[0] > 1.2 * shares[1] > 1.2**2 * shares[2]


def test_bad_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WorkbenchError, match="multiples of 2\\^J = 8"):
        Scattering(3)(torch.rand(1, 3, 20, 24))
    with pytest.raises(WorkbenchError, match="at least 1"):
        Scattering(0)
    monkeypatch.setitem(sys.modules, "kymatio.scattering2d.frontend.numpy_frontend", None)
    with pytest.raises(WorkbenchError, match=r"workbench\[scattering\]"):
        Scattering(3)
