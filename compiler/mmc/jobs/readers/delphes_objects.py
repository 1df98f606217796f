"""Reconstructed objects of all events at once, as MadMiner's DelphesReader defines them per event.

Each list of objects is stored as columns, one for each element of the longest list, with zeros for events with fewer
elements.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from mmc.jobs.formats.delphes_root import DelphesTable
from mmc.jobs.formats.les_houches_table import Floats, Ints
from mmc.jobs.madminer.light_vector import vector
from mmc.jobs.readers.values import Items, UnusualExpressionError, Vector

_CHUNK = 5_000
"""The number of events in a chunk."""
_VISIBLE = ("e", "j", "mu", "a")
"""The visible objects, in the order in which MadMiner adds them."""
_MASS_E, _MASS_MU = 0.000511, 0.105
"""MadMiner's lepton masses, in GeV."""
_JET = 9
"""MadMiner's PDG code of jets. It is not a particle of the standard model, so jets have no charge."""
_FINAL = 1
"""The status of particles that do not decay."""
_CHARGES = {11: -1.0, -11: 1.0, 13: -1.0, -13: 1.0}
_TAGS = ("tau_tag", "b_tag", "t_tag")


@dataclass(frozen=True)
class Acceptance:
    """The acceptance of the detector for a type of object; None means no limit."""

    pt_min: float | None
    """The smallest pT, in GeV."""
    eta_max: float | None
    """The largest |η|."""

    def accepts(self, particles: Any) -> Any:
        """True for accepted particles, in the shape of the array."""
        kept = ak.ones_like(particles["pt"], dtype=bool)
        if self.pt_min is not None:
            kept = kept & ~(particles["pt"] < self.pt_min)
        if self.eta_max is not None:
            kept = kept & ~(abs(particles["eta"]) > self.eta_max)
        return kept

    def of(self, particles: Any) -> Any:
        """The accepted particles."""
        return particles[self.accepts(particles)]


Acceptances = Mapping[str, Acceptance]
"""Acceptances by the name of the list: e, mu, a or j."""


class DelphesEvents:
    """The objects of some events."""

    def __init__(self, numbers: Ints, lists: Mapping[str, Any], met: Any) -> None:
        """
        :param numbers: the indices of the events in the file
        :param lists: for each list, an awkward array of shape (events, var) with the fields pt, eta, phi, mass or E,
            and pdgid; for jets also tau_tag and b_tag; charge where the PDG code does not determine it
        :param met: an awkward array of shape (events,) with the fields MET and Phi
        """
        self.numbers = numbers
        self._lists = lists
        self._missing = met
        self._columns: dict[str, list[Vector]] = {}

    def __len__(self) -> int:
        return len(self.numbers)

    def items(self, name: str) -> Items:
        """The elements of one of the lists of particles."""
        columns = self._particles(name)
        counts = ak.to_numpy(ak.num(self._lists[name]))
        return Items(columns, [counts > index for index in range(len(columns))])

    def single(self, name: str) -> Vector:
        """The momentum ``met``, ``visible`` or ``all``."""
        momentum: Vector = getattr(self, {"met": "_met", "visible": "_visible", "all": "_all"}[name])
        return momentum

    def _particles(self, name: str) -> list[Vector]:
        if name not in self._lists:
            raise UnusualExpressionError(f"the name {name!r} is not known")
        if name not in self._columns:
            self._columns[name] = _padded(self._lists[name])
        return self._columns[name]

    @cached_property
    def _visible(self) -> Vector:
        zero = np.zeros(len(self))
        total = vector.array({"px": zero, "py": zero, "pz": zero, "E": zero})
        for name in _VISIBLE:
            for particle in self._particles(name):
                total = total + particle.array
        return Vector(total, {}, is_computed=True)

    @cached_property
    def _met(self) -> Vector:
        pt, phi, zero = ak.to_numpy(self._missing["MET"]), ak.to_numpy(self._missing["Phi"]), np.zeros(len(self))
        tags = dict.fromkeys(_TAGS, np.zeros(len(self), dtype=bool))
        array = vector.array({"pt": pt, "phi": phi, "eta": zero, "mass": zero})
        return Vector(array, tags, is_particle=True, is_computed=True)

    @cached_property
    def _all(self) -> Vector:
        return Vector(self._visible.array + self._met.array, {}, is_computed=True)


def objects(table: DelphesTable, acceptances: Acceptances, generator_truth: bool) -> Iterator[DelphesEvents]:
    """All events, in chunks that fit into memory."""
    lists = (_generated if generator_truth else _reconstructed)(table.collections, acceptances)
    met = table.collections["GenMissingET" if generator_truth else "MissingET"][:, 0]
    for start in range(0, table.n_events, _CHUNK):
        part = slice(start, start + _CHUNK)
        numbers = np.arange(start, min(start + _CHUNK, table.n_events))
        yield DelphesEvents(numbers, {name: particles[part] for name, particles in lists.items()}, met[part])


def _reconstructed(collections: Mapping[str, Any], acceptances: Acceptances) -> dict[str, Any]:
    electrons, muons = (
        _charged(collections[name], mass, code)
        for name, mass, code in (("Electron", _MASS_E, 11), ("Muon", _MASS_MU, 13))
    )
    photons, jets = collections["Photon"], _jets(collections["Jet"])
    photons = ak.zip({**_direction(photons), "E": photons["E"], "pdgid": ak.full_like(photons["PT"], 22.0)})
    lists = {"e": electrons, "mu": muons, "a": photons, "j": jets}
    lists = {name: acceptances[name].of(particles) for name, particles in lists.items()}
    return {**lists, "l": _accepted_leptons(leptons(muons, electrons), acceptances)}


def _generated(collections: Mapping[str, Any], acceptances: Acceptances) -> dict[str, Any]:
    """The lists at generator level: final particles, sorted by falling pT. (MadMiner 0.9.6 also lists particles that
    have decayed, in the order of the file, and gives electrons and muons the acceptance of photons.)"""
    particles = collections["Particle"]
    particles = particles[particles["Status"] == _FINAL]
    particles = particles[ak.argsort(-particles["PT"], axis=1, stable=True)]
    particles = ak.zip({**_direction(particles), "E": particles["E"], "pdgid": particles["PID"]})
    kinds = {"e": (11,), "mu": (13,), "a": (22,), "l": (11, 13)}
    chosen = {name: particles[_is_one_of(particles["pdgid"], codes)] for name, codes in kinds.items()}
    lists = {name: acceptances[name].of(chosen[name]) for name in ("e", "mu", "a")}
    lists["j"] = acceptances["j"].of(_jets(collections["GenJet"]))
    return {**lists, "l": _accepted_leptons(chosen["l"], acceptances)}


def _direction(particles: Any) -> dict[str, Any]:
    return {"pt": particles["PT"], "eta": particles["Eta"], "phi": particles["Phi"]}


def _charged(particles: Any, mass: float, code: int) -> Any:
    pdgid = ak.where(particles["Charge"] >= 0.0, -float(code), float(code))
    return ak.zip({**_direction(particles), "mass": ak.full_like(particles["PT"], mass), "pdgid": pdgid})


def _jets(particles: Any) -> Any:
    tags = {"tau_tag": particles["TauTag"] >= 1.0, "b_tag": particles["BTag"] >= 1.0}
    fixed = {"mass": particles["Mass"], "pdgid": ak.full_like(particles["PT"], float(_JET))}
    return ak.zip({**_direction(particles), **fixed, **tags})


def leptons(muons: Any, electrons: Any) -> Any:
    """Muons and electrons sorted by falling pT. (MadMiner 0.9.6 sorts momenta, but neither masses nor codes.)"""
    both = ak.concatenate([muons, electrons], axis=1)
    return both[ak.argsort(-both["pt"], axis=1, stable=True)]


def _accepted_leptons(leptons: Any, acceptances: Acceptances) -> Any:
    is_electron = _is_one_of(leptons["pdgid"], (11,))
    kept = ak.where(is_electron, acceptances["e"].accepts(leptons), acceptances["mu"].accepts(leptons))
    return leptons[kept]


def _is_one_of(pdgids: Any, codes: Sequence[int]) -> Any:
    """True for particles with one of these codes and their antiparticles."""
    found = abs(pdgids) == codes[0]
    for code in codes[1:]:
        found = found | (abs(pdgids) == code)
    return found


def _padded(particles: Any) -> list[Vector]:
    """Columns: the first elements of all events, the second elements, and so on."""
    longest = int(ak.max(ak.num(particles)))
    columns: dict[str, NDArray[Any]] = {
        name: ak.to_numpy(ak.fill_none(ak.pad_none(particles[name], longest, clip=True), 0)).T
        for name in particles.fields
    }
    return [_vector({name: values[index] for name, values in columns.items()}) for index in range(longest)]


def _vector(columns: Mapping[str, NDArray[Any]]) -> Vector:
    """A column of particles. With mmc's workarounds, MadMiner uses numpy numbers here."""
    coordinates = {name: columns[name] for name in ("pt", "phi", "eta", "mass", "E") if name in columns}
    pdgids: Floats = columns["pdgid"]
    charges = columns.get("charge", np.select([pdgids == code for code in _CHARGES], list(_CHARGES.values()), 0.0))
    untagged = np.zeros(len(pdgids), dtype=bool)
    tags = {name: columns.get(name, untagged).astype(bool) for name in _TAGS}
    flavour = {"pdgid": pdgids, "charge": charges, **tags}
    return Vector(vector.array(coordinates), flavour, is_particle=True, is_computed=True)
