"""Photographs recovered from layers: where they must come back, and what is said elsewhere."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torch import Tensor, nn

import workbench
from tests.probe.networks import write_images
from workbench.cli.invert import invert as command
from workbench.errors import WorkbenchError
from workbench.probe.geometry.inversion import Outcome, image_of, total_variation
from workbench.probe.preprocessing import Preprocessing

SMALL = Preprocessing(shorter=32, crop=(32, 32))


def photograph(side: int = 12) -> Tensor:
    """Smooth colours with one bright square."""
    ramp = torch.linspace(0.1, 0.9, side)
    image = torch.stack([ramp.expand(side, side), ramp[:, None].expand(side, side),
                         torch.full((side, side), 0.3)])  # fmt: skip
    image = image.clone()
    image[:, 3:6, 4:8] = 1.0
    return image


def network() -> nn.Sequential:
    """Injective first layer (more channels than values under a leaky ReLU), then lossy ones."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 12, 3, padding=1), nn.LeakyReLU(0.3, inplace=True),
            nn.Conv2d(12, 2, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(50, 4),
        ).eval()  # fmt: skip


@pytest.mark.parametrize("optimiser", ["lbfgs", "adam"])
def test_an_injective_layer_gives_the_photograph_back(optimiser: str) -> None:
    model, wanted = network(), photograph()
    weights = [each.clone() for each in model.state_dict().values()]
    steps = 400 if optimiser == "adam" else 150
    found = workbench.invert(model, wanted, "1", optimiser=optimiser, steps=steps, tolerance=5e-3)
    assert found.psnr > 40
    assert found.converged
    assert "converged: the features are the photograph's" in found.words
    assert 0 <= found.image.min() <= found.image.max() <= 1
    error = float((found.image - wanted).square().mean())
    assert found.psnr == pytest.approx(-10 * np.log10(error), abs=0.01)
    mean, std = (torch.tensor(v)[:, None, None] for v in (SMALL.mean, SMALL.std))
    f, f0 = (model[:2]((x[None] - mean) / std).detach() for x in (found.image, wanted))
    assert found.feature_error == pytest.approx(float((f - f0).norm() / f0.norm()), rel=0.02)
    assert found.history[0].psnr == found.start_psnr < 15
    assert found.steps == len(found.history) - 1 < steps
    for before, after in zip(weights, model.state_dict().values(), strict=True):
        assert torch.equal(before, after)
    assert all(each.grad is None for each in model.parameters())


def test_what_a_lossy_layer_leaves_is_a_lower_bound() -> None:
    found = workbench.invert(network(), photograph(), "5", steps=200)
    assert found.converged, "four numbers are easily met"
    assert found.psnr < 20, "and say little of the photograph"
    short = workbench.invert(network(), photograph(), "3", steps=2)
    assert short.outcome is Outcome.SPENT
    assert "not converged" in short.words
    assert "lower bound" in short.words
    smooth = workbench.invert(network(), photograph(), "1", steps=200, tv_weight=3.0)
    assert smooth.outcome is Outcome.STALLED
    assert total_variation(smooth.image) < 0.8 * total_variation(photograph())


def test_the_total_variation_is_that_of_steps_between_neighbours() -> None:
    edge = torch.zeros(3, 8, 8)
    edge[:, :, 4:] = 1
    assert float(total_variation(edge)) == pytest.approx(1 / 8, abs=2e-3)
    assert float(total_variation(torch.full((3, 8, 8), 0.4))) == pytest.approx(0, abs=1e-6)
    theta = torch.randn(2, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: total_variation(image_of(t)), theta)


def test_layers_behind_are_not_computed() -> None:
    class Refuses(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise AssertionError("computed")

    model = nn.Sequential(*network()[:2], Refuses()).eval()
    assert workbench.invert(model, photograph(), "1", steps=3).steps == 3


class Constant(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * 0 + 1


def test_bad_requests() -> None:
    model, wanted = network(), photograph()
    dead = network()
    dead[2].weight.data.zero_()
    dead[2].bias.data.fill_(-1)
    broken = network()
    broken[0].weight.data[0] = float("nan")
    for network_, image, layer, message in (
        (model, wanted, "nowhere", "none called 'nowhere'"),
        (model, wanted, "*", "which names 6"),
        (network().train(), wanted, "1", "evaluation mode"),
        (dead, wanted, "3", "a dead layer: no unit answers"),
        (nn.Sequential(Constant()).eval(), wanted, "0", "a gradient of 0 at the start"),
        (broken, wanted, "1", "finite features at 1, found NaN"),
        (model, wanted * 255, "1", "divided by 255"),
        (model, wanted * float("nan"), "1", "values from nan"),
        (model, wanted[0], "1", "a photograph: float tensor"),
        (model, wanted[:, :2, :2], "3", "an image that the network takes up to 3"),
    ):
        with pytest.raises(WorkbenchError, match=message.replace("*", ".")):
            workbench.invert(network_, image, layer)
    with pytest.raises(WorkbenchError, match="a start: one colour"):
        workbench.invert(model, wanted, "1", start=torch.zeros(3, 2, 2))
    with pytest.raises(WorkbenchError, match="weight of at least 0"):
        workbench.invert(model, wanted, "1", tv_weight=-1.0)


def test_the_command_writes_a_record_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    images, out = write_images(tmp_path / "images", 1), tmp_path / "out"
    asked = ["tests.probe.networks:convolutional", "--images", str(images), "--layers", "1,4",
             "--size", "32", "--steps", "4", "--beside", "random", "--out", str(out)]  # fmt: skip
    done = CliRunner().invoke(command, asked)
    assert done.exit_code == 0, done.output
    found = pd.read_csv(out / "inversion.csv")
    assert len(found) == 4
    assert set(found.weights) == {"given", "random 1"}
    assert (found.psnr > 0).all()
    assert "| 4 | random 1 |" in (out / "inversion.md").read_text()
    with Image.open(out / "inversion.png") as strip:
        assert 1.2 < strip.width / strip.height < 1.5, "two rows of three pictures"
    items = sorted((out / "items").iterdir())
    times = {each.name: each.stat().st_mtime_ns for each in items}
    items[0].unlink()
    done = CliRunner().invoke(command, asked)
    assert done.exit_code == 0, done.output
    again = {each.name: each.stat().st_mtime_ns for each in (out / "items").iterdir()}
    assert [name for name in times if again[name] != times[name]] == [items[0].name]
    columns = ["photograph", "layer", "weights", "psnr", "feature_error"]
    pd.testing.assert_frame_equal(pd.read_csv(out / "inversion.csv")[columns], found[columns])
    done = CliRunner().invoke(command, [*asked, "--tv", "0.5"])
    assert isinstance(done.exception, WorkbenchError)
    assert "tv_weight 0.5, was 0.0" in str(done.exception)


def test_a_learned_inverse_knows_photographs_that_it_has_not_seen(tmp_path: Path) -> None:
    images = write_images(tmp_path / "images", 10)
    options = {"preprocessing": SMALL, "steps": 80, "batch": 4, "progress": False}
    inverse = workbench.learned_inverse(network(), "2", images, **options)
    assert len(inverse.held_out) == 2
    assert inverse.trained_on == 8
    assert inverse.psnr > np.mean(list(inverse.mean_colour.values())) + 3
    name = next(iter(inverse.held_out))
    with Image.open(images / f"{name}.png") as file:
        pixels = np.array(file)
    decoded = inverse(pixels)
    wanted = torch.from_numpy(SMALL.shown(pixels)).permute(2, 0, 1) / 255
    error = float((decoded - wanted).square().mean())
    assert inverse.held_out[name] == pytest.approx(-10 * np.log10(error), abs=1e-3)
    again = workbench.learned_inverse(network(), "2", images, **options)
    assert again.held_out == inverse.held_out
    with pytest.raises(WorkbenchError, match=r"maps \(batch, channels"):
        workbench.learned_inverse(network(), "4", images, **options)
    with pytest.raises(WorkbenchError, match="photographs of one size"):
        workbench.learned_inverse(
            network(), "2", images, **options | {"preprocessing": Preprocessing(crop=(99, 99))}
        )
