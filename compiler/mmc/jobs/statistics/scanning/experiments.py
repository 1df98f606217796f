"""Simulated experiments (pseudo-data), each fitted as data would be: best fits, and the coverage of limits.

The events are the test events and those that make the likelihood, as for critical values from toys
(:mod:`mmc.jobs.statistics.neyman`): in every experiment each of them has a random weight with an exponential
distribution, a Bayesian bootstrap, because they are themselves one draw from nature.

Nuisance parameters are nominal in the experiments that nominal limits are tried on. For limits that fit them, every
experiment has values of its own, from their constraints: normal numbers of width 1.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from mmc.compiler.settings.limits import Experiments
from mmc.errors import StepError
from mmc.jobs.madminer.event_file import Array, Events
from mmc.jobs.statistics.closure.toys import MOST_LEFT_OUT
from mmc.jobs.statistics.neyman import effects_on_nature, nature_of
from mmc.jobs.statistics.problem import LimitProblem
from mmc.jobs.statistics.scanning.box import Box
from mmc.jobs.statistics.scanning.density import Density
from mmc.jobs.statistics.scanning.minimum import Minimiser
from mmc.jobs.statistics.scanning.outcome import Fitted
from mmc.jobs.statistics.scanning.shape import Shape
from mmc.jobs.statistics.scanning.surface import Surface


def run_experiments(
    own: LimitProblem,
    density: Density,
    reference: Surface,
    settings: Experiments,
    *,
    box: Box,
    random: np.random.Generator,
) -> dict[str, Fitted]:
    """The fits of all experiments, for each kind of expected limits.

    :param own: the problem as the likelihood reads it
    :param reference: the surface of expected data
    :raises StepError: when too much of the cross section has negative weights
    """
    point = own.file.coordinates(settings.at)
    rates = {"": bool(own.include_xsec)} | ({"without_rate": False} if own.include_xsec == "both" else {})
    found: dict[str, list[tuple[Array, Array, bool, bool, int]]] = {}
    dofs = {}
    for varied, data, probabilities, n in _experiments(own, reference, point, settings, random):
        shape = density.shape(data, probabilities) if n else Shape(lambda points, _: np.zeros(len(points)))
        if varied and shape.gain is None:
            continue
        shape = shape if varied else replace(shape, gain=None)
        for name, rate in rates.items():
            kind = "_".join(filter(None, [name, "with_systematics" if varied else ""]))
            dofs[kind] = own.dof(rate=rate)
            surface = Surface(reference.simulation, shape, float(n), rate, reference)
            found.setdefault(kind, []).append((*_fit(surface, box, point), n))
    return {
        kind: Fitted(
            settings=settings,
            names=tuple(own.grid.axes),
            dof=dofs[kind],
            best=np.stack([fit[0] for fit in fits]),
            distances=np.stack([fit[1] for fit in fits]),
            converged=np.array([fit[2] for fit in fits]),
            at_end=np.array([fit[3] for fit in fits]),
            events=np.array([fit[4] for fit in fits]),
        )
        for kind, fits in found.items()
    }


def _experiments(
    own: LimitProblem, reference: Surface, point: Array, settings: Experiments, random: np.random.Generator
) -> Iterator[tuple[bool, Events, Array, int]]:
    """Whether nuisance parameters are drawn, the different events, their fractions of all, and the number of all.

    Each experiment comes at nominal values, and then with drawn nuisance parameters, if the problem has them.
    """
    nature, row = nature_of(own), own.file.coefficients(point[np.newaxis])[0]
    expected = float(row @ reference.simulation.rates)
    probabilities = nature.probabilities(row)
    left_out = -float(np.minimum(probabilities, 0.0).sum())
    if left_out > MOST_LEFT_OUT:
        raise StepError(
            f"{left_out:.1%} of the cross section is in events of negative weight, which simulated experiments cannot "
            "contain: remove `toys`"
        )
    probabilities = np.maximum(probabilities, 0.0) / np.maximum(probabilities, 0.0).sum()
    effects = effects_on_nature(own)
    own_random = random.spawn(1)[0]

    # all generated events are one draw, whose number that pass is known better than the sum of these weights
    of_all = float(reference.simulation.of_rate(row[np.newaxis])[0])
    narrower = (of_all / float(np.square(probabilities).sum())) ** 0.5

    def drawn(weights: Array, total: float, random: np.random.Generator) -> tuple[Events, Array, int]:
        n = int(random.poisson(expected * total)) if settings.events == "poisson" else round(expected)
        counts = random.multinomial(n, weights / weights.sum())
        events = np.flatnonzero(counts)
        return Events(nature.x[events], nature.weights[events]), counts[events] / max(n, 1), n

    for _ in range(settings.repeat):
        weights = probabilities * random.standard_exponential(len(probabilities))
        total = max(1.0 + narrower * (float(weights.sum()) - 1.0), 0.0)
        yield False, *drawn(weights, total, random)
        if effects is not None:
            nu = own_random.standard_normal(len(effects[0]))
            varied = weights * np.exp(nu @ effects[0] + nu**2 @ effects[1])
            yield True, *drawn(varied, total * float(varied.sum() / weights.sum()), own_random)


def _fit(surface: Surface, box: Box, point: Array) -> tuple[Array, Array, bool, bool]:
    """The best fit, -2 ln λ of the point and of each of its coordinates, and whether the fit converged and is at an end
    of a range."""
    minimiser = Minimiser(surface.minus_2_log, box, surface.slope).curved(point)
    best = minimiser.minimum(point)
    distances = [(float(minimiser.value(point[np.newaxis])[0]) - best.value, point)]
    for k in range(len(point) if len(point) > 1 else 0):
        start = best.point.copy()
        start[k] = point[k]
        fitted = minimiser.minimum(start, [k])
        distances.append((fitted.value - best.value, fitted.point))
    widening = surface.widening(np.stack([place for _, place in distances]))
    values = np.maximum([value for value, _ in distances], 0.0) / widening
    values = np.append(values, values) if len(point) == 1 else values
    return best.point, np.asarray(values), best.converged, bool(box.at_end(best.point).any())
