"""Errors, calibration and their intervals, held against scikit-learn and against plain loops."""

import json

import numpy as np
import pytest
from sklearn import calibration as sk_calibration
from sklearn import metrics

from workbench.errors import WorkbenchError
from workbench.evaluation.regions.calibration import expected_calibration_error, reliability
from workbench.evaluation.regions.outcomes import Outcomes, strongest_confusions
from workbench.evaluation.regions.summary import (
    RecognitionSummary,
    compare,
    mean_confusion,
    summarise,
)
from workbench.evaluation.statistics import estimate, estimate_of, resampled_ratios, sums_by_image
from workbench.runs.plain import from_plain, plain

CLASSES = 7
NAMES = tuple("abcdefg")


def draw(seed: int = 0, images: int = 40, sharpness: float = 2.0, noise: int = 0) -> Outcomes:
    """Up to nine regions an image, of one or two categories; the scores know half of the truth."""
    rng = np.random.default_rng(seed)
    image = np.repeat(np.arange(images) * 3 + 5, rng.integers(1, 10, images))
    labels = (image // 3 + (rng.random(len(image)) < 0.3)) % (CLASSES - 1)  # the last is absent
    rng = np.random.default_rng((seed, noise))
    scores = rng.normal(size=(len(image), CLASSES))
    scores[np.arange(len(image)), labels] += 1
    ids = np.random.default_rng(seed).permutation(len(image)) + 100
    return Outcomes.of_scores(sharpness * scores, labels, image, ids, NAMES)


def scores_of(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(60, CLASSES)) * 2, rng.integers(0, CLASSES, 60)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_measures_are_scikit_learns(dtype: type) -> None:
    scores, labels = scores_of()
    scores = scores.astype(dtype)
    everything = np.arange(CLASSES)
    outcomes = Outcomes.of_scores(scores, labels, np.arange(60), np.arange(60), NAMES)
    found = summarise([outcomes])
    logits = scores.astype(float)
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    predicted = logits.argmax(1)
    expected = {
        "error": 1 - metrics.accuracy_score(labels, predicted),
        "top5_error": 1 - metrics.top_k_accuracy_score(labels, logits, k=5, labels=everything),
        "nll": metrics.log_loss(labels, chances, labels=everything),
        "brier": metrics.brier_score_loss(labels, chances, labels=everything, scale_by_half=False),
        "balanced_error": 1 - metrics.balanced_accuracy_score(labels, predicted),
    }
    for name, value in expected.items():
        assert getattr(found, name).mean == pytest.approx(value, rel=1e-12), name
    cells = metrics.confusion_matrix(labels, predicted, labels=everything)
    np.testing.assert_array_equal(outcomes.confusion(), cells)
    recalls = metrics.recall_score(labels, predicted, average=None, labels=everything)
    assert [each.error.mean for each in found.categories] == pytest.approx(1 - recalls)


def test_the_reliability_curve_is_scikit_learns() -> None:
    outcomes = draw(images=200)
    hits = (outcomes.rank == 0).astype(int)
    accuracy, confidence = sk_calibration.calibration_curve(hits, outcomes.confidence, n_bins=10)
    found = reliability([outcomes], bins=10)
    kept = [each for each in found.bins if each.regions]
    assert [each.accuracy.mean for each in kept] == pytest.approx(accuracy)
    assert [each.confidence for each in kept] == pytest.approx(confidence)
    shares = np.array([each.regions for each in kept]) / len(outcomes)
    assert found.error == pytest.approx(float(shares @ np.abs(accuracy - confidence)))
    assert expected_calibration_error(outcomes, 10) == pytest.approx(found.error)
    for each in kept:
        if each.accuracy.mean not in (0.0, 1.0):
            assert each.accuracy.low <= each.accuracy.mean <= each.accuracy.high


def test_sharper_scores_are_as_wrong_but_less_calibrated() -> None:
    mild, sharp = draw(sharpness=1.0, images=300), draw(sharpness=4.0, images=300)
    assert compare([sharp], [mild]).mean == 0
    assert expected_calibration_error(mild) < 0.05 < expected_calibration_error(sharp)


def test_equal_scores_rank_in_the_order_of_their_numbers() -> None:
    labels = np.array([0, 1, 6])
    flat = Outcomes.of_scores(np.zeros((3, CLASSES)), labels, labels, labels, NAMES)
    assert flat.predicted.tolist() == [0, 0, 0]
    assert flat.rank.tolist() == [0, 1, 6]
    assert flat.confidence == pytest.approx(1 / CLASSES)


def test_enormous_scores_do_not_overflow() -> None:
    scores = np.zeros((2, CLASSES))
    scores[:, 1] = 1e4
    labels = np.array([0, 1])
    outcomes = Outcomes.of_scores(scores, labels, labels, labels, NAMES)
    assert outcomes.surprise.tolist() == [1e4, 0]
    assert outcomes.brier == pytest.approx([2, 0])
    assert expected_calibration_error(outcomes) == 0.5


def test_intervals_widen_where_an_image_repeats_itself() -> None:
    """Ten copies of every region in its image tell no more than one."""
    once = draw(images=60)
    copies = Outcomes(
        NAMES,
        np.arange(10 * len(once)),
        **{
            name: np.repeat(getattr(once, name), 10)
            for name in ("images", "labels", "predicted", "rank", "confidence", "surprise", "brier")
        },
    )
    assert summarise([copies]).error.mean == pytest.approx(summarise([once]).error.mean)
    wide, narrow = summarise([copies]).error, summarise([once]).error
    assert wide.high - wide.low == pytest.approx(narrow.high - narrow.low, rel=1e-9)
    independent = estimate((copies.rank > 0).astype(float))
    assert wide.standard_error > 2.5 * independent.standard_error


def test_one_region_an_image_is_the_plain_bootstrap() -> None:
    values = np.random.default_rng(0).random(50)
    plain = estimate(values)
    means = resampled_ratios(values[:, None], np.ones((50, 1)), 0)[:, 0]
    found = estimate_of(float(values.mean()), means, 50)
    assert [found.mean, found.low, found.high] == pytest.approx(
        [plain.mean, plain.low, plain.high], abs=4e-3
    )
    assert found.standard_error == pytest.approx(plain.standard_error, rel=0.05)


def test_resamples_are_ratios_of_sums_over_images(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.array([7, 7, 2, 2, 2, 9])
    values = np.arange(6.0)[:, None]
    sums, counts = sums_by_image(values, images), sums_by_image(np.ones((6, 1)), images)
    assert sums[:, 0].tolist() == [9, 1, 5]
    draws = np.random.default_rng(4).integers(3, size=(10_000, 3))
    expected = [sums[draw, 0].sum() / counts[draw, 0].sum() for draw in draws]
    np.testing.assert_allclose(resampled_ratios(sums, counts, 4)[:, 0], expected, rtol=1e-12)
    monkeypatch.setattr("workbench.evaluation.statistics._CHUNK", 100)  # in many small parts
    np.testing.assert_allclose(resampled_ratios(sums, counts, 4)[:, 0], expected, rtol=1e-12)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    held = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        rates = rng.beta(2, 2, 50)  # of mean ½; the regions of an image share theirs
        counts = rng.integers(1, 12, 50)
        images = np.repeat(np.arange(50), counts)
        wrong = (rng.random(len(images)) < rates[images]).astype(float)[:, None]
        means = resampled_ratios(
            sums_by_image(wrong, images), sums_by_image(np.ones_like(wrong), images), seed
        )
        found = estimate_of(float(wrong.mean()), means[:, 0], 50)
        held += found.low <= 0.5 <= found.high
    assert 52 <= held <= 60


@pytest.mark.parametrize("measure", ["error", "top5_error", "nll", "brier", "balanced_error"])
def test_a_difference_is_that_of_the_figures_whatever_the_order(measure: str) -> None:
    ours, theirs = [draw(), draw(noise=1)], [draw(noise=2)]
    mean_of = [getattr(summarise(each), measure).mean for each in (ours, theirs)]
    found = compare(ours, [theirs[0].ordered()], measure)
    assert found.mean == pytest.approx(mean_of[0] - mean_of[1])
    assert found.low <= found.mean <= found.high
    assert found.images == summarise(ours).images
    again = compare(theirs, ours, measure)
    assert [again.mean, again.low, again.p] == pytest.approx([-found.mean, -found.high, found.p])


def test_the_interval_and_the_probability_of_a_difference_agree() -> None:
    """Both come from one resampling: the probability is below 5 % where the interval leaves 0."""
    for seed in range(12):
        method, baseline = draw(seed, images=14, noise=1), draw(seed, images=14, noise=2)
        for measure in ("error", "balanced_error"):
            found = compare([method], [baseline], measure)
            outside = found.low > 0 or found.high < 0
            assert outside == (found.p < 0.05), (measure, seed, found)


def test_a_clear_lead_is_told_from_none() -> None:
    same, better = [draw(images=80)], [draw(images=80, noise=1)]
    assert compare(same, same).p == 1
    right = better[0]
    perfect = Outcomes.of_scores(
        10 * np.eye(CLASSES)[right.labels], right.labels, right.images, right.regions, NAMES
    )
    assert compare([perfect], same).p == pytest.approx(1 / 10_001)


def test_seeds_are_averaged_region_by_region_and_their_spread_is_errors_as_message() -> None:
    seeds = [draw(noise=i) for i in range(3)]
    found = summarise(seeds)
    errors = [summarise([each]).error.mean for each in seeds]
    assert found.seeds == pytest.approx(errors)
    assert found.error.mean == pytest.approx(np.mean(errors))
    assert found.spread == pytest.approx(np.std(errors, ddof=1))
    assert np.isnan(summarise(seeds[:1]).spread)
    assert mean_confusion(seeds).sum() == pytest.approx(len(seeds[0]))
    single = max(summarise([each]).error.standard_error for each in seeds)
    assert found.error.standard_error < single


def test_absent_categories_and_single_images_have_no_interval() -> None:
    found = summarise([draw(images=7)])
    absent = found.categories[-1]
    assert absent.regions == 0
    assert np.isnan([absent.error.mean, absent.error.low]).all()
    one = summarise([draw(images=1)])
    assert np.isnan([one.error.low, one.balanced_error.standard_error]).all()


def test_confusions_are_told_by_name_strongest_first() -> None:
    cells = np.array([[5, 2, 0], [4, 9, 0], [0, 0, 1]])
    table = strongest_confusions(cells, ["cup", "bowl", "fork"])
    assert table[["truth", "predicted"]].to_numpy().tolist() == [["bowl", "cup"], ["cup", "bowl"]]
    assert table["share"].tolist() == pytest.approx([4 / 13, 2 / 7])


def test_json_gives_back_what_it_took() -> None:
    outcomes = draw(images=7)
    again = from_plain(Outcomes, json.loads(json.dumps(plain(outcomes), allow_nan=False)))
    assert plain(again) == plain(outcomes)
    summary = summarise([outcomes])
    text = json.dumps(summary.to_dict(), allow_nan=False)
    restored = RecognitionSummary.from_dict(json.loads(text))
    assert json.dumps(restored.to_dict()) == text
    assert restored.error == summary.error
    with pytest.raises(WorkbenchError, match="missing required field `rank`"):
        from_plain(Outcomes, {k: v for k, v in plain(outcomes).items() if k != "rank"})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"labels": np.array([0, 7])}, "labels from 0 to 6"),
        ({"regions": np.array([4, 4])}, "twice"),
        ({"names": NAMES[:5]}, "each of the 5 categories"),
        ({"scores": np.full((2, CLASSES), np.nan)}, "NaN or Inf for 2 regions"),
    ],
)
def test_wrong_scores_are_refused(change: dict, words: str) -> None:
    given = {
        "scores": np.zeros((2, CLASSES)),
        "labels": np.array([0, 1]),
        "images": np.array([0, 1]),
        "regions": np.array([4, 5]),
        "names": NAMES,
    }
    with pytest.raises(WorkbenchError, match=words):
        Outcomes.of_scores(**given | change)


def test_other_regions_or_measures_are_refused() -> None:
    with pytest.raises(WorkbenchError, match="on the same 195 regions"):
        compare([draw(images=40)], [draw(images=39)])
    with pytest.raises(WorkbenchError, match="out of error"):
        compare([draw()], [draw()], "accuracy")
    with pytest.raises(WorkbenchError, match="at least one seed"):
        summarise([])
