"""Geometry while a network trains: its figures, its pace, its alarms, and what it leaves alone."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import workbench
from tests.probe.networks import Tokens, convolutional
from workbench.errors import WorkbenchError
from workbench.geometry.cloud_figures import cloud_figures
from workbench.geometry.gram import inner_products
from workbench.probe import TrainingRecord
from workbench.probe.geometry.live import LiveGeometry
from workbench.probe.geometry.pace import Pace, round_up
from workbench.runs import Run
from workbench.runs.alarms import alarms
from workbench.runs.geometry import FIGURES, geometry_layers
from workbench.views.training.live import live_lines, measured_charts


def images(count: int = 8, side: int = 32) -> Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1))


def test_figures_are_those_of_layer_geometry_on_the_same_images() -> None:
    model, x = convolutional(), images()
    found = LiveGeometry(model, ["1", "6"], x, batch=1)(0)
    table = workbench.layer_geometry(model, list(x), ["1", "6"], progress=False).table()
    for row in table[table.layer != "input"].to_dict("records"):
        live = {name: found[f"{row['layer']} {name}"] for name in FIGURES}
        expected = (
            row["squared_width"], row["width"] / row["ceiling"], row["stable_dimension"],
            row["effective_rank"], row["angle"], row["ratio"], 0.0,
        )  # fmt: skip
        assert list(live.values()) == pytest.approx(expected, rel=1e-6)
    assert found["geometry samples"] == 8
    batched = LiveGeometry(model, ["1", "6"], x, batch=3)(0)
    assert batched["1 median angle"] == pytest.approx(found["1 median angle"], rel=1e-6)


def test_a_loop_is_measured_now_and_then_and_trains_as_without(tmp_path: Path) -> None:
    weights = []
    for measured in (True, False):
        with torch.random.fork_rng():
            torch.manual_seed(3)
            model = Tokens().train()  # with dropout
            model.patches.eval()
            with TrainingRecord(tmp_path / f"{measured}", model) as training:
                if measured:
                    training.geometry(["patches", "blocks.*"], images(), every=3)
                    training.probe("blocks.1", every=2)
                _loop(training, model, 7)
            assert model.training
            assert not model.patches.training
            weights.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    assert torch.equal(*weights)
    run = Run.open(tmp_path / "True")
    table = run.metrics()
    assert geometry_layers(run.series()) == ["patches", "blocks.0", "blocks.1"]
    dimension = table["blocks.1 stable dimension"].dropna()
    assert dimension.index.tolist() == [0, 3, 6, 7], "before, every third step, and at the end"
    assert dimension.nunique() > 1
    assert table["blocks.1 effective rank"].notna().sum() == 4, "validation passes are not probed"
    assert not alarms(run.series())
    charts = [each for each in measured_charts(table.columns) if each.title.endswith("by layer")]
    assert len(charts) == 4
    assert charts[0].log
    assert len(live_lines(run.series(), charts)) == 12


def _loop(training: TrainingRecord, model: nn.Module, steps: int) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for _ in range(steps):
        loss = model(torch.randn(4, 3, 32, 32)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        training.step(loss=loss)


class _TwoInputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 4)

    def forward(self, x: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        return self.inner(x) * scale, scale


def test_samples_are_tensors_several_or_by_name() -> None:
    x, scale = torch.rand(6, 3), torch.ones(6, 1)
    by_place = LiveGeometry(_TwoInputs(), "inner", (x, scale))
    by_name = LiveGeometry(by_place._network, "inner", {"scale": scale, "x": x})
    assert by_place(0)["inner stable dimension"] == by_name(0)["inner stable dimension"]
    assert np.isnan(by_name.measure(9)["inner median angle ratio"]), (
        "of inputs that all point one way"
    )


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda weight, bias: (weight.zero_(), bias.fill_(-1.0)), "layer 1 is dead"),
        (lambda weight, bias: (weight.zero_(), bias.fill_(1.0)), "the same features at layer 1"),
        (lambda weight, bias: (weight.mul_(1e-4), bias.fill_(1.0)), "angle between samples at lay"),
        (lambda weight, bias: bias.fill_(torch.nan), "layer 1 has features that are NaN"),
    ],
)
@pytest.mark.parametrize("kind", ["series", "metrics"])
def test_a_layer_that_collapses_raises_one_alarm(
    damage: object, words: str, kind: str, tmp_path: Path
) -> None:
    model = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 6), nn.ReLU())
    x = torch.randn(9, 5, generator=torch.Generator().manual_seed(0))
    training = TrainingRecord(tmp_path / "run", model)
    training.geometry(["1", "3"], x, every=2)
    training.step(loss=1.0)
    assert not alarms(getattr(training.run, kind)())
    with torch.no_grad():
        damage(model[0].weight, model[0].bias)  # type: ignore[operator]
    training.step(loss=1.0)
    training.step(loss=1.0)
    (alarm,) = alarms(getattr(training.run, kind)())
    assert words in alarm.what
    assert "collapsed too: 3" in alarm.what
    assert alarm.step == 2


def test_points_far_from_zero_keep_their_geometry() -> None:
    x = torch.randn(20, 50, generator=torch.Generator().manual_seed(0))
    near, far = (cloud_figures(inner_products(x + offset)) for offset in (0.0, 3000.0))
    assert far.stable_dimension == pytest.approx(near.stable_dimension, rel=0.02)
    assert far.effective_rank == pytest.approx(near.effective_rank, rel=1e-2)
    assert far.angle < 1e-3 < near.angle
    assert far.ceiling_ratio == pytest.approx(near.ceiling_ratio, rel=0.02)
    alike = cloud_figures(inner_products(x[:1].expand(5, -1) * (1 + 1e-7 * torch.rand(5, 1))))
    assert (alike.squared_width, alike.stable_dimension, alike.effective_rank) == (0, 0, 0)


def test_the_pace_keeps_its_share_of_the_time() -> None:
    now = 0.0
    pace = Pace(share=0.05, clock=lambda: now)
    taken, spent = [], 0.0
    for step in range(2001):
        now += 0.1 if step < 1000 else 1.0  # later steps are slower: less of them lie between
        if pace.due(step):
            cost = 0.7 if step < 500 else 7.0
            now, spent = now + cost, spent + cost
            pace.took(step, cost)
            taken.append(step)
    assert taken[:3] == [0, 200, 400]
    assert spent - 0.7 <= 0.05 * (now - spent)
    assert spent > 0.01 * now
    assert [round_up(steps) for steps in (0.2, 1, 1.1, 3, 6, 10, 11, 240, 501)] == [
        1, 1, 2, 5, 10, 10, 20, 500, 1000,
    ]  # fmt: skip


def test_wishes_that_cannot_be_met_are_refused(tmp_path: Path) -> None:
    training = TrainingRecord(tmp_path / "run", Tokens())
    for samples, words in (
        (images(1), "2 to 256 samples"),
        (torch.zeros(257, 3, 32, 32), "2 to 256 samples"),
        ((images(3), torch.zeros(4)), "tensors of as many samples"),
    ):
        with pytest.raises(WorkbenchError, match=words):
            training.geometry("patches", samples)
    with pytest.raises(WorkbenchError, match="a layer of Tokens"):
        training.geometry("encoder", images())
    with pytest.raises(WorkbenchError, match="every=0"):
        training.geometry("patches", images(), every=0)
    with pytest.raises(WorkbenchError, match="say it in the loop"):
        workbench.watch(training.run, geometry="patches")
    with pytest.raises(WorkbenchError, match="samples along its first axis"):
        training.geometry("patches", images(), output=lambda out: out.transpose(0, 1))
