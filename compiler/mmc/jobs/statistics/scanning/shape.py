"""The likelihood of the distribution of some data as a function of the parameters."""

from collections.abc import Callable
from dataclasses import dataclass

from mmc.jobs.madminer.event_file import Array


@dataclass(frozen=True)
class Shape:
    """The likelihood of the distribution of some data, without the rate."""

    mean_log: Callable[[Array, Array], Array]
    """ln r per event at points (points, parameters), with morphing coefficients (points, benchmarks); (points,)."""
    gain: Callable[[Array, float, Array | None], Array] | None = None
    """What fitted nuisance parameters add to ln L, from morphing coefficients, the number of events in the data and the
    expected numbers of events (None without the rate); None if they stay at their nominal values."""
    slope: Callable[[Array, Array, Array], Array] | None = None
    """The derivatives of ln r per event by the parameters at a point (parameters,), with morphing coefficients
    (benchmarks,) and their derivatives (parameters, benchmarks); (parameters,). None if they are not known."""
