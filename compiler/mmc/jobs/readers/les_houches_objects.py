"""Detector effects and reconstructed objects of all events at once, as MadMiner's LHEReader defines them per event.

Events with the same types of particles in the same order form a group. In a group, each list has the same length for
all events, and each element of a list is a column over the events of the group.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmc.errors import StepError
from mmc.jobs.formats.les_houches_table import EventTable, Floats, Ints
from mmc.jobs.madminer.light_particle import Particle
from mmc.jobs.madminer.light_vector import vector
from mmc.jobs.readers.values import Items, Vector, everywhere

Resolutions = Mapping[Any, tuple[float | None, float | None]]
"""Absolute and relative width by PDG code; None if the quantity is calculated from the mass. "met" is the noise."""

_MAX_DRAWS = 10_000
"""The largest number of draws of an energy or pT until it is positive; more draws have no chance."""
_LISTS: dict[str, tuple[int, ...]] = {
    "e": (11,),
    "mu": (13,),
    "tau": (15,),
    "a": (22,),
    "l": (11, 13),
    "v": (12, 14, 16),
    "j": (1, 2, 3, 4, 5, 6, 9, 21),
}
_TAGS = {"tau_tag": 15, "b_tag": 5, "t_tag": 6}


@dataclass(frozen=True)
class Detector:
    """The detector effects that MadMiner's reader has."""

    energy: Resolutions
    pt: Resolutions
    eta: Resolutions
    phi: Resolutions
    standard: frozenset[int]
    """PDG codes of the elementary particles of the standard model. All of them except neutrinos are visible."""


@dataclass(frozen=True)
class _Particles:
    """The particles of all events in one table, in the order of the events."""

    coordinates: Mapping[str, Floats]
    on_shell: NDArray[np.bool_]
    """Whether the last coordinate is the mass instead of the energy."""
    kept: NDArray[np.bool_]
    """False for particles without resolution, which MadMiner drops."""


class Group:
    """The objects of a group of events."""

    def __init__(self, events: Ints, truth: Ints, chosen: Mapping[str, Ints], table: "Columns") -> None:
        self.events = events
        """The indices of the events in the file."""
        self._truth = truth
        self._chosen = chosen
        self._table = table

    def __len__(self) -> int:
        return len(self.events)

    def items(self, name: str) -> Items:
        """The elements of one of the lists of particles."""
        if name == "p_truth":
            return everywhere([self._table.truth(rows) for rows in self._truth.T], len(self))
        return everywhere([self._table.smeared(rows) for rows in self._chosen[name].T], len(self))

    def single(self, name: str) -> Vector:
        """The momentum ``met``, ``visible`` or ``all``."""
        return {"met": self._met, "visible": self._visible, "all": self._all}[name]

    @cached_property
    def _visible_particles(self) -> list[Vector]:
        visible = self._table.is_visible
        return [self._table.smeared(rows) for rows in self._chosen["p"].T if visible[rows[0]]]

    @cached_property
    def _visible(self) -> Vector:
        zero = np.zeros(len(self))
        total = vector.array({"px": zero, "py": zero, "pz": zero, "E": zero})
        for particle in self._visible_particles:
            total = total + particle.array
        return Vector(total, {}, is_computed=bool(self._visible_particles))

    @cached_property
    def _met(self) -> Vector:
        absolute, relative = self._table.noise_width
        scalar_sum = sum((particle.array.pt for particle in self._visible_particles), start=np.zeros(len(self)))
        noise = 0.0 + (absolute + relative * scalar_sum)[:, np.newaxis] * self._table.noise[self.events]  # no -0.0
        x, y = -self._visible.array.x + noise[:, 0], -self._visible.array.y + noise[:, 1]
        array = vector.array({"px": x, "py": y, "pz": np.zeros(len(self)), "E": (x**2 + y**2) ** 0.5})
        tags = dict.fromkeys(_TAGS, np.zeros(len(self), dtype=bool))
        return Vector(array, tags, is_particle=True, is_computed=bool(self._visible_particles))

    @cached_property
    def _all(self) -> Vector:
        return Vector(self._visible.array + self._met.array, {}, is_computed=bool(self._visible_particles))


class Columns:
    """The particles of all events, with detector effects."""

    def __init__(self, events: EventTable, detector: Detector) -> None:
        self._events = events
        self.noise_width = _widths(detector.pt["met"])
        self._smeared = _smear(events, detector)
        self.noise = np.random.normal(size=(len(events.counts), 2))
        """Standard normal random numbers for the two components of the missing momentum, shape (events, 2)."""
        codes = np.unique(events.pdgids).tolist()
        charges = {code: _charge(code) for code in codes}
        self._charges = _by_code(events.pdgids, charges, float)
        neutrinos = {int(p.pdgid) for p in Particle.findall(lambda p: p.pdgid.is_sm_lepton and p.charge == 0)}
        self.is_visible = _by_code(events.pdgids, {code: code in detector.standard - neutrinos for code in codes}, bool)

    def groups(self) -> Iterator[Group]:
        """All events in groups, see the module."""
        starts = np.cumsum(self._events.counts) - self._events.counts
        listed = np.zeros(len(self._events.pdgids), dtype=np.int64)
        for bit, codes in enumerate(_LISTS.values()):
            listed |= np.isin(np.abs(self._events.pdgids), codes).astype(np.int64) << bit
        shift = len(_LISTS)
        flags = (self.is_visible, self._smeared.on_shell, self._smeared.kept)
        signature = listed + sum(flag.astype(np.int64) << (shift + bit) for bit, flag in enumerate(flags))
        for count in np.unique(self._events.counts).tolist():
            events = np.flatnonzero(self._events.counts == count)
            rows = starts[events][:, np.newaxis] + np.arange(count)
            for equal in _equal_rows(signature[rows]):
                yield from self._split(events[equal], rows[equal], listed)

    def _split(self, events: Ints, truth: Ints, listed: Ints) -> Iterator[Group]:
        """Split events with the same particles, so that each element of each list has the same type of coordinates."""
        kept = self._smeared.kept[truth[0]]
        particles = truth[:, kept]
        chosen = {"p": particles}
        for bit, name in enumerate(_LISTS):
            members = particles[:, (listed[particles[0]] >> bit & 1).astype(bool)]
            order = np.argsort(-self._smeared.coordinates["pt"][members], axis=1, kind="stable")
            chosen[name] = np.take_along_axis(members, order, axis=1)
        on_shell = np.concatenate([self._smeared.on_shell[rows] for rows in chosen.values()], axis=1)
        for equal in _equal_rows(on_shell):
            yield Group(events[equal], truth[equal], {name: rows[equal] for name, rows in chosen.items()}, self)

    def truth(self, rows: Ints) -> Vector:
        """A column of generated particles."""
        array = vector.array(dict(zip(("px", "py", "pz", "E"), self._events.momenta[rows].T, strict=True)))
        return Vector(array, {**self._flavour(rows), "spin": self._events.spins[rows]}, is_particle=True)

    def smeared(self, rows: Ints) -> Vector:
        """A column of particles after detector effects."""
        coordinates = {name: column[rows] for name, column in self._smeared.coordinates.items()}
        del coordinates["E" if self._smeared.on_shell[rows[0]] else "mass"]
        return Vector(vector.array(coordinates), self._flavour(rows), is_particle=True)

    def _flavour(self, rows: Ints) -> dict[str, NDArray[Any]]:
        pdgids = self._events.pdgids[rows]
        tags = {tag: np.abs(pdgids) == code for tag, code in _TAGS.items()}
        return {"pdgid": pdgids.astype(float), "charge": self._charges[rows], **tags}


def _equal_rows(signatures: NDArray[Any]) -> Iterator[Ints]:
    """The indices of equal rows, for each different row."""
    if signatures.shape[1] == 0:
        yield np.arange(len(signatures))
        return
    unique, inverse = np.unique(signatures, axis=0, return_inverse=True)
    inverse = inverse.reshape(-1)
    for index in range(len(unique)):
        yield np.flatnonzero(inverse == index)


def _by_code(pdgids: Ints, values: Mapping[int, Any], dtype: type) -> NDArray[Any]:
    codes = np.array(sorted(values), dtype=np.int64)
    return np.array([values[code] for code in codes.tolist()], dtype=dtype)[np.searchsorted(codes, pdgids)]


def _charge(code: int) -> float:
    try:
        return float(Particle.from_pdgid(code).charge or 0.0)
    except RuntimeError:  # MadMiner sets the charge of unknown particles to 0
        return 0.0


def _widths(resolution: tuple[float | None, float | None]) -> tuple[float, float]:
    absolute, relative = resolution
    return absolute or 0.0, relative or 0.0


def _smear(events: EventTable, detector: Detector) -> _Particles:
    """The particles after detector effects.

    :raises StepError: when an energy or pT is not positive after the largest number of draws
    """
    true = vector.array(dict(zip(("px", "py", "pz", "E"), events.momenta.T, strict=True)))
    codes: Sequence[int] = np.unique(events.pdgids).tolist()
    quantities = {"energy": detector.energy, "pt": detector.pt, "eta": detector.eta, "phi": detector.phi}
    known = {code: all(code in widths for widths in quantities.values()) for code in codes}
    derived = {
        name: _by_code(events.pdgids, {code: None in widths.get(code, ()) for code in codes}, bool)
        for name, widths in quantities.items()
    }
    if (derived["energy"] & derived["pt"]).any():
        raise StepError("an entry of `smearing` calculates both energy and pT from the mass")
    kept = _by_code(events.pdgids, known, bool)

    def smear(name: str, values: Floats, smallest: Floats | None = None) -> Floats:
        per_code = {code: _widths(quantities[name].get(code, (0.0, 0.0))) for code in codes}
        absolute, relative = (_by_code(events.pdgids, {c: w[i] for c, w in per_code.items()}, float) for i in (0, 1))
        return _draw(name, values, absolute + relative * np.abs(values), smallest, kept & ~derived[name])

    mass = np.asarray(true.m)
    energy = smear("energy", np.asarray(true.e), np.where(derived["pt"], mass, 0.0))
    pt = smear("pt", np.asarray(true.pt), np.zeros(len(mass)))
    eta, phi = smear("eta", np.asarray(true.eta)), smear("phi", np.asarray(true.phi))
    while (above := phi > 2.0 * np.pi).any():
        phi[above] -= 2.0 * np.pi
    while (below := phi < 0.0).any():
        phi[below] += 2.0 * np.pi
    with np.errstate(all="ignore"):
        from_mass = np.where(energy > mass, (energy**2 - mass**2) ** 0.5 / np.cosh(eta), 0.0)
    pt = np.where(derived["pt"], from_mass, pt)
    coordinates = {"pt": pt, "phi": phi, "eta": eta, "E": energy, "mass": mass}
    return _Particles(coordinates, derived["energy"], kept)


def _draw(name: str, values: Floats, widths: Floats, smallest: Floats | None, wanted: NDArray[np.bool_]) -> Floats:
    """Values with Gaussian errors; a value that is not larger than the smallest allowed value is drawn again."""
    drawn = values.copy()
    random = wanted & (widths > 0.0)
    again = random
    for _ in range(_MAX_DRAWS):
        drawn[again] = values[again] + np.random.normal(0.0, widths[again])
        if smallest is None:
            return drawn
        wrong = wanted & (drawn <= smallest)
        if (wrong & ~random).any():
            break
        again = wrong
        if not again.any():
            return drawn
    where = int(np.flatnonzero(wanted & (drawn <= (0.0 if smallest is None else smallest)))[0])
    raise StepError(
        f"the {name} of a particle, {values[where]:g} GeV, cannot be smeared: the result is always too small"
    )
