"""Cuts on the final state by the names of MadGraph's run card, with their meaning in MadGraph (its ``setcuts.f``).

MadGraph's ``eta`` is the rapidity, which is the pseudorapidity of a particle without mass.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Final:
    """The final states of events of one process."""

    momenta: Floats
    """(events, outgoing particles, 4): E, px, py, pz in GeV in the laboratory."""
    pdgs: Sequence[int]
    masses: Sequence[float]
    """In GeV."""

    def of_kind(self, kind: str) -> list[int]:
        """The particles that a letter of the run card means."""
        return [at for at, pdg in enumerate(self.pdgs) if _KINDS[kind](pdg)]

    def together(self, particles: Sequence[int]) -> Floats:
        """The sum of the momenta of some particles, (events, 4)."""
        return np.asarray(self.momenta[:, list(particles)].sum(axis=1))


def passing(final: Final, cuts: Mapping[str, float]) -> Mask:
    """Which events pass all cuts, (events,).

    :param cuts: values by names of :data:`mmc.compiler.catalogue.run_card.CUTS`; a negative largest value does not cut
    """
    passed = np.ones(len(final.momenta), dtype=bool)
    for name, value in cuts.items():
        if name.endswith("max") and value < 0.0:
            continue
        below = name.endswith("max") or (name.startswith("eta") and not name.endswith("min"))
        for quantity in _quantities(name.removesuffix("max").removesuffix("min"), final):
            passed &= quantity <= value if below else quantity >= value
    return passed


def _quantities(name: str, final: Final) -> list[Floats]:
    """The values that a cut compares, each (events,)."""
    if name in _WHOLE:
        return _WHOLE[name](final)
    if name.startswith("mm"):
        kind = final.of_kind(name[-1])
        pairs = _same_flavour(final) if name == "mmll" else list(combinations(kind, 2))
        return [_mass(final.together(pair)) for pair in pairs]
    if name.startswith("dr"):
        one, other = final.of_kind(name[2]), final.of_kind(name[3])
        different = {(min(i, j), max(i, j)) for i in one for j in other if i != j}
        return [_distance(final.momenta[:, i], final.momenta[:, j]) for i, j in sorted(different)]
    measure = next(measure for start, measure in _SINGLE.items() if name.startswith(start))
    return [measure(final.momenta[:, at]) for at in final.of_kind(name[-1])]


def _hardest_heavy(final: Final) -> list[Floats]:
    heavy = [at for at, mass in enumerate(final.masses) if mass > _HEAVY]
    return [np.max([_pt(final.momenta[:, at]) for at in heavy], axis=0)] if heavy else []


def _missing(final: Final) -> list[Floats]:
    neutrinos = [at for at, pdg in enumerate(final.pdgs) if abs(pdg) in _NEUTRINOS]
    return [_pt(final.together(neutrinos))] if neutrinos else []


def _mass_of_leptons(final: Final) -> list[Floats]:
    leptons = [at for at, pdg in enumerate(final.pdgs) if abs(pdg) in _NEUTRINOS or _KINDS["l"](pdg)]
    return [_mass(final.together(leptons))] if leptons else []


def _pt_of_pairs(final: Final) -> list[Floats]:
    return [_pt(final.together(pair)) for pair in _lepton_pairs(final)]


def _same_flavour(final: Final) -> list[tuple[int, int]]:
    """Pairs of a charged lepton and its antiparticle."""
    pairs = combinations(final.of_kind("l"), 2)
    return [(i, j) for i, j in pairs if final.pdgs[i] == -final.pdgs[j]]


def _lepton_pairs(final: Final) -> list[tuple[int, int]]:
    """The pairs of ``ptllmin``: a lepton and its antiparticle, or a pair with a neutrino."""
    leptons = [at for at, pdg in enumerate(final.pdgs) if abs(pdg) in _NEUTRINOS or _KINDS["l"](pdg)]
    mixed = [pair for pair in combinations(leptons, 2) if _NEUTRINOS & {abs(final.pdgs[at]) for at in pair}]
    return _same_flavour(final) + mixed


def _pt(p: Floats) -> Floats:
    return np.asarray(np.hypot(p[:, 1], p[:, 2]))


def _mass(p: Floats) -> Floats:
    return np.asarray(np.sqrt(np.maximum(p[:, 0] ** 2 - (p[:, 1:] ** 2).sum(axis=1), 0.0)))


def _distance(p: Floats, q: Floats) -> Floats:
    """ΔR, with the rapidity."""
    turned = np.arctan2(p[:, 2], p[:, 1]) - np.arctan2(q[:, 2], q[:, 1])
    phi = np.abs((turned + np.pi) % (2 * np.pi) - np.pi)
    return np.asarray(np.hypot(_rapidity(p) - _rapidity(q), phi))


def _rapidity(p: Floats) -> Floats:
    return np.asarray(np.arctanh(np.clip(p[:, 3] / p[:, 0], -1 + 1e-15, 1 - 1e-15)))


def _absolute_rapidity(p: Floats) -> Floats:
    return np.abs(_rapidity(p))


def _energy(p: Floats) -> Floats:
    return p[:, 0]


_WHOLE: Mapping[str, Callable[[Final], list[Floats]]] = {
    "ptheavy": _hardest_heavy,
    "misset": _missing,
    "mmnl": _mass_of_leptons,
    "ptll": _pt_of_pairs,
}
_SINGLE: Mapping[str, Callable[[Floats], Floats]] = {"pt": _pt, "eta": _absolute_rapidity, "e": _energy}
