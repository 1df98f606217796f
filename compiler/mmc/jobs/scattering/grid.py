"""An adaptive grid for sampling the unit cube (VEGAS; Lepage 1978, in the form of arXiv:2009.05112).

The package ``vegas`` would bring ``gvar`` for these few lines.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_BINS = 64
_DAMPING = 0.75


@dataclass(frozen=True)
class Grid:
    """A map of the unit cube to itself, a product of one map for each axis."""

    edges: Floats
    """(axes, bins + 1): the edges of the bins, which are equally likely."""

    @classmethod
    def even(cls, axes: int) -> "Grid":
        """The grid of the identity."""
        return cls(np.tile(np.linspace(0.0, 1.0, _BINS + 1), (axes, 1)))

    def mapped(self, even: Floats) -> tuple[Floats, Floats]:
        """Points and the Jacobian of each, from points that fill the cube evenly: (points, axes) and (points,)."""
        bins = self.edges.shape[1] - 1
        at = np.minimum((even * bins).astype(int), bins - 1)
        axes = np.arange(self.edges.shape[0])
        low, width = self.edges[axes, at], np.diff(self.edges, axis=1)[axes, at]
        return low + width * (even * bins - at), np.asarray((width * bins).prod(axis=1))

    def adapted(self, even: Floats, weights: Floats) -> "Grid":
        """A grid with more points where the weights at these points were large.

        :param weights: values of the integrand times the Jacobian, (points,)
        """
        bins = self.edges.shape[1] - 1
        at = np.minimum((even * bins).astype(int), bins - 1)
        return Grid(np.stack([_refined(edges, at[:, axis], weights**2) for axis, edges in enumerate(self.edges)]))


def _refined(edges: Floats, at: npt.NDArray[np.int_], squares: Floats) -> Floats:
    bins = len(edges) - 1
    sums = np.bincount(at, squares, bins) / np.maximum(np.bincount(at, minlength=bins), 1)
    smooth = np.convolve(np.pad(sums, 1, mode="edge"), [1 / 8, 6 / 8, 1 / 8], mode="valid")
    if not smooth.sum() > 0.0:
        return edges
    share = np.clip(smooth / smooth.sum(), 1e-12, 1.0 - 1e-12)
    importance = ((1.0 - share) / -np.log(share)) ** _DAMPING
    filled = np.concatenate([[0.0], np.cumsum(importance)])
    return np.asarray(np.interp(np.linspace(0.0, filled[-1], bins + 1), filled, edges))
