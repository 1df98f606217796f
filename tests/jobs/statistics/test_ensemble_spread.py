"""The error of the training, in a model whose error is known: the mean of x is θ, and networks have a wrong mean."""

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import numpy as np
import pytest
from mmc.jobs.learning.estimators import Estimator
from mmc.jobs.statistics.ensemble_spread import EnsembleSpread
from mmc.jobs.statistics.limits import Grid, Limits
from mmc.jobs.statistics.problem import LimitProblem

N_EXPECTED = 100.0
N_TRAINED = 120.0
"""The number of training events: the mean of x that a network learns has the variance 1 / N_TRAINED."""
GRID = Grid({"theta": np.linspace(-0.6, 0.6, 241)}, (0.0,))


@dataclass(frozen=True)
class Member:
    """A network for ln r(x | θ) = θ (x - shift) - θ²/2; the shift is the error of its training."""

    shift: float
    kind: ClassVar[Any] = SimpleNamespace(gives_ratio=True, is_polynomial=False)

    def log_ratio(self, points: Any, x: Any, nu: Any = None) -> Any:
        return points * (x[:, 0] - self.shift) - 0.5 * points**2


def problem() -> LimitProblem:
    x = np.array([[-1.0], [1.0]])
    points = np.append(GRID.points, [[0.0]], axis=0)
    known: dict[str, Any] = {"asimov": (x, np.array([0.5, 0.5])), "points": points, "n_expected": N_EXPECTED}
    return cast(LimitProblem, SimpleNamespace(**known, expects_simulation=True, levels=(0.68, 0.95), grid=GRID))


def spread(shifts: Any, *, bootstrap: bool) -> EnsembleSpread:
    settings: Any = SimpleNamespace(calibration="none", bootstrap=bootstrap)
    return EnsembleSpread(Estimator(cast(Any, [Member(shift) for shift in shifts])), problem(), settings)


def likelihood(shift: float) -> Limits:
    points = np.append(GRID.points[:, 0], 0.0)
    return Limits(GRID, N_EXPECTED * (points * shift - 0.5 * points**2))


def test_the_variance_from_the_training_is_that_of_the_members() -> None:
    """A shift s of the mean changes ln L(θ) by N θ s."""
    shifts = np.array([0.03, -0.05, 0.11])
    points = np.append(GRID.points[:, 0], 0.0)
    expected = np.square(N_EXPECTED * points) * shifts.var(ddof=1)
    assert spread(shifts, bootstrap=True).variance == pytest.approx(expected)
    assert spread(shifts, bootstrap=False).variance == pytest.approx(expected / 3.0)
    excluded = likelihood(0.02)
    excluded.log_likelihood[0] = -np.inf
    arrays = spread(shifts, bootstrap=True).arrays(replace(excluded, per_simulated=0.25))
    assert arrays["training_error"] == pytest.approx(expected[:-1] ** 0.5 / 1.25, abs=1e-9)
    # the likelihood of each member has its maximum at minus its shift, relative to that of their mean
    ends = spread(shifts, bootstrap=True).summary(likelihood(0.0))["interval_errors"]["theta"]["0.95"]
    assert ends == [pytest.approx([shifts.std(ddof=1)] * 2, rel=0.01)]
    errors = [
        spread(shifts, bootstrap=kind).summary(likelihood(0.0))["allowed_area_error"]["0.68"] for kind in (True, False)
    ]
    assert errors[0] == pytest.approx(errors[1] * 3.0**0.5)


@pytest.mark.parametrize(("n_members", "lowest"), [(3, [0.62, 0.89]), (10, [0.65, 0.93])])
def test_limits_with_the_error_of_the_training_cover(n_members: int, lowest: list[float]) -> None:
    """Over data and trainings; the members of each training are bootstrap samples of the same events.

    The standard deviation of a few members has an error, so that they cover a little less.
    """
    random = np.random.default_rng(n_members)
    whole = problem()
    inside = {"with": np.zeros(2), "without": np.zeros(2)}
    n_trials = 1500
    for _ in range(n_trials):
        training = random.normal(0.0, N_TRAINED**-0.5)
        shifts = training + random.normal(0.0, N_TRAINED**-0.5, n_members)
        data = random.normal(0.0, N_EXPECTED**-0.5) - shifts.mean()
        vars(whole)["training"] = spread(shifts, bootstrap=True).variance
        per_trained = LimitProblem.per_trained(whole, likelihood(0.0))
        for name, added in {"with": per_trained * N_EXPECTED, "without": 0.0}.items():
            limits = Limits(GRID, likelihood(data).log_likelihood, per_simulated=added)
            inside[name] += [limits.p_true >= 1.0 - level for level in (0.68, 0.95)]
    assert (inside["without"] / n_trials < [0.56, 0.87]).all()
    coverage = inside["with"] / n_trials
    assert (coverage > lowest).all() and (coverage < [0.71, 0.965]).all()
