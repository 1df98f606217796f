"""The scales of events by the numbers of MadGraph's ``dynamical_scale_choice`` (its ``setscales.f``)."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def _transverse_energies(momenta: Floats) -> Floats:
    """The sum of E sin θ, in the partonic centre-of-mass frame as in MadGraph; a particle at rest does not have any."""
    total, outgoing = momenta[:, :2].sum(axis=1)[:, None], momenta[:, 2:]
    mass = np.sqrt(total[..., 0] ** 2 - total[..., 3] ** 2)
    energy = (total[..., 0] * outgoing[..., 0] - total[..., 3] * outgoing[..., 3]) / mass
    along = (total[..., 0] * outgoing[..., 3] - total[..., 3] * outgoing[..., 0]) / mass
    transverse = np.hypot(outgoing[..., 1], outgoing[..., 2])
    whole = np.hypot(transverse, along)
    return np.asarray((energy * transverse / np.where(whole > 0.0, whole, 1.0)).sum(axis=1))


def _transverse_masses(momenta: Floats) -> Floats:
    """The sum of √(m² + pT²)."""
    outgoing = momenta[:, 2:]
    return np.asarray(np.sqrt(np.maximum(outgoing[..., 0] ** 2 - outgoing[..., 3] ** 2, 0.0)).sum(axis=1))


def _half(momenta: Floats) -> Floats:
    return _transverse_masses(momenta) / 2.0


def _energy(momenta: Floats) -> Floats:
    """The partonic centre-of-mass energy."""
    total = momenta[:, :2].sum(axis=1)
    return np.asarray(np.sqrt(np.maximum(total[:, 0] ** 2 - (total[:, 1:] ** 2).sum(axis=1), 0.0)))


CHOICES: Mapping[int, Callable[[Floats], Floats]] = MappingProxyType(
    {1: _transverse_energies, 2: _transverse_masses, 3: _half, 4: _energy}
)
"""Each from momenta (points, legs, 4), the two incoming particles first, to scales in GeV, (points,)."""
