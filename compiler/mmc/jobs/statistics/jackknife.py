"""Statistical errors of any figure from the same events with a group of them left out (Quenouille, Tukey)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
GROUPS = 20
"""The number of groups of events."""


def group_of(n_events: int) -> npt.NDArray[np.intp]:
    """The group of each event; the events of a file are in random order."""
    return np.arange(n_events) % GROUPS


def group_sums(values: Array) -> Array:
    """Sums of the rows of ``values`` (events, columns) over the events of each group: shape (groups, columns)."""
    sums = np.zeros((GROUPS, values.shape[1]))
    np.add.at(sums, group_of(len(values)), values)
    return sums


def standard_error(left_out: Sequence[float] | Array) -> Any:
    """The standard error of a figure from its values without one group each, along the first axis."""
    values = np.asarray(left_out, dtype=float)
    spread = np.square(values - values.mean(axis=0)).sum(axis=0)
    return np.sqrt(spread * (len(values) - 1) / len(values))
