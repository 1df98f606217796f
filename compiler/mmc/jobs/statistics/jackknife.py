"""Statistical errors of any figure from the same events with a group of them left out (Quenouille, Tukey)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
GROUPS = 20
"""The number of groups of events."""


def group_of(n_events: int, start: int = 0) -> Indices:
    """The group of each event; the events of a file are in random order.

    :param start: the number of events before these
    """
    return (start + np.arange(n_events)) % GROUPS


def by_group(values: Array, start: int) -> Array:
    """The values of some events in the column of the group of each, shape (events, groups); 0 in the others.

    :param values: shape (events,)
    :param start: the number of events before these
    """
    columns = np.zeros((len(values), GROUPS))
    columns[np.arange(len(values)), group_of(len(values), start)] = values
    return columns


def group_sums(values: Array) -> Array:
    """The sum of the values (events,) in each group, shape (groups,)."""
    return np.asarray(np.bincount(group_of(len(values)), values, GROUPS), dtype=float)


def standard_error(left_out: Sequence[float] | Array) -> Any:
    """The standard error of a figure from its values without one group each, along the first axis."""
    values = np.asarray(left_out, dtype=float)
    spread = np.square(values - values.mean(axis=0)).sum(axis=0)
    return np.sqrt(spread * (len(values) - 1) / len(values))
