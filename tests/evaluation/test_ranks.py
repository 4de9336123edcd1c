"""How rank and covering go together."""

import numpy as np
import pytest

from workbench.evaluation.scenes.ranks import Trajectory, relation


def trajectory(scenes: list[list[float]]) -> Trajectory:
    return Trajectory("run", "J2", np.zeros((2, 3)), np.array(scenes))


def test_scenes_of_all_runs_count_together() -> None:
    first = trajectory([[-3, 0.3, 0.0], [-1, 0.1, 0.2]])
    second = trajectory([[-2, 0.2, 0.1], [0, 0.0, 0.3]])
    found = relation([first, second])
    assert (found.rho, found.scenes) == (pytest.approx(-1), 4)
    assert relation([first, second], "average").rho == pytest.approx(1)
    assert relation([first, second]).p < 1e-6


def test_what_does_not_vary_has_no_relation() -> None:
    found = relation([trajectory([[-1, 0.1, 0.1], [-1, 0.2, 0.3]])])
    assert np.isnan(found.rho)
    assert np.isnan(found.p)
    assert np.isnan(relation([trajectory([[-1, 0.1, 0.1]])]).rho)
