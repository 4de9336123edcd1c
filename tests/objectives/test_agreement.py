"""Agreement of pixels through the eigenvectors: its value, its gradient, its pairs."""

import pytest
import torch

from workbench.errors import WorkbenchError
from workbench.linalg import Affinity
from workbench.objectives import Agreement, contour_loss, drawn_contours
from workbench.objectives.agreement import draw_pairs

SHAPE = (8, 10)


def labels() -> torch.Tensor:
    quarters = torch.ones(SHAPE, dtype=torch.long)
    quarters[4:] += 2
    quarters[:, 5:] += 1
    halves = (quarters > 2).long()
    return torch.stack([quarters.flatten(), halves.flatten()])


def test_pairs_are_different_cells_of_the_map() -> None:
    first, second = draw_pairs(SHAPE, 500, torch.device("cpu"))
    assert (first != second).all()
    assert min(int(first.min()), int(second.min())) >= 0
    assert max(int(first.max()), int(second.max())) < 80


def test_features_that_are_the_segments_agree_better_than_random_ones() -> None:
    torch.manual_seed(0)
    loss = Agreement((4,))
    known = torch.nn.functional.one_hot(labels()[0] - 1, 4).double() + 1e-3
    assert float(loss(Affinity(known), labels(), SHAPE).detach()) < 0.5
    random = Affinity(torch.rand(80, 4).double())
    assert float(loss(random, labels(), SHAPE).detach()) > 0.6


def test_its_gradient_is_that_of_finite_differences() -> None:
    torch.manual_seed(1)
    loss = Agreement((2, 3), pairs=60).double()
    x = torch.rand(80, 5, dtype=torch.float64) + 0.1
    state = torch.random.get_rng_state()

    def value(x: torch.Tensor) -> torch.Tensor:
        torch.random.set_rng_state(state)  # the same pairs every time
        return loss(Affinity(x), labels(), SHAPE)

    x.requires_grad_()
    (gradient,) = torch.autograd.grad(value(x), x)
    direction = torch.randn_like(x)
    step = 1e-4  # rows are compared in float32
    with torch.no_grad():
        slope = (value(x + step * direction) - value(x - step * direction)) / (2 * step)
    assert float((gradient * direction).sum()) == pytest.approx(float(slope), rel=2e-2, abs=2e-3)
    assert float(gradient.abs().max()) > 1e-4


def test_descent_brings_pixels_together() -> None:
    torch.manual_seed(2)
    loss = Agreement((4,), pairs=400)
    x = (torch.rand(80, 6) + 0.05).requires_grad_()
    before = float(loss(Affinity(x), labels(), SHAPE).detach())
    optimizer = torch.optim.Adam([x], 0.05)
    for _ in range(60):
        optimizer.zero_grad()
        loss(Affinity(x.relu() + 1e-3), labels(), SHAPE).backward()
        optimizer.step()
    assert float(loss(Affinity(x.relu() + 1e-3), labels(), SHAPE).detach()) < before - 0.1


def test_contours_are_drawn_where_labels_change() -> None:
    maps = labels().view(2, *SHAPE)
    drawn = drawn_contours(maps, 2)
    assert drawn.shape == (4, 5)
    expected = torch.zeros(4, 5)
    expected[1] = 1  # both annotators part the rows after the fourth
    expected[:, 2] = torch.maximum(expected[:, 2], torch.tensor(0.5))  # one parts the columns
    torch.testing.assert_close(drawn, expected)
    sure = torch.where(drawn > 0, 20.0, -20.0)
    assert float(contour_loss(sure, (drawn > 0).float())) < 1e-6
    assert float(contour_loss(-sure, (drawn > 0).float())) > 10


def test_nothing_to_compare_is_named() -> None:
    """Where there is no pixel, no annotator, or no pair of cells, the mean would be NaN."""
    alone = torch.zeros(1, 1, dtype=torch.long)
    for call in (
        lambda: Agreement()(Affinity(torch.ones(1, 2)), alone, (1, 1)),
        lambda: Agreement()(Affinity(torch.ones(0, 2)), alone[:, :0], (0, 0)),
        lambda: drawn_contours(torch.zeros(2, 0, 4, dtype=torch.long), 2),
        lambda: drawn_contours(torch.zeros(0, 4, 4, dtype=torch.long), 2),
        lambda: contour_loss(torch.zeros(0, 4), torch.zeros(0, 4)),
    ):
        with pytest.raises(WorkbenchError, match="at least"):
            call()
