"""Processes of the model ufo_sm, integrated in small."""

from collections.abc import Mapping

import numpy as np
from mmc.jobs.matrix_elements import Model
from mmc.jobs.scattering.collision import Collider, Differential
from mmc.jobs.scattering.integration import integrate
from mmc.jobs.scattering.partons import Partons
from mmc.jobs.scattering.subprocesses import Subprocess, subprocesses

PARTONS = frozenset((21, *range(1, 6), *range(-5, 0)))
ELECTRONS = (frozenset({11}), frozenset({-11}))


def lepton_collider(energy: float, cuts: Mapping[str, float] | None = None) -> Collider:
    return Collider(energy, ("e-", "e+"), None, cuts or {}, None)


def hadron_collider(cuts: Mapping[str, float], scale: float | None = None) -> Collider:
    return Collider(13_000.0, ("p", "p"), Partons.of_pythia("NNPDF23_lo_as_0130_qed"), cuts, scale)


def found(model: Model, process: str, collider: Collider, **definitions: str) -> list[Subprocess]:
    beams = ELECTRONS if collider.partons is None else (PARTONS, PARTONS)
    return subprocesses([process], definitions, model, [{}], energy=collider.energy, beams=beams)


def differentials(model: Model, process: str, collider: Collider, **definitions: str) -> list[Differential]:
    return [Differential(model, one, collider, {}, [{}]) for one in found(model, process, collider, **definitions)]


def cross_section(
    model: Model, process: str, collider: Collider, precision: float, **definitions: str
) -> tuple[float, float]:
    """In pb, with its error."""
    parts = differentials(model, process, collider, **definitions)
    return integrate(parts, precision, np.random.default_rng(1))[:2]
