"""Tests of morphing with the weights of all events: benchmarks outside the basis or fitted, and flat directions."""

from pathlib import Path
from typing import Any

import numpy as np

from mmc.errors import StepError
from mmc.jobs.madminer import workarounds
from mmc.jobs.madminer.event_file import Array
from mmc.jobs.madminer.event_rows import block_rows, width
from mmc.jobs.madminer.morphing_basis import units_of

WRONG, DOUBTFUL = 0.01, 0.001
"""A larger deviation than WRONG is refused; one larger than DOUBTFUL is a warning."""
PRECISION = 1e-6
"""The relative error of weights in event files, which MadGraph writes with seven digits."""
FLAT = 1e-10
"""Weights do not depend on a direction of parameter space where their squared slopes are this part of the largest."""
SMALLEST_STEP = 1e-3
"""Smaller components of a flat direction are not named."""


def check_morphing(path: Path) -> tuple[dict[str, float], list[str]]:
    """The deviation at each benchmark outside the basis, and warnings, also of flat directions.

    The deviation is Σ |morphed weight - weight| / Σ |weight|, over all events. Rounding errors of the weights grow with
    the morphing coefficients; what they can explain is subtracted. If there are more benchmarks in the basis than
    components, all are tested, and the result has the part of the events for which a weight deviates by :data:`WRONG`.

    :param path: a MadMiner event file
    :raises StepError: when the deviation is larger than :data:`WRONG`
    """
    workarounds.apply()
    from madminer.analysis import DataAnalyzer

    data = DataAnalyzer(str(path))
    if data.morpher is None:
        return {}, []
    n_components, n_basis = np.shape(data.morpher.morphing_matrix)
    first = 0 if n_basis > n_components else n_basis
    tested = list(data.benchmarks.values())[first : int(data.n_benchmarks_phys)]
    unit = units_of([parameter.val_range for parameter in data.parameters.values()])
    slopes, excess, total = np.zeros((len(unit), len(unit))), np.zeros(len(tested)), np.zeros(len(tested))
    n_wrong = n_events = 0
    for _, weights in data.event_loader(batch_size=block_rows(width(path)), include_nuisance_parameters=False):
        slopes += _squared_slopes(data, weights[:, :n_basis], unit)
        is_wrong = np.zeros(len(weights), dtype=bool)
        for k, benchmark in enumerate(tested):
            terms = weights[:, :n_basis] * data.morpher.calculate_morphing_weights(
                np.array(list(benchmark.values.values()))
            )
            own = weights[:, first + k]
            rounding = PRECISION * (np.abs(terms).sum(axis=1) + np.abs(own))
            deviation = np.maximum(np.abs(terms.sum(axis=1) - own) - rounding, 0.0)
            is_wrong |= deviation > WRONG * np.abs(own)
            excess[k] += deviation.sum()
            total[k] += np.abs(own).sum()
        n_wrong, n_events = n_wrong + int(is_wrong.sum()), n_events + len(weights)
    found, warnings = {}, _flat_directions(slopes, unit, list(data.parameters))
    what = "to whose weights the components are fitted" if first == 0 else "which is not in the morphing basis"
    if first == 0 and n_wrong > WRONG * n_events:
        warnings.append(
            f"for {n_wrong / n_events:.1%} of the events, a fitted weight differs from that of the event by more than "
            f"{WRONG:.0%}"
        )
    for k, benchmark in enumerate(tested):
        size = float(excess[k] / total[k]) if total[k] > 0.0 else 0.0 if excess[k] == 0.0 else np.inf
        found[benchmark.name] = size
        text = (
            f"at benchmark {benchmark.name!r}, {what}, morphed weights differ from the weights of the events by "
            f"{size:.2%}"
        )
        if size > WRONG:
            raise StepError(
                f"{text}: the weights are not a polynomial with the powers of the parameters, or a benchmark is at "
                "another point; check max_power, max_overall_power, the points of the benchmarks, and widths that "
                "depend on the parameters"
            )
        if size > DOUBTFUL:
            warnings.append(text)
    return found, warnings


def _squared_slopes(data: Any, weights: Array, unit: Array) -> Array:
    """Σ over events and benchmarks of the slope of an event's weight times itself, shape (parameters, parameters).

    :param weights: at the benchmarks of the basis, shape (events, benchmarks)
    :param unit: of each parameter; the slopes are those in these units, relative to the weights of the event
    """
    n_basis = weights.shape[1]
    size = np.abs(weights).sum(axis=1, keepdims=True)
    relative = np.divide(weights, size, out=np.zeros_like(weights), where=size > 0.0)
    slopes = np.zeros((len(unit), len(unit)))
    for benchmark in list(data.benchmarks.values())[:n_basis]:
        gradients = data._get_dtheta_benchmark_matrix(np.array(list(benchmark.values.values())))[:, :n_basis]
        along = relative @ (gradients * unit[:, np.newaxis]).T
        slopes += along.T @ along
    return slopes


def _flat_directions(slopes: Array, unit: Array, parameters: list[str]) -> list[str]:
    """Name the directions of parameter space on which no weight depends.

    :param slopes: from :func:`_squared_slopes`, with all events
    """
    values, vectors = np.linalg.eigh(slopes)
    return [
        f"the weights of the events do not depend on {_named(vector, unit, parameters)}: nothing can be learned "
        "about it"
        for value, vector in zip(values, vectors.T, strict=True)
        if value <= FLAT * values[-1]
    ]


def _named(direction: Array, unit: Array, parameters: list[str]) -> str:
    """A direction of parameter space in words.

    >>> _named(np.array([0.5, 0.0, -0.25]), np.array([2.0, 1.0, 1e-12]), ["a", "b", "c"])
    'the direction a + 2, c - 5e-13'
    """
    direction = direction / np.abs(direction).max()
    steps = [(k, step) for k, step in enumerate(direction.tolist()) if abs(step) > SMALLEST_STEP]
    if len(steps) == 1:
        return parameters[steps[0][0]]
    sign = np.sign(steps[0][1])
    words = [f"{parameters[k]} {'-' if sign * step < 0.0 else '+'} {abs(step) * unit[k]:.3g}" for k, step in steps]
    return "the direction " + ", ".join(words)
