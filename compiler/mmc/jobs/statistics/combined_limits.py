"""The limits of several regions together, on the grid, and with scans if their likelihoods have bins.

Likelihoods with bins are known at any point, so a minimiser can fit their product.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mmc.compiler.settings.limits import LimitSettings
from mmc.errors import StepError
from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.combination import check_floating, combine, combine_floating, kinds_of, with_common_toys
from mmc.jobs.statistics.joint_errors import JointError
from mmc.jobs.statistics.limits import Cloud, Grid, Limits
from mmc.jobs.statistics.region_likelihood import RegionLikelihood
from mmc.jobs.statistics.scanning.box import Box
from mmc.jobs.statistics.scanning.fitted import region_of
from mmc.jobs.statistics.scanning.outcome import Fit, Scans
from mmc.jobs.statistics.scanning.scan import run_scans

STEP = 0.1
"""The step, in standard deviations of a parameter, to both sides of the best fit at which factors are fitted."""


@dataclass(frozen=True)
class ProductLikelihood:
    """The likelihood of several regions at any point."""

    regions: Sequence[RegionLikelihood]
    coefficients: Callable[[Array], Array]
    """Gives the morphing coefficients of points (points, parameters)."""
    truth: Array
    """Shape (parameters,)."""
    floating: tuple[str, ...] = ()
    kind: str = ""
    _last: dict[bytes, Limits] = field(init=False, default_factory=dict)
    """The limits at the last points: their widening is asked for after their ln L."""

    def at(self, points: Array) -> list[RegionLikelihood]:
        """The regions at some points and, as the last one, the true point."""
        rows = self.coefficients(np.concatenate([points, self.truth[np.newaxis]]))
        return [region.at(rows) for region in self.regions]

    def limits(self, points: Array) -> Limits:
        """The likelihood at some points and the true point; its grid is not that of these points."""
        key = points.tobytes()
        if key not in self._last:
            regions = self.at(points)
            self._last.clear()
            self._last[key] = (
                combine_floating(regions, self.floating, self.kind)[0] if self.floating else combine(regions, self.kind)
            )
        return self._last[key]

    def minus_2_log(self, points: Array) -> Array:
        """-2 ln L at points (points, parameters), without the statistical error of the simulation."""
        return np.asarray(-2.0 * self.limits(points).log_likelihood[:-1])

    def widening(self, points: Array) -> Array:
        """1 + f at points (points, parameters)."""
        return 1.0 + np.asarray(self.limits(points).per_simulated)[:-1]

    def normalisations(self, fit: Fit) -> dict[str, Any]:
        """Value and error of each factor at a best fit that a minimiser has found, as in
        :meth:`mmc.jobs.statistics.floating.Normalisations.summary`.

        The error is that at fixed parameters and, to first order, what the parameters' errors add.
        """
        steps = np.where(np.isfinite(fit.errors), STEP * fit.errors, 0.0)
        points = np.stack([fit.best, *(fit.best + np.diag(steps)), *(fit.best - np.diag(steps))])
        limits, found = combine_floating(self.at(points), self.floating, self.kind)
        up, down = np.split(found.values[1:-1], 2)
        slopes = np.divide(up - down, 2.0 * steps[:, np.newaxis], out=np.zeros_like(up), where=steps[:, np.newaxis] > 0)
        covariance = np.zeros((len(steps), len(steps))) if fit.covariance is None else fit.covariance
        variance = np.square(found.errors[0]) * (1.0 + np.asarray(limits.per_simulated)[0])
        errors = np.sqrt(variance + np.einsum("ks,kl,ls->s", slopes, covariance, slopes))
        return {
            name: {
                "value": float(value),
                "interval": [max(float(value - error), 0.0), float(value + error)],
                "error": float(error),
                "at_edge": fit.covariance is None or any(fit.at_end),
            }
            for name, value, error in zip(self.floating, found.values[0], errors, strict=True)
        }


def grid_of(settings: LimitSettings) -> Grid:
    """The grid of limits; without one, the true point alone."""
    if not settings.grid:
        return _cloud(settings, np.zeros((0, len(settings.parameters))))
    truth = tuple(settings.theta_true[name] for name in settings.parameters)
    return Grid.of(settings.grid, settings.parameters, truth)


def _cloud(settings: LimitSettings, places: Array) -> Cloud:
    truth = tuple(settings.theta_true[name] for name in settings.parameters)
    return Cloud.among(Box.of(settings.ranges, settings.parameters), settings.parameters, truth, places)


def combined_limits(
    regions: Sequence[RegionLikelihood],
    settings: LimitSettings,
    floating: tuple[str, ...],
    coefficients: Callable[[Array], Array],
    random: np.random.Generator,
) -> tuple[dict[str, Limits], dict[str, Any], dict[str, float]]:
    """The limits of several regions together by kind; the normalisations that are fitted, by kind; and for limits with
    toys the part of f that toys lack (:attr:`mmc.jobs.statistics.joint_errors.JointError.of_shared`), by kind.

    If all regions have bins and the study asks for scans, the limits have them; without a grid, they have points in the
    confidence region.

    :param coefficients: gives the morphing coefficients of points (points, parameters)
    :param random: draws toys, if critical values are from toys
    :raises StepError: when normalisations cannot float, or there is neither a grid nor bins
    """
    truth = np.array([settings.theta_true[name] for name in settings.parameters])
    points = grid_of(settings).points
    rows = coefficients(np.concatenate([points, truth[np.newaxis]]))
    regions = [replace(region, coefficients=rows) for region in regions]
    likelihood = ProductLikelihood(regions, coefficients, truth, floating)
    kinds = [kind for kind in kinds_of(regions) if not (floating and "without_rate" in kind)]
    scans: dict[str, Scans] = {}
    cloud = None
    if settings.scans and all(region.has_bins for region in regions):
        box = Box.of(settings.ranges, settings.parameters)
        scans = {kind: _scan(replace(likelihood, kind=kind), settings, box) for kind in kinds}
        if not settings.grid:
            places = region_of(box, scans.values(), max(settings.confidence_levels))
            cloud = _cloud(settings, places)
            regions = likelihood.at(places)
    elif not settings.grid:
        raise StepError("without a grid, a combination needs likelihoods with bins: the rate, a histogram or sally")
    if floating:
        check_floating(regions, floating)
    found, fitted = {}, {}
    for kind in kinds:
        fit = None
        if floating:
            limits, fit = combine_floating(regions, floating, kind)
        else:
            limits = combine(regions, kind)
        limits = replace(limits, scans=scans.get(kind), grid=limits.grid if cloud is None else cloud)
        found[kind] = limits
        if fit is not None:
            own = replace(likelihood, kind=kind)
            fitted[kind] = fit.summary(floating, limits) if cloud is None else own.normalisations(scans[kind].fit)
    if settings.confidence == "toys":
        found = with_common_toys(regions, found, settings.confidence_levels, random)
    with_toys = [kind for kind, limits in found.items() if limits.critical is not None]
    return found, fitted, {kind: JointError.of(regions, kind).of_shared for kind in with_toys}


def _scan(likelihood: ProductLikelihood, settings: LimitSettings, box: Box) -> Scans:
    return run_scans(
        likelihood.minus_2_log,
        likelihood.widening,
        box,
        names=list(settings.parameters),
        scans=settings.scans,
        levels=settings.confidence_levels,
        start=likelihood.truth,
        dof=likelihood.limits(likelihood.truth[np.newaxis]).dof,
    )
