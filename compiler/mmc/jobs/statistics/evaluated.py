"""The log ratios of an estimator at all points, for the events of a partition in blocks."""

from collections.abc import Iterator

import numpy as np

from mmc.jobs.learning.estimators import LogRatio
from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.closure.toys import blocks

KEPT = 75_000_000
"""The largest number of log ratios kept in memory: 0.3 GB in single precision, which is that of the networks."""


class Evaluated:
    """Events in blocks, with the log ratios of the network at all points, shape (points, events).

    They are kept as far as there is room, because they are needed more than once: for the calibration and the Asimov
    data, or for the limits and the toys, whose points depend on the limits.
    """

    def __init__(self, log_ratio: LogRatio, points: Array, x: Array) -> None:
        """``x`` are the observables of the events, shape (events, observables)."""
        self.log_ratio = log_ratio
        self._points, self._x = points, x
        self._blocks = list(blocks(len(x), len(points)))
        self._kept: list[Array] = []

    def __iter__(self) -> Iterator[tuple[slice, Array]]:
        for k, rows in enumerate(self._blocks):
            if k < len(self._kept):
                yield rows, self._kept[k]
                continue
            logs = self.log_ratio(self._points, self._x[rows])
            if k == len(self._kept) and rows.stop * len(self._points) <= KEPT:
                self._kept.append(logs.astype(np.float32))
            yield rows, logs
