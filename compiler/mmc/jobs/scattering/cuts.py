"""Cuts on the final state by the names of MadGraph's run card, with their meaning in MadGraph (its ``setcuts.f``).

MadGraph's ``eta`` is the rapidity, which is the pseudorapidity of a particle without mass.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_LIGHT = {1, 2, 3, 4, 21}
_KINDS: Mapping[str, Callable[[int], bool]] = {
    "j": lambda pdg: abs(pdg) in _LIGHT,
    "b": lambda pdg: abs(pdg) == 5,
    "a": lambda pdg: pdg == 22,
    "l": lambda pdg: abs(pdg) in (11, 13, 15),
}
_NEUTRINOS = {12, 14, 16}
_HEAVY = 10.0
"""In GeV: from this mass on, MadGraph calls a particle heavy."""


def passing(momenta: Floats, pdgs: Sequence[int], masses: Sequence[float], cuts: Mapping[str, float]) -> Mask:
    """Which events pass all cuts, (events,).

    :param momenta: (events, outgoing particles, 4): E, px, py, pz in GeV in the laboratory
    :param cuts: values by names of the catalogue; a negative largest value does not cut, as in MadGraph
    """
    passed = np.ones(len(momenta), dtype=bool)
    if not cuts:
        return passed
    particles = {kind: [at for at, pdg in enumerate(pdgs) if is_it(pdg)] for kind, is_it in _KINDS.items()}
    pt = np.hypot(momenta[..., 1], momenta[..., 2])
    for name, value in cuts.items():
        if name.endswith("max") and value < 0:
            continue
        below = name.endswith("max") or (name.startswith("eta") and not name.endswith("min"))
        for quantity in _quantities(name.removesuffix("max").removesuffix("min"), momenta, pt, pdgs, masses, particles):
            passed &= quantity <= value if below else quantity >= value
    return passed


def _quantities(
    name: str,
    momenta: Floats,
    pt: Floats,
    pdgs: Sequence[int],
    masses: Sequence[float],
    particles: Mapping[str, Sequence[int]],
) -> list[Floats]:
    """The values that a cut compares, each (events,)."""
    if name == "ptheavy":
        heavy = [at for at, mass in enumerate(masses) if mass > _HEAVY]
        return [pt[:, heavy].max(axis=1)] if heavy else []
    if name == "misset":
        neutrinos = [at for at, pdg in enumerate(pdgs) if abs(pdg) in _NEUTRINOS]
        return [_pt(momenta[:, neutrinos].sum(axis=1))] if neutrinos else []
    if name == "mmnl":
        leptons = [at for at, pdg in enumerate(pdgs) if abs(pdg) in _NEUTRINOS or at in particles["l"]]
        return [_mass(momenta[:, leptons].sum(axis=1))] if leptons else []
    if name == "ptll":
        return [_pt(momenta[:, pair].sum(axis=1)) for pair in _lepton_pairs(pdgs)]
    if name.startswith("mm"):
        kind = name[-1]
        pairs = _same_flavour(pdgs) if kind == "l" else [list(pair) for pair in combinations(particles[kind], 2)]
        return [_mass(momenta[:, pair].sum(axis=1)) for pair in pairs]
    if name.startswith("dr"):
        one, other = name[2:]
        pairs = {tuple(sorted((i, j))) for i in particles[one] for j in particles[other] if i != j}
        return [_distance(momenta[:, i], momenta[:, j]) for i, j in sorted(pairs)]
    chosen = particles[name[-1]]
    if name.startswith("pt"):
        return [pt[:, at] for at in chosen]
    if name.startswith("eta"):
        return [np.abs(_rapidity(momenta[:, at])) for at in chosen]
    return [momenta[:, at, 0] for at in chosen]


def _same_flavour(pdgs: Sequence[int]) -> list[list[int]]:
    """Pairs of a charged lepton and its antiparticle."""
    return [
        [i, j] for i, j in combinations(range(len(pdgs)), 2) if abs(pdgs[i]) in (11, 13, 15) and pdgs[i] == -pdgs[j]
    ]


def _lepton_pairs(pdgs: Sequence[int]) -> list[list[int]]:
    """The pairs of ``ptllmin``: a lepton and its antiparticle, or a pair with a neutrino."""
    leptons = [at for at, pdg in enumerate(pdgs) if 11 <= abs(pdg) <= 16]
    mixed = [[i, j] for i, j in combinations(leptons, 2) if _NEUTRINOS & {abs(pdgs[i]), abs(pdgs[j])}]
    return _same_flavour(pdgs) + mixed


def _pt(p: Floats) -> Floats:
    return np.asarray(np.hypot(p[:, 1], p[:, 2]))


def _mass(p: Floats) -> Floats:
    return np.sqrt(np.maximum(p[:, 0] ** 2 - (p[:, 1:] ** 2).sum(axis=1), 0.0))


def _distance(p: Floats, q: Floats) -> Floats:
    """ΔR, with the rapidity."""
    turned = np.arctan2(p[:, 2], p[:, 1]) - np.arctan2(q[:, 2], q[:, 1])
    phi = np.abs((turned + np.pi) % (2 * np.pi) - np.pi)
    return np.asarray(np.hypot(_rapidity(p) - _rapidity(q), phi))


def _rapidity(p: Floats) -> Floats:
    return np.asarray(np.arctanh(np.clip(p[:, 3] / p[:, 0], -1 + 1e-15, 1 - 1e-15)))
