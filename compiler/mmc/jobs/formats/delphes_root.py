"""Read the branches of Delphes' ROOT files that MadMiner's DelphesReader uses, as arrays over all events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import uproot

from mmc.errors import StepError

_TREE = "Delphes"
_JET = ("PT", "Eta", "Phi", "Mass", "TauTag", "BTag")
RECONSTRUCTED: Mapping[str, Sequence[str]] = {
    "Electron": ("PT", "Eta", "Phi", "Charge"),
    "Muon": ("PT", "Eta", "Phi", "Charge"),
    "Photon": ("PT", "Eta", "Phi", "E"),
    "Jet": _JET,
    "MissingET": ("MET", "Phi"),
}
"""The branches of reconstructed objects, by collection."""
GENERATED: Mapping[str, Sequence[str]] = {
    "Particle": ("PT", "Eta", "Phi", "E", "PID"),
    "GenJet": _JET,
    "GenMissingET": ("MET", "Phi"),
}
"""The branches of generator-level objects."""


@dataclass(frozen=True)
class DelphesTable:
    """The events of a file."""

    n_events: int
    collections: Mapping[str, Any]
    """Collection name → awkward array of shape (events, var). The fields are the branches, in GeV; floating-point
    numbers are in double precision."""


def read(path: Path, generator_truth: bool) -> DelphesTable:
    """Read a file.

    :raises StepError: when the file is damaged, or lacks a branch that is needed to reconstruct an event
    """
    wanted = GENERATED if generator_truth else RECONSTRUCTED
    try:
        with uproot.open(path) as file:
            tree = file.get(_TREE)
            missing = _missing(tree, wanted)
            if missing is None:
                found = {name: _collection(tree, name, fields) for name, fields in wanted.items()}
    except Exception as error:  # uproot passes on many types: zlib.error, ValueError, DeserializationError, …
        raise StepError(f"{path.name} is damaged: {_first_line(error)}") from error
    if missing is not None:
        raise StepError(f"{path.name} {missing}")
    met = found["GenMissingET" if generator_truth else "MissingET"]
    if ak.any(ak.num(met) == 0):
        event = int(np.flatnonzero(ak.num(met) == 0)[0]) + 1
        raise StepError(f"event {event} of {path.name} has no missing momentum")
    return DelphesTable(len(met), found)


def count(path: Path) -> int:
    """The number of events in a file.

    :raises StepError: when the file is damaged, or is not an output of Delphes
    """
    try:
        with uproot.open(path) as file:
            tree = file.get(_TREE)
            n_events = None if tree is None else int(tree.num_entries)
    except Exception as error:  # as in :func:`read`
        raise StepError(f"{path.name} is damaged: {_first_line(error)}") from error
    if n_events is None:
        raise StepError(f"{path.name} is not an output of Delphes: it has no tree {_TREE}")
    return n_events


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _missing(tree: Any, wanted: Mapping[str, Sequence[str]]) -> str | None:
    """Name what a file lacks, as the end of a sentence."""
    if tree is None:
        return f"is not an output of Delphes: it has no tree {_TREE}"
    known = set(tree.keys(full_paths=False))
    for collection, fields in wanted.items():
        for field in fields:
            if f"{collection}.{field}" not in known:
                return f"has no {collection}.{field}: does the Delphes card write the branch {collection}?"
    return None


def _collection(tree: Any, name: str, fields: Sequence[str]) -> Any:
    columns = {field: tree[f"{name}.{field}"].array() for field in fields}
    double = {field: ak.values_astype(column, np.float64) for field, column in columns.items()}
    return ak.zip(double)
