"""The morphing basis of a study, for the step ``configure`` and for ``mmc plan``."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mmc.compiler.catalogue.morphing import LEAST_SQUARES, completed_names, component_count, component_powers
from mmc.compiler.settings.configure import ConfigureSettings
from mmc.errors import StepError
from mmc.jobs.madminer import workarounds

Array = npt.NDArray[np.float64]

MAX_CONDITION_NUMBER = 1e13
"""Above this condition number morphed weights keep fewer than three digits."""
_GRID = 20_000
"""The maximum number of points of parameter space at which squared weights are evaluated."""


@dataclass(frozen=True)
class Basis:
    """A morphing basis: the weights at its benchmarks give the weights at any point."""

    points: Mapping[str, Mapping[str, float]]
    """The value of each parameter at each basis benchmark: the study's benchmarks, then those that MadMiner adds."""
    components: npt.NDArray[np.int64]
    """The power of each parameter in each term of the squared matrix element, shape (elements, parameters)."""
    matrix: Array
    """MadMiner's morphing matrix, shape (terms, elements); the pseudo-inverse if there are more elements than terms."""
    condition_number: float
    """That of the matrix with parameters in units of their largest value in the range."""
    largest_squared_weight: float
    """The largest of Σ_b w_b(θ)², where w_b are the morphing weights, on a grid over the parameters' ranges (see
    :func:`grid_points`). It bounds the variance of an event's weight at θ, relative to the weights of the basis."""

    def summary(self) -> dict[str, Any]:
        """The summary in ``mmc plan`` and in the record of ``configure``."""
        return {
            "points": {name: dict(point) for name, point in self.points.items()},
            "condition_number": self.condition_number,
            "largest_squared_weight": self.largest_squared_weight,
        }


def units_of(ranges: Array | Sequence[Sequence[float]]) -> Array:
    """The largest |value| of each parameter in its range, (parameters, 2), by which parameters are compared."""
    largest = np.abs(ranges).max(axis=1)
    return np.asarray(np.where(largest > 0.0, largest, 1.0))


def components(max_powers: Sequence[int], max_overall_power: int) -> npt.NDArray[np.int_]:
    """The powers of the parameters in each component of the squared amplitude, shape (components, parameters)."""
    return np.array(component_powers(max_powers, max_overall_power), dtype=int)


def find_basis(settings: ConfigureSettings, seed: int) -> Basis | None:
    """The basis that a ``configure`` job makes; None when its settings switch morphing off.

    :param seed: the job's seed; the state of numpy's random numbers is restored afterwards
    :raises StepError: when there are too many or too few benchmarks, or the basis is singular
    :raises MissingExtraError: when MadMiner is not installed
    """
    morphing, parameters, outside = settings.morphing, settings.parameters, settings.outside_basis
    if morphing is None:
        return None
    fixed = {name: point for name, point in settings.benchmarks.items() if name not in outside}
    n_components = component_count([p.max_power for p in parameters.values()], morphing.max_overall_power)
    fitted = morphing.fit == LEAST_SQUARES and len(fixed) > n_components
    if not fitted:
        _check_count(len(fixed), n_components, morphing.complete)
    names = (*fixed, *(completed_names(list(fixed), n_components) if morphing.complete else ()))
    twice = sorted({name for name in names if names.count(name) > 1 or name in outside})
    if twice:
        raise StepError(f"MadMiner gives the name {twice[0]} to a benchmark that completes the basis: rename yours")

    workarounds.apply()
    from madminer.utils.morphing import PhysicsMorpher

    ranges = np.array([p.range for p in parameters.values()], dtype=float)
    # In units of the ranges: the powers of a parameter in GeV^-4 would differ by many orders of magnitude.
    unit = units_of(ranges)
    ranges /= unit[:, np.newaxis]
    morpher = PhysicsMorpher(parameter_max_power=[p.max_power for p in parameters.values()], parameter_range=ranges)
    morpher.set_components(components([p.max_power for p in parameters.values()], morphing.max_overall_power))
    points = np.array([[point[name] for name in parameters] for point in fixed.values()], dtype=float)
    try:
        with np.errstate(all="ignore"):  # numbers that are too large or small for a computer end as nan
            points = points / unit
            if fitted:
                morpher.set_basis(
                    basis_numpy=points, morphing_matrix=np.linalg.pinv(_powers(points, morpher.components))
                )
            elif len(fixed) < n_components:
                with _random_numbers(seed):
                    points = morpher.optimize_basis(
                        benchmarks_numpy=points.reshape(len(fixed), len(parameters)),
                        n_trials=morphing.n_trials,
                        n_test_thetas=morphing.n_test_thetas,
                    )
            else:
                morpher.set_basis(basis_numpy=points)
            matrix = np.asarray(morpher.morphing_matrix)
            condition_number = float(np.linalg.cond(matrix))
            powers_of_units = np.prod(unit**morpher.components, axis=1)
    except np.linalg.LinAlgError as error:
        raise StepError(
            "the morphing basis is singular: two benchmarks are at the same point, or the benchmarks do not determine "
            "all powers of the parameters"
        ) from error
    if not condition_number < MAX_CONDITION_NUMBER:
        raise StepError(
            f"the morphing basis is close to singular (condition number {condition_number:.1e}): "
            "move benchmarks apart, or leave some to MadMiner"
        )
    if not np.all(np.isfinite(powers_of_units) & (powers_of_units > 0.0)):
        raise StepError("the powers of a parameter's range are too large or too small for a computer: use another unit")
    completed = {
        name: dict(zip(parameters, map(float, point * unit), strict=True))
        for name, point in zip(names, points, strict=True)
    }
    given = {name: {parameter: float(point[parameter]) for parameter in parameters} for name, point in fixed.items()}
    return Basis(
        points=completed | given,
        components=morpher.components,
        matrix=matrix / powers_of_units[:, np.newaxis],
        condition_number=condition_number,
        largest_squared_weight=_largest_squared_weight(morpher.components, matrix, grid_points(ranges)),
    )


def grid_points(ranges: Array) -> Array:
    """The points at which squared weights are evaluated: shape (points, parameters).

    A grid over the ranges, shape (parameters, 2), corners included. All axes have the same number of points: the
    largest number up to 101 that gives at most 20,000 points in all. With more than 14 parameters: 20,000 of the
    corners, drawn with a fixed seed.
    """
    n_parameters = len(ranges)
    if 2**n_parameters > _GRID:
        unit = np.random.default_rng(0).integers(0, 2, (_GRID, n_parameters)).astype(float)
    else:
        per_axis = next(n for n in range(101, 1, -1) if n**n_parameters <= _GRID)
        axes = np.meshgrid(*[np.linspace(0.0, 1.0, per_axis)] * n_parameters, indexing="ij")
        unit = np.stack([axis.ravel() for axis in axes], axis=1)
    return np.asarray(ranges[:, 0] + unit * (ranges[:, 1] - ranges[:, 0]))


def _largest_squared_weight(components: npt.NDArray[np.int64], matrix: Array, points: Array) -> float:
    return float(np.square(_powers(points, components) @ matrix).sum(axis=1).max())


def _powers(points: Array, components: npt.NDArray[np.int64]) -> Array:
    """The components at points (points, parameters): shape (points, components)."""
    return np.stack([np.prod(points**component, axis=1) for component in components], axis=1)


def _check_count(n_benchmarks: int, n_components: int, complete: bool) -> None:
    if n_benchmarks > n_components:
        raise StepError(
            f"{n_benchmarks} benchmarks for a morphing basis of {n_components}: "
            "remove benchmarks, take some out of the basis (in_basis: false), raise max_power or max_overall_power, or "
            "write fit: least-squares"
        )
    if n_benchmarks < n_components and not complete:
        raise StepError(
            f"{n_benchmarks} benchmarks for a morphing basis of {n_components}: "
            "add benchmarks, or let MadMiner complete the basis (complete: true)"
        )


@contextmanager
def _random_numbers(seed: int) -> Iterator[None]:
    """Seed numpy's global random numbers, from which MadMiner draws trial points, and restore their state on exit."""
    state = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(state)
