from typing import Any, cast

import numpy as np
import pytest
from mmc.jobs.statistics.closure.declaration import significance
from mmc.jobs.statistics.closure.tests.joint import SLOPE, TEST, joint_figures, regression


def test_the_joint_quantity_changes_as_much_as_a_perfect_estimate_and_the_other_way_round_it_does_not() -> None:
    """Weighted events; the joint quantity is the estimate plus an unobserved part."""
    random = np.random.default_rng(5)
    estimated, weights = random.uniform(1.0, 2.0, size=20_000), random.uniform(size=20_000)
    joint = estimated + 0.5 * random.normal(size=20_000)
    p = weights / weights.sum()
    found = regression(joint, estimated, p)
    assert found["slope"] == pytest.approx(1.0, abs=4.0 * (found["slope_error"] or 0.0))
    assert found["correlation"] == pytest.approx(0.5, abs=0.02)
    backward = regression(estimated, joint, p)
    assert backward["slope"] == pytest.approx(0.25, abs=0.02)
    overconfident = regression(joint, 1.5 * estimated, p)
    assert overconfident["slope"] == pytest.approx((found["slope"] or 0.0) / 1.5)


def test_the_error_of_the_slope_is_that_of_many_samples_whatever_the_scatter() -> None:
    random = np.random.default_rng(6)
    slopes, errors = [], []
    for _ in range(300):
        estimated = random.normal(size=500)
        joint = estimated + estimated**2 * random.normal(size=500)
        found = regression(joint, estimated, np.full(500, 1 / 500))
        slopes.append(found["slope"])
        errors.append(found["slope_error"])
    assert np.mean(errors) == pytest.approx(np.std(slopes), rel=0.1)


def test_an_estimate_that_is_always_the_same_has_no_slope() -> None:
    nothing = regression(np.arange(5.0), np.ones(5), np.full(5, 0.2))
    assert nothing == {"correlation": 0.0, "slope": None, "slope_error": None}
    assert joint_figures("ratio", [nothing]) is None
    some = {"correlation": 0.5, "slope": 1.2, "slope_error": 0.1}
    worse = {"correlation": 0.7, "slope": 0.9, "slope_error": 0.01}
    figures = joint_figures("ratio", [nothing, some, worse])
    assert figures is not None
    assert (figures["slope"], figures["correlation"]) == (0.9, 0.5)


def test_the_largest_of_many_deviations_is_as_significant_as_a_single_one() -> None:
    """A slope that is 2.5 standard errors beyond the tolerance is a matter of chance among ten, but not alone."""

    def verdict(n: int) -> str:
        off = {"correlation": 0.9, "slope": 1.0 + SLOPE["ratio"] + 2.5 * 0.02, "slope_error": 0.02}
        right = off | {"slope": 1.0}
        return TEST.grade({"joint": joint_figures("ratio", [off, *[right] * (n - 1)])}, cast(Any, None))[0]

    assert [verdict(n) for n in (1, 10)] == ["doubtful", "passed"]
    random = np.random.default_rng(8).standard_normal((100_000, 10))
    k = significance(10)["doubtful"][0]
    assert (np.abs(random).max(axis=1) > k).mean() == pytest.approx(0.0455, abs=0.003)
