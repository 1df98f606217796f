"""Weights of events at other scales and with other parton distributions."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mmc.errors import StepError
from mmc.jobs.matrix_elements.model import Point
from mmc.jobs.scattering.chains import Pdgs
from mmc.jobs.scattering.collision import Differential
from mmc.jobs.scattering.partons import Partons, particle_in_beam
from mmc.jobs.scattering.phase_space import Points

Floats = npt.NDArray[np.float64]


class Variation(NamedTuple):
    """Another choice than that of the generated events."""

    partons: Partons
    mur: float = 1.0
    """The factor on the renormalisation scale, at which the strong coupling is."""
    muf: float = 1.0
    """The factor on the factorisation scale, at which the parton densities are."""


def ratios(
    differential: Differential,
    point: Point,
    made: Points,
    variations: Sequence[Variation],
    *,
    incoming: Sequence[Pdgs],
    beams: tuple[str, str],
    generated: Partons,
) -> Floats:
    """The weights of events relative to their nominal weights, (events, variations).

    :param point: the parameters at which the events were sampled
    :param incoming: the two incoming particles of each event
    :param generated: the partons with which the events were generated
    :raises StepError: a set does not have a particle that collides
    """
    scale = differential.scale(made.momenta)

    def luminosities(partons: Partons, factor: float) -> Floats:
        product = np.ones(len(incoming))
        for side, beam in enumerate(beams):
            densities = partons.densities(made.x[:, side], factor * scale)
            for at, pdgs in enumerate(incoming):
                pdg = particle_in_beam(beam, pdgs[side])
                if pdg not in densities:
                    raise StepError(f"the parton distributions {partons.name} do not have the particle {pdg}")
                product[at] *= densities[pdg][at]
        return product

    nominal = luminosities(generated, 1.0)
    found = [
        luminosities(one.partons, one.muf)
        / nominal
        * differential.strong_ratio(made.momenta, point, one.mur, one.partons)
        for one in variations
    ]
    return np.stack(found, axis=1)
