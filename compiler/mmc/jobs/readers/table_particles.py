"""Particles of tables: lists of columns as the objects that expressions use."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np

from mmc.compiler.settings.reading import ParticleColumns, TagColumn
from mmc.jobs.formats import tables
from mmc.jobs.formats.les_houches_table import Floats
from mmc.jobs.readers.delphes_objects import DelphesEvents, leptons

CHUNK = 5_000
"""The number of events whose particles are in columns together."""
MET = "met"
_CODES = {"e": 11, "mu": 13, "tau": 15, "a": 22, "j": 9}
"""The PDG code of the negative particle of each list; jets have that of MadMiner."""
_MASSES = {"e": 0.000511, "mu": 0.105658, "tau": 1.77686, "a": 0.0, "j": 0.0}
"""The masses in GeV where no column has them."""


@dataclass(frozen=True)
class Particles:
    """The particles of all events."""

    lists: Mapping[str, Any]
    """Arrays of awkward of shape (events, var), as :class:`mmc.jobs.readers.delphes_objects.DelphesEvents` has them."""
    met: Mapping[str, Floats]
    """``pt`` and ``phi`` of the missing momentum; empty if no expression uses it."""

    def part(self, rows: slice, n_events: int) -> DelphesEvents:
        """The objects of some events; ``n_events`` is the number of all events."""
        numbers = np.arange(n_events)[rows]
        missing = {name: self.met.get(name, np.zeros(n_events))[rows] for name in ("pt", "phi")}
        return DelphesEvents(
            numbers,
            {name: values[rows] for name, values in self.lists.items()},
            ak.zip({"MET": missing["pt"], "Phi": missing["phi"]}),
        )


def read(paths: Sequence[Path], tree: str | None, wanted: Mapping[str, ParticleColumns]) -> Particles:
    """The particles of tables, one after the other.

    :raises StepError: as :func:`mmc.jobs.formats.tables.read_lists`
    """
    lists = {name: columns for name, columns in wanted.items() if name != MET}
    parts = []
    for path in paths if lists else ():
        found = tables.read_lists(path, tree, [columns.columns for columns in lists.values()])
        parts.append({name: _list(name, columns, found) for name, columns in lists.items()})
    joined = {name: ak.concatenate([part[name] for part in parts]) for name in lists}
    if {"e", "mu"} <= set(joined):
        joined["l"] = leptons(joined["mu"], joined["e"])
    missing = wanted.get(MET)
    met: dict[str, Floats] = {}
    if missing is not None:
        columns = [tables.read(path, tree, missing.columns) for path in paths]
        for name, text in (("pt", missing.pt), ("phi", missing.phi)):
            met[name] = np.concatenate([part[text] for part in columns])
    return Particles(joined, met)


def _list(name: str, columns: ParticleColumns, found: Mapping[str, Any]) -> Any:
    """One list: momenta in double precision, PDG codes, charges and tags."""
    said = {"pt": columns.pt, "eta": columns.eta, "phi": columns.phi, "mass": columns.mass, "E": columns.e}
    said["charge"] = columns.charge
    fields = {key: ak.values_astype(found[text], np.float64) for key, text in said.items() if text is not None}
    pt = fields["pt"]
    if "E" in fields:
        fields["mass"] = _mass(fields.pop("E"), pt * np.cosh(fields["eta"]))
    elif "mass" not in fields:
        fields["mass"] = ak.full_like(pt, _MASSES[name])
    charge = fields.setdefault("charge", ak.zeros_like(pt))
    code = float(_CODES[name])
    fields["pdgid"] = ak.where(charge > 0.0, -code, code)
    for attribute, tag in (("b_tag", columns.b_tag), ("tau_tag", columns.tau_tag)):
        if tag is not None:
            fields[attribute] = _tagged(found[tag.column], tag)
    return ak.zip(fields)


def _mass(energy: Any, momentum: Any) -> Any:
    """√(E² − p²), with a minus where p is larger, so that `vector` finds the same energy."""
    squared = (energy - momentum) * (energy + momentum)
    return np.sign(squared) * np.sqrt(abs(squared))


def _tagged(values: Any, tag: TagColumn) -> Any:
    return values != 0 if tag.above is None else values > tag.above
