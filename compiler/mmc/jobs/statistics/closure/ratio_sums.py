"""The mean of an estimated likelihood ratio under its reference, which must be 1 at every point."""

from dataclasses import dataclass

import numpy as np

from mmc.jobs.madminer.event_file import Array


@dataclass(frozen=True)
class MeanRatio:
    """The mean estimated ratio under its reference and its standard error, at all points: shape (points + 1,)."""

    mean: Array
    error: Array

    def widened(self, relative: Array) -> "MeanRatio":
        """This mean ratio with another independent error added in quadrature; that error is relative to the mean."""
        return MeanRatio(self.mean, np.hypot(self.error, self.mean * relative))

    def arrays(self, shape: tuple[int, ...]) -> dict[str, Array]:
        """The arrays of ``limits.npz``: the mean and its error at the points of the grid, in the grid's shape."""
        return {"mean_ratio": self.mean[:-1].reshape(shape), "mean_ratio_error": self.error[:-1].reshape(shape)}


class RatioSums:
    """Sums of r - 1 over blocks of events; r - 1 is small where the precision of the mean ratio matters."""

    def __init__(self, n_points: int) -> None:
        self._sums = np.zeros((n_points, 3))
        self._squares = 0.0

    def add(self, logs: Array, probabilities: Array) -> None:
        """Add the log ratios of events, shape (points, events), with their probabilities, shape (events,)."""
        excess = np.expm1(np.minimum(logs, 100.0))
        squares = np.square(probabilities)
        self._sums += np.stack([excess @ probabilities, excess @ squares, np.square(excess) @ squares], axis=1)
        self._squares += float(squares.sum())

    def mean_ratio(self) -> MeanRatio:
        """The mean ratio, with an error from the spread of the ratios."""
        mean, linear, quadratic = self._sums.T
        variance = quadratic - 2.0 * mean * linear + np.square(mean) * self._squares
        return MeanRatio(1.0 + mean, np.sqrt(np.maximum(variance, 0.0)))
