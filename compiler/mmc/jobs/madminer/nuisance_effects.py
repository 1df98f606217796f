"""Effects of nuisance parameters on the weights of events, also where weights are zero or change their sign.

MadMiner gives the weight of an event the form w exp(a ν + b ν²), with logarithms of the ratios of weights at ν = ±1 to
the nominal weight. A ratio that is not positive has no logarithm, and MadMiner lets such an event be independent of ν.
Sums over events, however, need the ratios themselves, of any sign.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

LARGEST = 10.0
"""The largest |a| and |b| of an event, as in MadMiner."""
SMALLEST_INVERTED = 0.5
"""The smallest ratio at ν = 1 whose inverse is the ratio at ν = -1, where the latter is not in the file."""


def factors(
    morpher: Any,
    weights: Array,
    origin: npt.NDArray[np.intp] | None = None,
    means: Callable[[], Mapping[int, Array]] | None = None,
) -> tuple[Array, Array]:
    """The ratios of the weights at ν = 1 and at ν = -1 to the nominal weights; both (nuisance parameters, events).

    Events without a nominal weight have the mean ratio of the events of the same origin, or 1 without any.

    :param morpher: MadMiner's ``NuisanceMorpher``
    :param weights: of all benchmarks, shape (events, benchmarks)
    :param origin: the benchmark of each event, -1 for backgrounds; None for 1 where there is no nominal weight
    :param means: gives the :func:`mean_ratios`, if these are not all events; called where they are needed
    """
    reference = morpher.i_benchmark_ref
    known_means = cache(means or (lambda: mean_ratios(reference, [] if origin is None else [(weights, origin)])))

    def ratio(column: int) -> Array:
        varied, nominal = weights[:, column], weights[:, reference]
        is_known = (nominal != 0.0) & np.isfinite(varied)
        found = np.divide(varied, nominal, out=np.ones_like(nominal), where=is_known)
        if origin is not None and not is_known.all():
            for source in np.unique(origin[~is_known]).tolist():
                if source in known_means():
                    found[(origin == source) & ~is_known] = known_means()[source][column]
        return found

    up, down = [], []
    for positive, negative in zip(morpher.i_benchmarks_pos, morpher.i_benchmarks_neg, strict=True):
        up.append(ratio(positive))
        down.append(_inverse(up[-1]) if negative is None else ratio(negative))
    shape = (len(up), len(weights))
    return np.reshape(up, shape), np.reshape(down, shape)


def mean_ratios(reference: int, blocks: Iterable[tuple[Array, npt.NDArray[np.intp]]]) -> dict[int, Array]:
    """The mean ratios of the weights to those of one benchmark, shape (benchmarks,), for the events of each origin.

    :param blocks: the weights (events, benchmarks) and origins of all events
    """
    sums: dict[int, Array] = {}
    for weights, origin in blocks:
        nominal, are_known = weights[:, [reference]], np.isfinite(weights) & (weights[:, [reference]] != 0.0)
        both = np.stack([np.where(are_known, weights, 0.0), np.where(are_known, nominal, 0.0)])
        for source in np.unique(origin).tolist():
            sums[source] = sums.get(source, 0.0) + both[:, origin == source].sum(axis=1)
    return {
        source: np.divide(varied, nominal, out=np.ones_like(varied), where=nominal != 0.0)
        for source, (varied, nominal) in sums.items()
    }


def exponents(up: Array, down: Array) -> tuple[Array, Array]:
    """MadMiner's a and b from the ratios at ν = ±1; to first order in the effect where a ratio is not positive."""
    are_positive = (up > 0.0) & (down > 0.0)
    log_up, log_down = (np.log(np.where(are_positive, ratio, 1.0)) for ratio in (up, down))
    a = np.where(are_positive, 0.5 * (log_up - log_down), 0.5 * (up - down))
    b = np.where(are_positive, 0.5 * (log_up + log_down), 0.5 * (up + down) - 1.0)
    return np.clip(a, -LARGEST, LARGEST), np.clip(b, -LARGEST, LARGEST)


def _inverse(ratio: Array) -> Array:
    """1 / ratio, continued by its tangent below :data:`SMALLEST_INVERTED`, where it grows without limit."""
    least = SMALLEST_INVERTED
    return np.where(ratio >= least, 1.0 / np.maximum(ratio, least), 2.0 / least - ratio / least**2)
