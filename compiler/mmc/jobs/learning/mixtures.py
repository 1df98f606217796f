"""Ratios of several groups of samples together, from trained ratios of each group and from their cross sections.

p(x | θ) = Σ_c f_c(θ) p_c(x | θ) with f_c = σ_c(θ) / Σ σ_c(θ). All ratios r_c = p_c(x | θ) / p_0(x) have the same
denominator, so p(x | θ) / p(x | θ1) = Σ_c f_c(θ) r_c(x | θ) / Σ_c f_c(θ1) r_c(x | θ1) (K. Cranmer, J. Pavez, G. Louppe,
arXiv:1506.02169).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mmc.jobs.learning.estimators import Estimator
from mmc.jobs.learning.trained import common
from mmc.jobs.madminer.event_file import Array


@dataclass(frozen=True)
class Factor:
    """A trained ratio of the density of a group."""

    estimator: Estimator
    theta0: Array | None
    """The only point of its numerator, shape (parameters,); None if it varies."""

    def log_ratio(self, points: Array, x: Array) -> Array:
        """ln r(x | θ): points (n, parameters), x (m, observables) to shape (n, m), or (1, m) if it does not vary."""
        return self.estimator.log_ratio(points if self.theta0 is None else self.theta0[np.newaxis], x)


@dataclass(frozen=True)
class Component:
    """The density of a group of samples, relative to one that is the same for all groups."""

    benchmarks: Array
    """The cross sections at the benchmarks, shape (benchmarks,)."""
    factors: tuple[Factor, ...]
    """The ratios that are multiplied; none for the group whose density is the denominator."""


class Mixture:
    """The ratio of a mixture, a :class:`mmc.jobs.learning.estimators.VariedLogRatio`."""

    def __init__(
        self, components: Sequence[Component], coefficients: Callable[[Array], Array], reference: Array
    ) -> None:
        """``coefficients`` gives the morphing weights at points; ``reference`` is θ1, shape (parameters,)."""
        self._components, self._coefficients, self._reference = tuple(components), coefficients, reference

    @property
    def trained(self) -> tuple[Array, Array] | None:
        """:attr:`mmc.jobs.learning.estimators.Estimator.trained` of the samples that all ratios that vary have.

        They reach as far as the samples of all these ratios do. None if none varies, or the samples are not known.
        """
        varying = (factor for component in self._components for factor in component.factors if factor.theta0 is None)
        known = [trained for factor in varying if (trained := factor.estimator.trained) is not None]
        return common(known) if known else None

    def log_ratio(self, points: Array, x: Array, nu: Array | None = None) -> Array:
        """ln p(x | θ) / p(x | θ1) for all pairs: points (n, parameters), x (m, observables) to shape (n, m).

        :raises StepError: when an output of a network is not finite
        """
        assert nu is None, "mixtures do not learn nuisance parameters"
        every = np.concatenate([points, self._reference[np.newaxis]])
        morphing = self._coefficients(every)
        rates = np.stack([morphing @ component.benchmarks for component in self._components])
        with np.errstate(divide="ignore"):
            fractions = np.log(np.maximum(rates, 0.0)) - np.log(rates.sum(axis=0))
        total = np.full((len(every), len(x)), -np.inf)
        for fraction, component in zip(fractions, self._components, strict=True):
            logs = fraction[:, np.newaxis] + sum(factor.log_ratio(every, x) for factor in component.factors)
            total = np.logaddexp(total, logs)
        return np.asarray(total[:-1] - total[-1])
