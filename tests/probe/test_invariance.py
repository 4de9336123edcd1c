"""Invariance of layers: against exact cases, direct computation, and bad requests."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

import workbench
from workbench.cli.invariance import invariance
from workbench.errors import WorkbenchError
from workbench.probe.geometry.invariance_result import Invariance
from workbench.probe.geometry.transformations import Point, transformed
from workbench.probe.preprocessing import Preprocessing

SIDE = 16
PLAIN = Preprocessing(crop=(SIDE, SIDE), mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
WIDE = Preprocessing(crop=(SIDE, SIDE))


def images(count: int = 4, side: int = 32) -> list[Tensor]:
    return list(torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(1)))


def measured(model: nn.Module, layers: object = "*", **options: object) -> Invariance:
    settings = {
        "images": images(), "transformations": {"shift": [2.0]}, "preprocessing": PLAIN,
        "progress": False,
    } | options  # fmt: skip
    found: Invariance = workbench.invariance(model.eval(), layers=layers, **settings)
    return found


def network() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 5, 3, padding=1, padding_mode="circular"), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(5, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3),
        ).eval()  # fmt: skip


def test_circular_convolutions_averaged_over_positions_are_invariant_to_shifts() -> None:
    periodic = [each[:, :SIDE, :SIDE].tile(1, 3, 3) for each in images()]
    shifts = {"shift": [1.0, 3.0, 8.0]}
    table = measured(network(), ["0", "1"], images=periodic, transformations=shifts).table()
    assert table[table.positions == "averaged"].movement.max() < 1e-5
    assert table[table.positions == "kept"].movement.min() > 0.1


@pytest.mark.parametrize("memory", [2.0, 1e-9])
def test_the_movement_of_an_identity_is_the_direct_one(memory: float) -> None:
    """With all images held, and with one at a time."""
    x = torch.stack(images())
    points = {"shift": [2.0, 0.0], "gain": [2.0]}
    look = measured(nn.Sequential(nn.Identity()), transformations=points, memory=memory)
    view, shifted = x[:, :, 8:24, 8:24].flatten(1), x[:, :, 8:24, 6:22].flatten(1)
    apart = torch.cdist(view, view)
    others = torch.stack([apart[i, torch.arange(4) != i].quantile(0.5) for i in range(4)])
    rows = look.images_table().query("layer == '0' and positions == 'kept' and amount == 2")
    expected = {
        "shift": (view - shifted).norm(dim=1) / others, "gain": view.norm(dim=1) / others,
    }  # fmt: skip
    for name, values in expected.items():
        found = rows[rows.transformation == name]
        np.testing.assert_allclose(found.movement, values, rtol=1e-4)
    angles = torch.cosine_similarity(view, shifted).acos()
    np.testing.assert_allclose(rows[rows.transformation == "shift"].angle, angles, rtol=1e-4)
    np.testing.assert_allclose(rows[rows.transformation == "gain"].angle, 0, atol=1e-6)
    table = look.table().set_index(["layer", "positions", "transformation", "amount"])
    row = table.loc[("0", "kept", "shift", 2)]
    ratios = expected["shift"].double()
    assert row.movement == pytest.approx(float(ratios.quantile(0.5)), rel=1e-4)
    assert row.movement_95 == pytest.approx(float(ratios.quantile(0.95)), rel=1e-4)
    assert table.loc[("0", "kept", "shift", 0)].movement == 0
    assert table.movement["input"].equals(table.movement["0"])


def test_transformations_of_an_image() -> None:
    x, view = images(1)[0], (SIDE, SIDE)
    middle = x[:, 8:24, 8:24]
    turned = transformed(x, view, Point("turn", 90.0))
    torch.testing.assert_close(turned, middle.rot90(1, (1, 2)), atol=1e-4, rtol=0)
    smooth = gaussian_filter(x.double().numpy(), 2, axes=(1, 2), truncate=3)[:, 8:24, 8:24]
    np.testing.assert_allclose(transformed(x, view, Point("blur", 2.0)), smooth, atol=1e-5)
    ramp = torch.arange(32.0).expand(3, 32, 32)
    columns = torch.arange(8.0, 24)
    for point, expected in (  # bicubic interpolation leaves a ramp within .05
        (Point("shift", 2.5), columns - 2.5), (Point("scale", 2.0), (columns - 15.5) / 2 + 15.5),
        (Point("gamma", 2.0), columns**2),
        (Point("gradient", 0.5), columns * (1 + 0.5 * torch.linspace(-1, 1, 16))),
    ):  # fmt: skip
        found = transformed(ramp, view, point)
        torch.testing.assert_close(found, expected.expand(3, 16, 16), atol=0.05, rtol=1e-4)


def test_pooling_changes_what_follows_it_and_random_weights_stand_beside() -> None:
    kinds = ["given", "maximum", "average", "none"]
    layers = ["1", "2", "6"]
    look = measured(network(), layers, pooling=kinds, beside="random", draws=2, count=3)
    table = look.table()
    assert list(table.weights.unique()) == ["given", "random 1", "random 2"]
    moved = table.pivot_table("movement", ["weights", "layer", "positions"], "pooling")
    assert (moved.xs("1", level="layer").nunique(axis=1) == 1).all()
    assert (moved.xs("2", level="layer").nunique(axis=1) == 3).all()
    np.testing.assert_array_equal(moved["given"], moved["maximum"])
    assert ("6", "averaged") not in set(zip(table.layer, table.positions, strict=True))
    assert "random 2" in repr(look)


@pytest.mark.parametrize(("change", "said"), [(0.0, "dead"), (float("nan"), "NaN")])
def test_dead_layers_and_nan_are_outcomes(change: float, said: str) -> None:
    model = network()
    model[0].weight.data.fill_(change)
    model[0].bias.data.zero_()
    look = measured(model, ["1"])
    rows = look.table().query("layer == '1'")
    assert rows.outcome.str.contains(said).all()
    assert rows.movement.isna().all()
    assert said in repr(look)


def test_figures_are_kept_and_found_again(tmp_path: Path) -> None:
    model, runs = network(), []
    model[0].register_forward_hook(lambda *_: runs.append(1))
    first = measured(model, "1", keep=tmp_path)
    before = len(runs)
    again = measured(model, "1", keep=tmp_path)
    assert len(runs) == before
    pd.testing.assert_frame_equal(first.table(), again.table())
    model[0].weight.data.mul_(2)
    measured(model, "1", keep=tmp_path)
    assert len(runs) == 2 * before


def test_bad_requests() -> None:
    model = network()
    with pytest.raises(WorkbenchError, match="evaluation mode"):
        workbench.invariance(network().train(), images(), "1", preprocessing=PLAIN)
    with pytest.raises(WorkbenchError, match="at least two images"):
        measured(model, images=images(1))
    with pytest.raises(WorkbenchError, match="transformations out of shift"):
        measured(model, transformations="mirror")
    with pytest.raises(WorkbenchError, match="between 0 and inf"):
        measured(model, transformations={"scale": [-1.0]})
    for name, amount in (("shift", 9.0), ("turn", 45.0), ("scale", 0.4), ("blur", 3.0)):
        big = images(side=20 if name == "turn" else 32)
        with pytest.raises(WorkbenchError, match="stays in the image"):
            measured(model, images=big, transformations={name: [amount]})
    with pytest.raises(WorkbenchError, match="with a crop"):
        measured(model, preprocessing=Preprocessing())
    with pytest.raises(WorkbenchError, match="at least the crop's"):
        measured(model, images=images(side=8))


def test_the_command_writes_a_record_and_pictures(tmp_path: Path) -> None:
    for name in "ab":
        noise = np.random.default_rng(ord(name)).integers(0, 255, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / f"{name}.png")
    out = tmp_path / "out"
    options = [
        "--images", str(tmp_path), "--layers", "1,3", "--transformations", "shift",
        "--beside", "random", "--beside", "scattering",
        "--scale", "1", "--out", str(out),
    ]  # fmt: skip
    done = CliRunner().invoke(invariance, ["tiny", *options])
    assert done.exit_code == 0, done.output
    found = pd.read_csv(out / "invariance.csv")
    assert set(found.network) == {"tiny", "scattering"}
    assert found.query("layer == 'relu3' and weights == 'random 1'").movement.notna().all()
    assert "| relu3 | random 1 | given |" in (out / "invariance.md").read_text()
    assert "dead" in (out / "invariance.md").read_text()  # J = 1 has no paths of order 2
    for picture in ("layers", "layers-averaged", "amounts", "bound"):
        assert (out / f"{picture}.png").stat().st_size > 2000
