"""A spot check of a matrix element: |M|² does not depend on the frame, nor on the gauge of polarisation vectors."""

import numpy as np
import numpy.typing as npt

from mmc.errors import StepError
from mmc.jobs.matrix_elements.element import MatrixElement
from mmc.jobs.matrix_elements.model import Point

Floats = npt.NDArray[np.float64]

_EVENTS, _SCALE_GEV = 3, 150.0
_TOLERANCE = 1e-6


def check_frames(
    element: MatrixElement, point: Point, momenta: Floats | None = None, tolerance: float = _TOLERANCE
) -> None:
    """Compare |M|² of a few events with that of the same events, rotated and boosted.

    Polarisation vectors of photons and gluons depend on the frame, so this tests gauge invariance too. Widths break the
    latter, so random events are compared without them.

    :param momenta: (events, legs, 4), at which there are widths; None for random collisions of two particles
    :param tolerance: the largest difference, relative to the largest |M|²
    :raises StepError: when they differ: the model is not Lorentz or gauge invariant, or ufoamp fails
    """
    if momenta is None:
        if len(element.incoming) != 2:
            return
        masses = [abs(element.model.mass(pdg, point)) for pdg in (*element.incoming, *element.outgoing)]
        momenta, point = collisions(masses, _EVENTS), {**point, **element.model.without_widths()}
    here, there = element.squared(momenta, point), element.squared(momenta @ _moved().T, point)
    difference = np.abs(here - there).max() / max(here.max(), np.finfo(float).tiny)
    if difference > tolerance:
        raise StepError(
            f"{element}: |M|² differs by {difference:.2g} between frames: the model is not gauge invariant, excluded "
            "diagrams are needed for that, or ufoamp does not compute it right"
        )


def collisions(masses: list[float], n: int) -> Floats:
    """Random collisions of two particles, (events, legs, 4), in the frame where their momenta cancel.

    :param masses: of all particles in GeV, the two incoming ones first
    """
    outgoing = np.random.default_rng(11).normal(scale=_SCALE_GEV + max(masses), size=(n, len(masses) - 2, 4))
    outgoing -= outgoing.mean(axis=1, keepdims=True)
    outgoing[..., 0] = np.sqrt((outgoing[..., 1:] ** 2).sum(axis=2) + np.square(masses[2:]))
    total = outgoing[..., 0].sum(axis=1)
    first, second = np.square(masses[:2])
    energy = (total**2 + first - second) / (2 * total)
    along = np.sqrt(energy**2 - first)
    zero = np.zeros(n)
    incoming = [np.stack([energy, zero, zero, along], axis=1), np.stack([total - energy, zero, zero, -along], axis=1)]
    return np.concatenate([np.stack(incoming, axis=1), outgoing], axis=1)


def _moved() -> Floats:
    """A rotation, then a boost."""
    orthogonal = np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))[0]
    rotation, boost = np.eye(4), np.eye(4)
    rotation[1:, 1:] = orthogonal * np.linalg.det(orthogonal)
    gamma = 1.3
    boost[:2, :2] = [[gamma, np.sqrt(gamma**2 - 1)], [np.sqrt(gamma**2 - 1), gamma]]
    return np.asarray(boost @ rotation)
