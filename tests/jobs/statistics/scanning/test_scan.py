"""Scans of likelihoods that are known: normal ones, one with two maxima, and one that the data do not determine."""

from typing import Any

import numpy as np
import pytest
from mmc.compiler.settings.limits import LikelihoodScan
from mmc.jobs.statistics.scanning.box import Box
from mmc.jobs.statistics.scanning.outcome import Scans
from mmc.jobs.statistics.scanning.scan import run_scans
from scipy.stats import chi2

LEVELS = (0.68, 0.95)


def scan(function: Any, n: int, scans: list[LikelihoodScan], *, dof: int | None = None, widening: float = 1.0) -> Scans:
    return run_scans(
        function,
        lambda points: np.full(len(points), widening),
        Box(np.full(n, -2.0), np.full(n, 2.0)),
        names=[f"c{k + 1}" for k in range(n)],
        scans=scans,
        levels=LEVELS,
        start=np.zeros(n),
        dof=n if dof is None else dof,
    )


def along(*over: str, points: int = 9, **others: float) -> LikelihoodScan:
    return LikelihoodScan(over=over, points=points, others=others or None)


def test_a_normal_likelihood_of_seven_parameters_has_its_covariance_intervals_and_planes() -> None:
    n, widening = 7, 1.25
    random = np.random.default_rng(3)
    root = random.normal(size=(n, n))
    hessian = 4.0 * (root @ root.T + 2.0 * np.eye(n))
    centre = random.uniform(-0.3, 0.3, n)

    def function(points: Any) -> Any:
        return 7.0 + np.einsum("pi,ij,pj->p", points - centre, hessian, points - centre)

    fixed = {f"c{k + 1}": 0.0 for k in range(n)}
    found = scan(function, n, [along("c2"), along("c2", **fixed), along("c1", "c2", points=5)], widening=widening)
    covariance = widening * np.linalg.inv(hessian)
    assert found.fit.best == pytest.approx(centre, abs=0.01)
    assert found.fit.covariance == pytest.approx(covariance, rel=0.01, abs=1e-4)
    assert not found.fit.problems(found.names) and not found.failed and not found.open_parameters
    profile, alone, plane = found.curves
    half = (chi2.ppf(0.95, 1) * covariance[1, 1]) ** 0.5
    assert profile.intervals["0.95"] == [pytest.approx([centre[1] - half, centre[1] + half], abs=0.002)]
    assert found.fit.minos["0.95"][1] == pytest.approx((centre[1] - half, centre[1] + half), abs=0.002)
    others = [k for k in range(n) if k != 1]
    shifted = centre[1] + hessian[1, others] @ centre[others] / hessian[1, 1]
    half = (chi2.ppf(0.95, 1) * widening / hessian[1, 1]) ** 0.5
    assert alone.intervals["0.95"] == [pytest.approx([shifted - half, shifted + half], abs=0.002)]
    offsets = np.stack(np.meshgrid(*(axis - centre[k] for k, axis in enumerate(plane.axes)), indexing="ij"), axis=-1)
    exact = np.einsum("xyi,ij,xyj->xy", offsets, np.linalg.inv(covariance[:2, :2]), offsets)
    assert plane.values == pytest.approx(exact, abs=0.01)
    assert chi2.ppf(0.95, 2) < exact[0].min()  # the plane holds the whole region


def test_two_maxima_are_said_and_both_are_in_the_profile() -> None:
    found = scan(
        lambda points: 40.0 * (points[:, 0] ** 2 - 1.0) ** 2 + 20.0 * points[:, 1] ** 2, 2, [along("c1", points=15)]
    )
    assert sorted(round(float(point[0]), 2) for point in found.fit.minima) == [-1.0, 1.0]
    (problem,) = found.fit.problems(found.names)
    assert problem.startswith("the likelihood has 2 maxima in the confidence region")
    (low, high) = found.curves[0].intervals["0.95"]
    end = (1.0 + (chi2.ppf(0.95, 1) / 40.0) ** 0.5) ** 0.5
    assert high[1] == pytest.approx(end, abs=0.002) and low[0] == pytest.approx(-end, abs=0.002)
    assert len(found.fit.minos_intervals(0)["0.95"]) == 1


def test_a_best_fit_at_an_end_of_a_range_is_said_and_its_interval_is_open() -> None:
    found = scan(lambda points: 3.0 * (points[:, 0] - 2.5) ** 2 + points[:, 1] ** 2, 2, [along("c1")])
    assert found.fit.problems(found.names)[0] == "at the best fit, c1 is at an end of the range"
    assert found.open_parameters == ["c1"]


def test_data_that_are_one_number_have_no_covariance_but_profiles() -> None:
    found = scan(lambda points: 9.0 * (points.sum(axis=1) - 0.2) ** 2, 3, [along("c1")], dof=1)
    assert found.fit.converged and found.fit.covariance is None
    assert not found.fit.problems(found.names)  # a rate cannot determine three parameters
    assert found.curves[0].values == pytest.approx(0.0, abs=0.01)


def test_a_minimiser_that_does_not_converge_is_said() -> None:
    random = np.random.default_rng(1)
    found = scan(lambda points: 1e4 * random.random(len(points)), 2, [along("c1", points=3)])
    assert "the minimiser did not converge to the best fit" in found.fit.problems(found.names)
