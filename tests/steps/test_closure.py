from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmc.steps.closure import MeanRatio, Verdict, judge, mean_score
from mmc.steps.events import EventFile, Summaries
from mmc.steps.limits import Setting

from tests.steps.learning import Learning


@pytest.fixture
def setting(tmp_path: Path, toy_events: Path) -> Setting:
    learning = Learning(tmp_path, toy_events)
    learning.evaluation["grid"] = {name: {"range": [-1.0, 1.0], "points": 21} for name in ("c1", "c2")}
    return Setting.of(EventFile(toy_events / "events.h5", 0.2, 0.2), learning.evaluation)


def verdict(setting: Setting, mean: Any, error: float = 0.001, true: float = 0.0, **options: Any) -> Verdict:
    """On a Gaussian likelihood around the point (``true``, 0)."""
    difference = setting.points - np.array([true, 0.0])
    limits = setting.limits(-0.1 * np.square(difference).sum(axis=1))
    ratio = None if mean is None else MeanRatio(np.broadcast_to(mean, len(setting.points)), np.full(442, error))
    return judge(setting, limits, ratio, **options)


def test_a_ratio_with_mean_one_passes(setting: Setting) -> None:
    found = verdict(setting, 1.0)
    assert not found.reasons and not found.warnings
    assert found.figures["mean_ratio"]["moved"] == 0.0
    assert found.summary()["verdict"] == "passed"


def test_a_small_constant_factor_cancels(setting: Setting) -> None:
    found = verdict(setting, 1.05)
    assert not found.reasons
    assert found.figures["mean_ratio"]["largest_pull"] == pytest.approx(50.0)


def test_a_large_constant_factor_fails(setting: Setting) -> None:
    assert verdict(setting, 0.6).reasons == (
        "the mean ratio is 0.600 to 0.600 in the confidence region, where it must be 1",
    )


def test_a_factor_that_moves_the_contour_fails(setting: Setting) -> None:
    slope = 1.0 + 0.05 * setting.points[:, 0]
    (reason,) = verdict(setting, slope).reasons
    assert reason.startswith("dividing the ratio by its mean would change")
    assert not verdict(setting, slope, error=0.05).reasons  # the Monte Carlo error explains it


def test_deviations_at_excluded_points_do_not_matter(setting: Setting) -> None:
    far = np.abs(setting.points).max(axis=1) > 0.95
    found = verdict(setting, np.where(far, 1.5, 1.0))
    assert not found.reasons
    assert found.figures["mean_ratio"]["highest"] == 1.0
    assert found.figures["mean_ratio"]["highest_on_grid"] == 1.5


def test_an_excluded_true_point_fails(setting: Setting) -> None:
    (reason,) = verdict(setting, None, true=1.0).reasons
    assert reason.startswith("the true point has a p-value of")


def test_warnings_about_too_few_events(setting: Setting, tmp_path: Path, toy_events: Path) -> None:
    assert "too few to check the mean ratio" in verdict(setting, 1.0, error=0.05).warnings[0]
    assert "in bins without simulated events" in verdict(setting, 1.0, unknown=0.02).warnings[0]
    many = Learning(tmp_path / "many", toy_events, luminosity_pb=1e7)
    found = verdict_of_many(Setting.of(setting.file, many.evaluation))
    assert "effective test events where" in found.warnings[0]


def verdict_of_many(setting: Setting) -> Verdict:
    return judge(setting, setting.limits(0.0))


def test_mean_score() -> None:
    random = np.random.default_rng(3)
    scores, probabilities = random.normal(size=(4000, 2)) * [1.0, 5.0], np.full(4000, 1 / 4000)
    labels = Summaries(random.normal(size=(6000, 2)) * [2.0, 10.0], np.full(6000, 1 / 6000))

    def figures(values: Any) -> dict[str, Any]:
        return mean_score(Summaries(values, probabilities), labels)

    good = figures(scores)
    assert good["p_value"] > 0.001 and good["bias"] < 0.06
    assert good["error"] == pytest.approx([(1 / 4000 + 4 / 6000) ** 0.5, (25 / 4000 + 100 / 6000) ** 0.5], rel=0.05)
    biased = figures(scores + np.array([0.2, 0.0]))
    assert biased["bias"] == pytest.approx(0.2, abs=0.05) and biased["p_value"] < 1e-10
    assert figures(scores * [1.0, 0.0])["bias"] < 0.06  # a component that is always 0


def test_a_biased_score_fails_only_when_it_is_large(setting: Setting) -> None:
    def score(bias: float, p_value: float) -> dict[str, Any]:
        return {"mean": [0.0], "error": [0.0], "bias": bias, "p_value": p_value}

    assert verdict(setting, 1.0, score=score(0.3, 1e-9)).reasons == (
        "the mean score at the reference is 0.30 standard deviations from 0",
    )
    assert not verdict(setting, 1.0, score=score(0.05, 1e-9)).reasons
    assert not verdict(setting, 1.0, score=score(0.3, 0.01)).reasons
