"""Distance ratios of triplets against brute force, and figures that need no scale."""

from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

from workbench.errors import WorkbenchError
from workbench.evaluation.triplets import (
    KINDS,
    Kind,
    Ratios,
    at_equal_rank,
    auc,
    choose,
    effects,
    measure,
)

TAPS = ("first", "second")


def cloud(classes: int = 3, count: int = 60) -> tuple[torch.Tensor, torch.Tensor]:
    """Points at random with labels at random; the last is nearly a copy of one of another class."""
    random = torch.Generator().manual_seed(0)
    points = torch.randn(count, 4, 3, generator=random) + 100
    labels = torch.arange(count) % classes
    points[-1] = points[0] + 1e-4 * torch.randn(4, 3, generator=random)
    return points, labels


def network(scale: float = 1.0) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        layers = [nn.Flatten(), nn.Linear(12, 20), nn.Dropout(0.5), nn.ReLU(), nn.Linear(20, 5)]
    for layer in layers[1::3]:
        layer.weight.data *= scale
        layer.bias.data *= scale ** (1 if layer is layers[1] else 2)
    names = ("flat", "first", "dropout", "relu", "second")
    return nn.Sequential(OrderedDict(zip(names, layers, strict=True)))


def ratios(scale: float = 1.0) -> dict[Kind, Ratios]:
    points, labels = cloud()
    return measure(network(scale), points, choose(points, labels, anchors=40, seed=2), TAPS)


def test_triplets_and_ratios_against_brute_force() -> None:
    points, labels = cloud()
    model = network().double()  # the near copy is 1e-4 apart where features are about 100
    chosen = {each.kind: each for each in choose(points, labels, anchors=40, seed=2)}
    assert len(np.unique(chosen["random"].anchors)) == 40
    flat, known = points.double().flatten(1).numpy(), labels.numpy()
    tap = model.first(model.flat(points.double())).detach().numpy()
    found = measure(model, points.double(), [*chosen.values()], TAPS)
    raw: dict[str, np.ndarray] = {}
    for kind, each in chosen.items():
        pairs = []
        for anchor, inside, outside in zip(each.anchors, each.inside, each.outside, strict=True):
            far = {i: float(np.linalg.norm(flat[i] - flat[anchor])) for i in range(len(flat))}
            own = [i for i in far if known[i] == known[anchor] and i != anchor]
            other = [i for i in far if known[i] != known[anchor]]
            assert inside in own
            assert outside in other
            if kind == "boundary":
                assert inside == max(own, key=far.__getitem__)
                assert outside == min(other, key=far.__getitem__)
            if kind == "control":
                assert inside == min(own, key=far.__getitem__)
                assert outside == max(other, key=far.__getitem__)
            pairs.append([np.linalg.norm(tap[i] - tap[anchor]) / far[i] for i in (inside, outside)])
        raw[kind] = np.array(pairs)
    unit = np.median(raw["random"])
    for kind, each in found.items():
        both = np.column_stack([each.intra["first"], each.inter["first"]])
        np.testing.assert_allclose(both, raw[kind] / unit)
    assert found["random"].unit["first"] == pytest.approx(unit)
    pooled = np.concatenate([found["random"].intra, found["random"].inter])
    np.testing.assert_allclose(np.median(pooled, axis=0), 1)


def test_the_scale_of_the_weights_does_not_matter() -> None:
    one, large = ratios(), ratios(scale=8.0)
    assert large["random"].unit["second"] == pytest.approx(64 * one["random"].unit["second"])
    for kind in KINDS:
        np.testing.assert_allclose(large[kind].inter, one[kind].inter, rtol=1e-9)
        np.testing.assert_allclose(large[kind].auc, one[kind].auc)
    table = effects(one, large)
    assert (table[["shift", "delta"]].abs() < 1e-9).all().all()
    assert (at_equal_rank(one)["low"] <= at_equal_rank(one)["quotient"]).all()


def test_auc_is_a_half_for_labels_at_random_and_one_for_a_network_that_separates() -> None:
    points = torch.randn(600, 12, generator=torch.Generator().manual_seed(3))
    labels = torch.arange(600) % 3
    tied = auc(np.array([0.0, 1.0]), np.array([0.0, 1.0, 2.0]))
    assert tied == pytest.approx((0.5 + 1 + 1 + 0 + 0.5 + 1) / 6)
    chosen = choose(points, labels, anchors=600)
    found = measure(network(), points, chosen, TAPS)["random"]
    # Standard error of an AUC of 600 against 600: .017.
    assert (found.auc - 0.5).abs().max() < 0.06
    assert (found.delta - (2 * found.auc - 1)).abs().max() < 1e-12

    class Separating(nn.Module):
        """Class of a point, and a little of the point itself."""

        def __init__(self) -> None:
            super().__init__()
            self.tap = nn.Identity()

        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            at = (batch[:, None] == points[None]).all(2).float().argmax(1)
            return self.tap(torch.cat([100.0 * (at % 3)[:, None], batch], 1))

    separated = measure(Separating(), points, chosen, ["tap"])
    assert separated["random"].auc["tap"] == 1
    closest, farthest = at_equal_rank(separated)["quotient"]
    assert closest > 2
    assert farthest > 2


def test_a_network_in_training_is_measured_without_dropout_and_goes_on_training() -> None:
    points, labels = cloud()
    chosen, model = choose(points, labels, anchors=40, seed=2), network().train()
    found = measure(model, points, chosen, TAPS)
    assert model.training
    np.testing.assert_array_equal(found["boundary"].inter, ratios()["boundary"].inter)


def test_what_cannot_be_measured_is_refused() -> None:
    points, labels = cloud()
    with pytest.raises(WorkbenchError, match=r"1 to 60 anchors, found 61"):
        choose(points, labels, anchors=61)
    with pytest.raises(WorkbenchError, match="an image of class 0 without a partner"):
        choose(points[:9], torch.zeros(9, dtype=torch.int64), anchors=4)
    with pytest.raises(WorkbenchError, match="the same output for most at second"):
        measure(network(0.0), points, choose(points, labels, anchors=4), ["second"])
    with pytest.raises(WorkbenchError, match="random triplets, whose median ratio is the unit"):
        measure(network(), points, choose(points, labels, ["boundary"], anchors=4), TAPS)
