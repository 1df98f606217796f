"""The balance heuristic of multiple importance sampling (Veach and Guibas, SIGGRAPH 1995): the shares of events.

An event x of benchmark b gets the share n_b p_b(x) / Σ_k n_k p_k(x), where n_k is the number of events of benchmark k
and p_k their density. The shares of one x add up to 1, so the estimates are unbiased. Their variance is nearly as small
as that of any other combination, and no event has a large weight where another benchmark has many events.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def balance_shares(weights: Array, origin: npt.NDArray[np.intp], means: Mapping[int, float] | None = None) -> Array:
    """The balance heuristic's share n_b p_b(x) / Σ_k n_k p_k(x) of each event, shape (events,).

    b is the benchmark of the event. ``weights`` (events, benchmarks) are normalised for each benchmark alone: with σ_k
    the cross section, w_k(x) / (mean of w_k over the events of k) = w_k(x) n_k / σ_k ∝ n_k p_k(x). A generator whose
    weights have both signs generates events with the density of |w_k(x)|, so σ_k is the integral of |w_k| then. The
    sign stays in the weight of the event, so that events of both signs cancel in every sum.

    :param means: the :func:`mean_weights`, if these are not all events
    """
    means = mean_weights([(weights, origin)]) if means is None else means
    shares, signal = np.ones(len(weights)), origin >= 0  # a background has a single sampled benchmark
    sampled = np.array(sorted(means), dtype=np.intp)
    densities = np.abs(weights[np.ix_(np.flatnonzero(signal), sampled)]) / [means[k] for k in sampled.tolist()]
    total = densities.sum(axis=1)
    at_origin = densities[np.arange(len(densities)), np.searchsorted(sampled, origin[signal])]
    shares[signal] = np.divide(at_origin, total, out=np.zeros_like(total), where=total > 0.0)
    return shares


def mean_weights(blocks: Iterable[tuple[Array, npt.NDArray[np.intp]]]) -> dict[int, float]:
    """The mean absolute weight at each sampled benchmark of the events sampled there.

    :param blocks: the weights (events, benchmarks) and the origins of all events
    """
    sums: dict[int, float] = {}
    counts: Counter[int] = Counter()
    for weights, origin in blocks:
        for benchmark in np.unique(origin[origin >= 0]).tolist():
            own = np.abs(weights[origin == benchmark, benchmark])
            sums[benchmark] = sums.get(benchmark, 0.0) + float(own.sum())
            counts[benchmark] += len(own)
    return {benchmark: total / counts[benchmark] for benchmark, total in sums.items()}
