"""The ranges of the parameters in which a likelihood is scanned."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from mmc.jobs.madminer.event_file import Array

EDGE = 1e-3
"""A minimum that is closer to an end of a range than this part of the range is at the end."""


@dataclass(frozen=True)
class Box:
    """The ranges of the parameters."""

    low: Array
    high: Array

    @classmethod
    def of(cls, ranges: Mapping[str, tuple[float, float]], names: Sequence[str]) -> "Box":
        """The box of the named parameters."""
        low, high = np.array([ranges[name] for name in names], dtype=float).T
        return cls(low, high)

    @cached_property
    def middle(self) -> Array:
        """The middle of the box."""
        return 0.5 * (self.low + self.high)

    @cached_property
    def half(self) -> Array:
        """Half the range of each parameter."""
        return 0.5 * (self.high - self.low)

    def spread(self, n: int) -> Array:
        """``n`` points that fill the box evenly (a Sobol sequence, always the same one); shape (n, parameters)."""
        from scipy.stats import qmc  # it takes a second, and limits on a grid do not need it

        sobol = qmc.Sobol(len(self.low), scramble=False)
        numbers = sobol.random_base2(int(np.ceil(np.log2(n + 1))))[1 : n + 1]  # the first number is a corner
        return np.asarray(self.low + (self.high - self.low) * numbers)

    def at_end(self, point: Array) -> npt.NDArray[np.bool_]:
        """Whether each coordinate of a point is at an end of its range."""
        return np.asarray(np.minimum(point - self.low, self.high - point) < EDGE * (self.high - self.low))
