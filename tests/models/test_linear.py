"""The linear classifier: the same in rotated coordinates, chosen by image, deterministic."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from workbench.errors import WorkbenchError
from workbench.models import linear
from workbench.models.linear import fit_linear, signed_power


def data(entries: int, count: int = 60, classes: int = 3) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, count)
    means = rng.normal(size=(classes, entries))
    x = means[labels] + 1.5 * rng.normal(size=(count, entries))
    return x, labels, np.arange(count) // 3


@pytest.mark.parametrize("entries", [10, 400])
def test_rotation_leaves_the_classifier_as_it_was(entries: int) -> None:
    x, labels, images = data(entries)
    test = data(entries)[0][::-1] + 0.1
    found = fit_linear(x, labels, images, test, 3, strengths=[1.0])
    middle = x.mean(0)
    size = np.sqrt(np.square(x - middle).sum(1).mean())
    plain = LogisticRegression(C=1.0, max_iter=5000, tol=1e-8).fit((x - middle) / size, labels)
    expected = plain.predict_proba((test - middle) / size)
    chances = np.exp(found.scores - found.scores.max(1, keepdims=True))
    np.testing.assert_allclose(chances / chances.sum(1, keepdims=True), expected, atol=0.01)


def test_the_strength_has_the_smallest_error_over_images() -> None:
    x, labels, images = data(30, 90)
    found = fit_linear(x, labels, images, x, 3, strengths=[100.0, 1e-4, 1.0])
    assert len(found.errors) == 3
    assert found.strength == [1e-4, 1.0, 100.0][int(np.argmin(found.errors))]
    assert found.errors[0] > min(found.errors)


def test_copies_within_an_image_do_not_help_cross_validation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Random labels, every region twice in its image: only folds that split images would learn."""
    rng = np.random.default_rng(1)
    x = np.repeat(rng.normal(size=(60, 200)), 2, axis=0)
    labels = np.repeat(rng.integers(0, 2, 60), 2)
    images = np.repeat(np.arange(60), 2)
    assert min(fit_linear(x, labels, images, x, 2).errors) > 0.3


def test_a_category_that_never_occurred_is_improbable_and_finite() -> None:
    x, labels, images = data(30)
    scores = fit_linear(x, labels * 2, images, x[:5], 6).scores
    assert np.isfinite(scores).all()
    chances = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    unseen = chances[:, [1, 3, 5]]
    np.testing.assert_allclose(unseen, 0.5 / 60, rtol=0.1)


def test_two_categories_have_two_scores() -> None:
    x, labels, images = data(30, classes=2)
    scores = fit_linear(x, labels, images, x, 2).scores
    assert scores.shape == (60, 2)
    np.testing.assert_allclose(scores[:, 0], -scores[:, 1])
    assert (scores.argmax(1) == labels).mean() > 0.9


def test_it_is_the_same_every_time() -> None:
    x, labels, images = data(200)
    first, second = (fit_linear(x, labels, images, x, 3) for _ in range(2))
    np.testing.assert_array_equal(first.scores, second.scores)


def test_power_normalisation_keeps_signs() -> None:
    x = np.array([-4.0, 0.0, 9.0])
    assert signed_power(x, 0.5).tolist() == [-2, 0, 3]
    assert signed_power(x, 1.0) is x


def test_too_little_to_learn_from_is_refused() -> None:
    x, labels, images = data(30)
    with pytest.raises(WorkbenchError, match="two categories"):
        fit_linear(x, labels * 0, images, x, 3)
    with pytest.raises(WorkbenchError, match=f"at least {linear.FOLDS} images"):
        fit_linear(x, labels, images // 30, x, 3)
