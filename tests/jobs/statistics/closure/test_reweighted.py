"""The tests of reweighted events, for a ratio that is exact and for ratios that are not."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.closure.evidence import Compared, Evidence
from mmc.jobs.statistics.closure.reweighted import Binned
from mmc.jobs.statistics.closure.tests import calibration_curve, classifier, reweighting
from mmc.jobs.statistics.closure.tests.classifier import classify, ranks
from scipy.special import ndtr

SHIFT = 0.5
EXPECTED = 2_000.0
"""Events of the data."""
TESTS = {test.TEST.name: test.TEST for test in (reweighting, calibration_curve, classifier)}


def evidence(wrong: Callable[[Array], Array], n: int = 20_000, seed: int = 1, latent: float = 0.5) -> Evidence:
    """Events x with a normal distribution, reweighted to one that is shifted.

    The joint ratio of an event scatters around the exact ratio of its x, as latent variables let it. The second
    observable is independent.

    :param wrong: a factor on the exact ratio, as a function of the first observable
    :param latent: the relative standard deviation of the joint ratio
    """
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 2))
    ratio = np.exp(SHIFT * x[:, 0] - 0.5 * SHIFT**2)
    joint = ratio * random.gamma(latent**-2, latent**2, size=n)
    p = random.uniform(size=n)
    compared = Compared("ratio", [{"theta": {"c": SHIFT}}], joint[None], (ratio * wrong(x[:, 0]))[None], p / p.sum())
    problem = SimpleNamespace(
        file=SimpleNamespace(observables=("x", "y")), population=SimpleNamespace(x=x), n_expected=EXPECTED
    )
    return cast(Any, SimpleNamespace(problem=problem, compared=compared, threshold=3.84))


@pytest.mark.parametrize("name", TESTS)
def test_the_exact_ratio_passes_and_a_wrong_one_fails(name: str) -> None:
    test = TESTS[name]
    exact, flat, tilted = (
        evidence(wrong) for wrong in (np.ones_like, lambda x: np.exp(-0.25 * x), lambda x: np.exp(0.3 * x))
    )
    assert test.grade(test.measure(exact), exact) == ("passed", "")
    for other in (tilted, *([flat] if name != "calibration_curve" else [])):
        verdict, reason = test.grade(test.measure(other), other)
        assert verdict == "failed"
        assert "0.5" in reason


def test_a_ratio_that_is_the_same_for_all_events_is_left_to_the_other_tests() -> None:
    nothing = evidence(lambda x: np.exp(-SHIFT * x))
    for test in TESTS.values():
        assert not test.is_made(test.measure(nothing))


def test_events_whose_ratio_is_zero_are_a_bin_of_the_curve() -> None:
    none = evidence(lambda x: np.where(x > 0.0, 1.0, 0.0))
    (curve,) = calibration_curve.measure(none)["calibration_curve"]
    means = [entry["ratio"] for entry in curve["bins"]]
    assert means[0] == 0.0 and np.all(np.diff(means) > 0.0) and np.isfinite(means).all()


def test_the_worst_bin_has_events() -> None:
    """Many events have the least value, so none is below the first edge; the others differ less than their errors."""
    binned = Binned(np.array([1, 1, 2]), np.array([0.0, 0.6, 0.4]), np.array([0.0, 0.01, 0.015]), np.full(3, 0.02))
    assert (binned.chi_squares(100.0)[1:] < 0.0).all() and binned.chi_squares(100.0)[0] <= 0.0
    assert binned.worst(100.0) == 2
    exact = evidence(np.ones_like, latent=1e-9)
    exact.problem.population.x[:, 1] = np.maximum(exact.problem.population.x[:, 1], 0.0)
    assert [entry["range"][0] <= entry["range"][1] for entry in reweighting.measure(exact)["reweighted"]] == [
        True,
        True,
    ]


def test_few_events_give_no_verdict_that_they_cannot_give() -> None:
    few = evidence(np.ones_like, n=200, latent=2.0)
    verdict, reason = reweighting.grade(reweighting.measure(few), few)
    assert verdict == "doubtful"
    assert reason.startswith("events reweighted to c = 0.5 by the ratio are not distributed like events there: ")


def test_the_errors_are_those_of_many_samples() -> None:
    """Differences, χ² and areas scatter by their errors; χ² and area have no bias that matters."""
    pulls, chi_squares, areas = [], [], []
    for seed in range(40):
        one = evidence(np.ones_like, n=2_000, seed=seed)
        (curve,) = calibration_curve.measure(one)["calibration_curve"]
        pulls += [entry["difference"] / entry["error"] for entry in curve["bins"]]
        chi_squares.append(curve["chi_square"] / curve["error"])
        (found,) = classifier.measure(one)["classified"]
        areas.append((found["area"] - 0.5) / found["error"])
    assert np.std(pulls) == pytest.approx(1.0, abs=0.15)
    assert abs(np.mean(pulls)) < 0.2
    for figures in (chi_squares, areas):
        assert 0.4 < np.std(figures) < 1.3
        assert abs(np.mean(figures)) < 0.6


def test_a_deviation_is_the_chi_square_of_the_expected_events() -> None:
    """ln r is wrong by 0.1 with a normal distribution: N events show 0.01 N."""
    one = evidence(lambda x: np.exp(0.1 * x), n=40_000)
    (curve,) = calibration_curve.measure(one)["calibration_curve"]
    assert curve["chi_square"] == pytest.approx(0.01 * EXPECTED, rel=0.15)
    (found,) = classifier.measure(one)["classified"]
    assert found["area"] == pytest.approx(ndtr(0.1 / np.sqrt(2.0)), abs=3.0 * found["error"] + 0.001)


def test_the_area_is_that_of_a_distribution_that_is_shifted() -> None:
    """With a constant ratio the classifier tells the two normal distributions: Φ(shift / √2), to first order."""
    from mmc.jobs.statistics.closure.reweighted import Reweighted

    one = evidence(lambda x: np.exp(-SHIFT * x) * (1.0 + 1e-9 * x), n=40_000)
    (events,) = Reweighted.each(one)
    found = classify(ranks(one.problem.population.x), events)
    assert found["area"] == pytest.approx(0.638, abs=4.0 * found["error"] + 0.005)
