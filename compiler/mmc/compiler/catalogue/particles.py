"""Columns of tables that hold particles: which lists there may be, what each needs, and the names of NanoAOD."""

from collections.abc import Iterable, Mapping
from typing import Any

NANOAOD: Mapping[str, Mapping[str, Any]] = {
    "e": {name: f"Electron_{name}" for name in ("pt", "eta", "phi", "mass", "charge")},
    "mu": {name: f"Muon_{name}" for name in ("pt", "eta", "phi", "mass", "charge")},
    "tau": {name: f"Tau_{name}" for name in ("pt", "eta", "phi", "mass", "charge")},
    "a": {name: f"Photon_{name}" for name in ("pt", "eta", "phi")},
    "j": {name: f"Jet_{name}" for name in ("pt", "eta", "phi", "mass")},
    "met": {"pt": "MET_pt", "phi": "MET_phi"},
}
"""The columns of NanoAOD; a discriminator of b jets has many names there, so a study names its own."""
LIKE, PRESET = "like", "nanoaod"
CHARGED = ("e", "mu", "tau")
"""The lists whose particles need a charge, for their PDG code."""
LEPTONS = ("e", "mu")
"""The lists of which ``l`` is made."""


def particles_of(said: str | Mapping[str, Any] | None) -> dict[str, dict[str, Any]]:
    """The columns of each list, by attribute, with those of NanoAOD filled in; its mass not beside an energy.

    >>> particles_of({"like": "nanoaod", "j": {"e": "Jet_e"}})["j"]
    {'pt': 'Jet_pt', 'eta': 'Jet_eta', 'phi': 'Jet_phi', 'e': 'Jet_e'}
    """
    if said is None:
        return {}
    own: Mapping[str, Any] = {LIKE: said} if isinstance(said, str) else said
    base = NANOAOD if own.get(LIKE) == PRESET else {}
    names = dict.fromkeys((*base, *(name for name in own if name != LIKE)))
    return {name: _filled(own.get(name, {}), base.get(name, {})) for name in names}


def _filled(own: Mapping[str, Any], preset: Mapping[str, Any]) -> dict[str, Any]:
    return {**{key: column for key, column in preset.items() if key != "mass" or "e" not in own}, **own}


def used(particles: Iterable[str], names: Iterable[str]) -> tuple[str, ...]:
    """The lists that expressions need, of the names that they use.

    >>> used(["e", "mu", "a", "j"], ["l", "met"])
    ('e', 'mu')
    """
    needed = {lepton for name in names for lepton in (LEPTONS if name == "l" else (name,))}
    return tuple(name for name in particles if name in needed)
