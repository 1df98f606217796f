"""Squared matrix elements with the strong coupling of each event."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mmc.jobs.matrix_elements.element import MatrixElement
from mmc.jobs.matrix_elements.model import Point

Floats = npt.NDArray[np.float64]

ALPHA_S = "sminputs 3"
"""The entry of the strong coupling α_s in param cards (SLHA)."""
_NODES = 7
"""|M|² is a polynomial in √α_s; over the range of the events this many values give it to at least six digits."""
_STEP, _SAME = 1.2, 1e-8


def follows_coupling(element: MatrixElement, momenta: Floats, points: Sequence[Point]) -> bool:
    """Whether ratios of |M|² at the points depend on the strong coupling. Else a common power cancels in them.

    :param momenta: of a few events, (events, legs, 4)
    :param points: the first is the reference
    """
    reference, *others = points
    if not element.model.has(ALPHA_S) or ALPHA_S in reference:
        return False
    value = element.model.value(ALPHA_S)

    def ratios(coupling: float) -> Floats:
        first = element.squared(momenta, {**reference, ALPHA_S: coupling})
        with np.errstate(divide="ignore", invalid="ignore"):  # the caller refuses a reference that vanishes
            return np.array([element.squared(momenta, {**point, ALPHA_S: coupling}) / first for point in others])

    return not np.allclose(ratios(value), ratios(_STEP * value), rtol=_SAME, atol=0.0)


def squared(element: MatrixElement, momenta: Floats, couplings: Floats, point: Point) -> Floats:
    """|M|² of events, each with its own strong coupling, from values at a few couplings between which it interpolates.

    :param momenta: (events, legs, 4), as for :meth:`MatrixElement.squared`
    :param couplings: α_s of each event, (events,)
    :returns: (events,)
    """
    root = np.sqrt(couplings)
    low, high = root.min(), root.max()
    if np.isclose(low, high, rtol=_SAME):
        return element.squared(momenta, {**point, ALPHA_S: float(couplings[0])})
    nodes = (low + high) / 2 + (high - low) / 2 * np.cos(np.pi * (np.arange(_NODES) + 0.5) / _NODES)
    total = np.zeros(len(momenta))
    for at, node in enumerate(nodes):
        others = np.delete(nodes, at)
        weight = ((root[:, np.newaxis] - others) / (node - others)).prod(axis=1)  # Lagrange's polynomials
        total += weight * element.squared(momenta, {**point, ALPHA_S: float(node**2)})
    return total
