"""A number of events with one uncertain normalisation, whose profile likelihood has a closed form."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmc.jobs.madminer.event_file import EventFile
from mmc.jobs.statistics.jackknife import GROUPS
from mmc.jobs.statistics.limits import Grid, Limits
from mmc.jobs.statistics.neyman import effects_on_nature, nature_of
from mmc.jobs.statistics.problem import LimitProblem
from mmc.jobs.statistics.profiled_limits import profiled_limits
from mmc.jobs.statistics.profiling import FilledHistogram, VariedHistogram
from scipy.special import lambertw

from tests.jobs.learning_jobs import Learning

EFFECT = np.log(1.1)
C = np.linspace(-1.0, 1.0, 41)
POINTS = np.append(C, 0.0)


def rate(c: Any) -> Any:
    return 200.0 * (1.0 + 0.5 * c + 0.1 * c**2)


def log_likelihood(n: Any, mu: Any) -> Any:
    return n * np.log(mu) - mu


def gain(n: Any, mu: Any) -> Any:
    """The maximum over ν of n ln(μ exp(a ν)) - μ exp(a ν) - ν²/2, minus its value at 0.

    There ν = a n - y / a with y exp(y) = a² μ exp(a² n).
    """
    y = lambertw(EFFECT**2 * mu * np.exp(EFFECT**2 * n)).real
    nu = EFFECT * n - y / EFFECT
    return log_likelihood(n, mu * np.exp(EFFECT * nu)) - 0.5 * nu**2 - log_likelihood(n, mu)


def counting() -> FilledHistogram:
    """One bin, which an uncertainty of a factor 1.1 changes."""
    one = np.ones((1, 1))
    up, down = np.full((1, 1, 1), 1.1), np.full((1, 1, 1), 1.0 / 1.1)
    histogram = VariedHistogram(np.ones((len(POINTS), 1)), one, up, down, np.array([True]))
    return FilledHistogram(histogram, np.ones(1))


@pytest.mark.parametrize(("n", "is_expected"), [(200.0, True), (231.0, False)])
def test_limits_and_their_errors(n: float, is_expected: bool) -> None:
    """Expected and observed: the likelihood, and the errors of the interval from the simulation and the integration."""
    mu = rate(POINTS)
    larger = mu * np.stack([np.full(len(mu), 1.01), 1.0 + 0.01 * POINTS])

    def others(rates: Any) -> Any:
        ns = rates[:, [-1]] if is_expected else n
        return log_likelihood(ns, rates), gain(ns, rates)

    of_larger, gained_by_larger = others(larger)
    of_groups = np.tile(log_likelihood(n, mu), (GROUPS, 1))
    nominal = Limits(Grid({"c": C}), log_likelihood(n, mu), replicas=of_groups, varied=of_larger)
    changes = [(float(rates[-1]) if is_expected else n, rates) for rates in larger]
    found = profiled_limits(nominal, counting(), n, mu, changes)
    np.testing.assert_allclose(found.log_likelihood, log_likelihood(n, mu) + gain(n, mu), atol=1e-6)
    refitted = Limits(
        Grid({"c": C}),
        log_likelihood(n, mu) + gain(n, mu),
        replicas=of_groups + gain(n, mu),
        varied=of_larger + gained_by_larger,
    )
    errors, exact = (np.array(limits.summary([0.68])["interval_errors"]["c"]["0.68"]) for limits in (found, refitted))
    np.testing.assert_allclose(errors, exact, rtol=0.02)
    assert (errors > 0.02 if not is_expected else errors > 1e-4).all()
    area = found.summary([0.68])["allowed_area_error"]["0.68"]
    assert area == pytest.approx(refitted.summary([0.68])["allowed_area_error"]["0.68"], rel=0.05)


def test_toys_with_drawn_nuisance_parameters_are_covered() -> None:
    """-2 ln λ of toys whose normalisation is drawn from its constraint is χ² distributed if it is fitted."""
    random, found, mu = np.random.default_rng(7), [], rate(POINTS)
    likelihood = counting()
    for nu in random.standard_normal(400):
        n = float(random.poisson(rate(0.0) * np.exp(EFFECT * nu)))
        fitted = Limits(Grid({"c": C}), log_likelihood(n, mu) + likelihood(n, mu))
        nominal = Limits(Grid({"c": C}), log_likelihood(n, mu))
        found.append([limits.p_true > 0.32 for limits in (fitted, nominal)])
    coverage, without = np.mean(found, axis=0)
    assert coverage == pytest.approx(0.68, abs=3.0 * (0.68 * 0.32 / 400) ** 0.5)
    assert without < 0.52  # 0.44 for a normal likelihood


def test_experiments_draw_nuisance_parameters_for_limits_that_fit_them(tmp_path: Path, uncertain: Path) -> None:
    toys = {"at": {"c1": 0.0, "c2": 0.0}, "repeat": 2, "events": "poisson"}
    ranges = {"c1": [-1.0, 1.0], "c2": [-1.0, 1.0]}
    learning = Learning(tmp_path, uncertain, ranges=ranges, experiments=toys, systematics="profile")
    found = json.loads((learning.baseline("rate") / "baseline.json").read_text())
    nominal, fitted = found["pseudo_data"], found["with_systematics"]["pseudo_data"]
    assert nominal["repeat"] == fitted["repeat"] == 2
    assert nominal["mean_events"] != fitted["mean_events"]


def test_the_effects_on_the_events_of_toys(tmp_path: Path, uncertain: Path) -> None:
    learning = Learning(tmp_path, uncertain, systematics="profile")
    problem = LimitProblem.of(EventFile(uncertain / "events.h5", 0.2, 0.2), learning.limits)
    found = effects_on_nature(problem)
    assert found is not None
    nature = nature_of(problem)
    weights = nature.weights @ problem.true_coefficients
    assert [len(effects[0]) for effects in found] == [len(weights)] * 2
    nu = np.array([-2.0, 0.0])
    assert weights @ np.exp(nu @ found[0] + nu**2 @ found[1]) / weights.sum() == pytest.approx(1.075**-2.0)
