"""What a study asks a minimiser for: scans of all kinds of limits, and simulated experiments."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
from scipy.special import chdtri

from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.limits import Cloud
from mmc.jobs.statistics.problem import LimitProblem
from mmc.jobs.statistics.scanning.box import Box
from mmc.jobs.statistics.scanning.density import Density
from mmc.jobs.statistics.scanning.experiments import run_experiments
from mmc.jobs.statistics.scanning.outcome import Scans
from mmc.jobs.statistics.scanning.scan import run_scans
from mmc.jobs.statistics.scanning.surface import Surface, expected_surface, surfaces

log = logging.getLogger(__name__)

PLACES = 400
"""The number of points, spread over the confidence region, at which closure tests are made without a grid."""
LARGER = 1.5
"""They fill an ellipsoid whose -2 ln λ is that of the region times this number."""


def fitted(problem: LimitProblem, own: LimitProblem, density: Density, seed: int) -> LimitProblem:
    """The problem with the scans of all kinds of limits and the fits of simulated experiments.

    If there is no grid, it has points for closure tests.

    :param own: the problem as the likelihood reads it: its events and the number of measured numbers
    :param seed: seeds the experiments
    """
    box = problem.box
    if box is None or not (problem.scans or problem.experiments):
        return problem
    expected = expected_surface(own, density)
    if problem.experiments is not None:
        random = np.random.default_rng(seed).spawn(1)[0]
        found = run_experiments(own, density, expected, problem.experiments, box=box, random=random)
        problem = replace(problem, fitted=found)
    return _scanned(problem, own, surfaces(own, density, expected), box) if problem.scans else problem


def _scanned(problem: LimitProblem, own: LimitProblem, every: Mapping[str, Surface], box: Box) -> LimitProblem:
    found = {}
    for name, surface in every.items():
        found[name] = run_scans(
            surface.minus_2_log,
            surface.widening,
            box,
            names=list(problem.grid.axes),
            scans=problem.scans,
            levels=problem.levels,
            start=problem.theta_true,
            dof=own.dof(rate=surface.rate),
            slope=surface.slope,
            widening_slope=surface.widening_slope,
            with_ends=isinstance(problem.grid, Cloud),
        )
        log.info("%s: %d scans, best fit %s", name or "expected", len(problem.scans), found[name].best_fit)
    if not isinstance(problem.grid, Cloud):
        return replace(problem, scanned=found)
    places, ends = region_of(box, found.values(), max(problem.levels)), ends_of(found.values())
    cloud = Cloud.among(box, list(problem.grid.axes), problem.grid.center, places, ends)
    return replace(problem, scanned=found, grid=cloud)


def region_of(box: Box, found: Iterable[Scans], level: float) -> Array:
    """Points in the confidence region of the first of some likelihoods, and the best fits of all; where limits have no
    grid."""
    return np.concatenate([*_places(box, found, level)])


def ends_of(found: Iterable[Scans]) -> Array:
    """The ends of the intervals of all likelihoods."""
    return np.concatenate([scans.end_points for scans in found])


def _places(box: Box, found: Iterable[Scans], level: float) -> Iterable[Array]:
    """The best fits, and points that fill the ellipsoid of the first."""
    fits = [scans.fit for scans in found]
    yield np.stack([fit.best for fit in fits])
    n, half = len(box.low), 0.5 * (box.high - box.low)
    inverse = np.diag(half**-2.0)  # no axis is longer than its range
    if fits[0].covariance is not None:
        inverse = inverse + np.linalg.inv(fits[0].covariance) / (LARGER * float(chdtri(n, 1.0 - level)))
    axes = np.linalg.cholesky(np.linalg.inv(inverse))
    random = np.random.default_rng(1)
    directions = random.normal(size=(PLACES, n))
    directions *= (random.random(PLACES) ** (1.0 / n) / np.linalg.norm(directions, axis=1))[:, np.newaxis]
    yield np.clip(fits[0].best + directions @ axes.T, box.low, box.high)
