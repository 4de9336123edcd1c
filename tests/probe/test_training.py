"""Training loops of one's own on record: what is measured, when, and what it leaves alone."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import load_file
from torch import nn

from tests.probe.networks import Tokens, convolutional
from workbench.errors import WorkbenchError
from workbench.probe import TrainingRecord, transformers_callback
from workbench.probe.training import layer_figures
from workbench.runs import Run
from workbench.runs.alarms import alarms
from workbench.runs.export import to_parquet, to_safetensors, to_tensorboard
from workbench.views.training.live import measured_charts


def _loop(training: TrainingRecord, model: nn.Module, steps: int) -> None:
    """A plain training loop."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    random = torch.Generator().manual_seed(0)
    for _ in range(steps):
        loss = model(torch.randn(4, 3, 32, 32, generator=random)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        training.step(loss=loss)


def test_named_layers_are_measured_every_so_many_steps(tmp_path: Path) -> None:
    model, fed = Tokens().train(), []
    with TrainingRecord(tmp_path / "run", model, feed=lambda *seen: fed.append(seen)) as training:
        training.probe(["blocks.1", "patches"], every=3)
        _loop(training, model, 7)
    run = Run.open(tmp_path / "run")
    table = run.metrics()
    assert run.status == "finished"
    assert table["loss"].notna().sum() == 7
    assert table.index[table["blocks.1 effective rank"].notna()].tolist() == [1, 4, 7]
    assert (table["patches effective rank"].dropna() <= 16).all()
    assert [step for step, _ in fed] == list(range(1, 8))
    titles = [chart.title for chart in measured_charts(table.columns)]
    assert titles[0] == "Objective"
    assert "Effective rank of blocks.1" in [title.strip() for title in titles]
    assert not any(module._forward_hooks for module in model.modules())


def test_it_trains_as_it_does_without_a_record(tmp_path: Path) -> None:
    weights = []
    for watched in (True, False):
        model = convolutional().train()
        with TrainingRecord(tmp_path / f"{watched}", model) as training:
            if watched:
                training.probe("*", every=1)
            _loop(training, model, 3)
        weights.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    assert torch.equal(*weights)


def test_figures_are_those_of_the_rows() -> None:
    maps = torch.randn(2, 5, 6, 7, generator=torch.Generator().manual_seed(0))
    maps[:, 3] = 0
    found = layer_figures(maps)
    rows = maps.permute(0, 2, 3, 1).reshape(-1, 5).double()
    values = np.linalg.eigvalsh(np.cov(rows.numpy().T, bias=True))[::-1].clip(0)
    share = values / values.sum()
    entropy = -sum(p * np.log(p) for p in share if p > 0)
    assert found["effective rank"] == pytest.approx(np.exp(entropy), rel=1e-5)
    assert found["top share"] == pytest.approx(share[0], rel=1e-5)
    assert found["off"] == pytest.approx(1 / 5)
    assert np.isnan(layer_figures(torch.full((2, 3), torch.nan))["norm"])


def test_a_loop_that_dies_says_of_what(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), TrainingRecord(tmp_path / "run", Tokens()):
        raise ZeroDivisionError("by zero")
    run = Run.open(tmp_path / "run")
    assert run.status == "failed"
    assert "by zero" in run.events("failed")[0].fields["error"]


def test_wishes_that_cannot_be_met_are_refused(tmp_path: Path) -> None:
    training = TrainingRecord(tmp_path / "run", Tokens())
    with pytest.raises(WorkbenchError, match="a layer of Tokens"):
        training.probe("encoder")
    with pytest.raises(WorkbenchError, match="every=0"):
        training.probe("patches", every=0)


def test_a_layer_that_collapses_raises_an_alarm(tmp_path: Path) -> None:
    with TrainingRecord(tmp_path / "run", Tokens()) as training:
        for step in range(1, 40):
            training.log(step, **{"blocks.1 effective rank": 12.0 if step < 20 else 1.01})
    assert any("blocks.1" in alarm.what for alarm in alarms(training.run.metrics()))


def test_a_run_goes_where_people_look(tmp_path: Path) -> None:
    event_accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator"
    )
    with TrainingRecord(tmp_path / "run", Tokens()) as training:
        for step in range(1, 4):
            training.log(step, loss=1 / step)
        training.run.snapshot(3, "photo", {"image": np.zeros((8, 9, 3), np.uint8)})
    to_tensorboard(tmp_path / "run", tmp_path / "events")
    found = event_accumulator.EventAccumulator(str(tmp_path / "events")).Reload()
    assert [each.value for each in found.Scalars("loss")] == pytest.approx([1, 1 / 2, 1 / 3])
    assert found.Tags()["images"] == ["photo"]
    arrays = load_file(to_safetensors(tmp_path / "run", tmp_path / "run.safetensors"))
    table = pd.read_parquet(to_parquet(tmp_path / "run", tmp_path / "run.parquet"))
    for found in (arrays["loss"], table["loss"]):
        assert list(found) == pytest.approx([1, 1 / 2, 1 / 3])


def test_transformers_trainer_is_recorded(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate", reason="its Trainer needs accelerate")
    model = _Classifier()
    training = TrainingRecord(tmp_path / "run", model)
    training.probe("inner.blocks.1", every=2)
    images = torch.randn(8, 3, 32, 32)
    data = [{"x": image, "labels": torch.tensor(i % 2)} for i, image in enumerate(images)]
    arguments = transformers.TrainingArguments(
        str(tmp_path / "out"), max_steps=4, per_device_train_batch_size=4, logging_steps=1,
        report_to=[], disable_tqdm=True, use_cpu=True, dataloader_pin_memory=False,
        save_strategy="no",
    )  # fmt: skip
    transformers.Trainer(
        model, arguments, train_dataset=data, callbacks=[transformers_callback(training)]
    ).train()
    table = training.run.metrics()
    assert training.run.status == "finished"
    assert table["loss"].notna().sum() == 4
    assert table["inner.blocks.1 effective rank"].notna().sum() == 2


class _Classifier(nn.Module):
    """A network in the form that Hugging Face's `Trainer` takes."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Tokens()

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        logits = self.inner(x)
        return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}
