"""Read the branches of Delphes' ROOT files that MadMiner's DelphesReader uses, as arrays over all events."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import uproot

from mmc.errors import StepError
from mmc.jobs.formats import event_sketch
from mmc.jobs.formats.hard_process import CODES, INCOMING, HardProcess
from mmc.jobs.formats.hepmc import MOST_COMPARED
from mmc.jobs.formats.les_houches_table import Floats
from mmc.reading import first_line, open_regular

RATIO, FREE = 100, 1 << 26
"""The values of a file take at most RATIO times the bytes of the file, and FREE more."""

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
    "Particle": ("PT", "Eta", "Phi", "E", "PID", "Status"),
    "GenJet": _JET,
    "GenMissingET": ("MET", "Phi"),
}
"""The branches of generator-level objects."""
_TELLING = (
    "MissingET.MET",
    "MissingET.Phi",
    "Jet.PT",
    "Jet.Phi",
    "Electron.PT",
    "Muon.PT",
    "Photon.PT",
    "GenMissingET.MET",
)
"""The branches by which mmc distinguishes events."""
_READ = {*RECONSTRUCTED, *GENERATED, "Weight", "Event"}
"""All branches that are read."""
_SAME_WEIGHT = 1e-3
"""The largest relative difference between two forms of the same weight."""
_NOMINAL, _WEIGHTS = "Event.Weight", "Weight.Weight"
"""The branches with the nominal weight of an event, and with all weights: of an LHE file, those of ``<rwgt>`` alone."""


@dataclass(frozen=True)
class DelphesTable:
    """The events of a file."""

    n_events: int
    collections: Mapping[str, Any]
    """Collection name → awkward array of shape (events, var). The fields are the branches, in GeV; floating-point
    numbers are in double precision."""


def read(path: Path, generator_truth: bool, b_tag_bits: Sequence[int] = ()) -> DelphesTable:
    """Read a file.

    :param b_tag_bits: the bits of ``BTag`` that count, as 1 if any of them is set; without any, all
    :raises StepError: when the file is damaged, or lacks a branch that is needed to reconstruct an event
    """
    wanted = GENERATED if generator_truth else RECONSTRUCTED
    with _tree(path) as tree:
        missing = _missing(tree, wanted)
        found = {} if missing else {name: _collection(tree, name, fields) for name, fields in wanted.items()}
    if missing is not None:
        raise StepError(f"{path.name} {missing}")
    jets = "GenJet" if generator_truth else "Jet"
    mask = b_tag_mask(b_tag_bits)
    if found and mask is not None:
        tags = found[jets]["BTag"]
        masked = np.asarray(ak.flatten(tags), dtype=np.int64) & mask
        found[jets] = ak.with_field(found[jets], ak.unflatten(masked.astype(float), ak.num(tags)), "BTag")
    met = found["GenMissingET" if generator_truth else "MissingET"]
    if ak.any(ak.num(met) == 0):
        event = int(np.flatnonzero(ak.num(met) == 0)[0]) + 1
        raise StepError(f"event {event} of {path.name} has no missing momentum")
    return DelphesTable(len(met), found)


def b_tag_mask(bits: Sequence[int]) -> int | None:
    """The value of ``BTag`` with these bits; None without bits.

    >>> b_tag_mask([0, 2])
    5
    """
    return sum(1 << bit for bit in set(bits)) if bits else None


def count(path: Path) -> int:
    """The number of events in a file.

    :raises StepError: when the file is damaged, or is not an output of Delphes
    """
    with _tree(path) as tree:
        return int(tree.num_entries)


@dataclass(frozen=True)
class Content:
    """Numbers that distinguish the events of a file."""

    n_events: int
    weights: Floats | None
    """The weights that Delphes has copied from its input, the nominal one first, shape (events, weights); None if there
    are none, or not equally many in all events."""
    digests: event_sketch.Digests | None
    """The digests of the events; None if the file has no objects that mmc knows."""


def inspect(path: Path) -> Content:
    """Read the numbers that distinguish the events of a file.

    :raises StepError: when the file is damaged, or is not an output of Delphes
    """
    with _tree(path) as tree:
        known = set(tree.keys(full_paths=False))
        columns = [column for name in _TELLING if name in known and (column := tree[name].array()).ndim == 2]
        both = {name: _rectangular(tree[name].array()) for name in (_NOMINAL, _WEIGHTS) if name in known}
        return Content(
            int(tree.num_entries),
            _all_weights(both.get(_NOMINAL), both.get(_WEIGHTS)),
            event_sketch.of_values(map(_flat, columns), int(tree.num_entries)) if columns else None,
        )


def hard_process(path: Path) -> HardProcess | None:
    """The particles of the hard process; None if the file does not have the generator's particles.

    :raises StepError: when the file is damaged, or is not an output of Delphes
    """
    with _tree(path) as tree:
        known = set(tree.keys(full_paths=False))
        names = ("Particle.E", "Particle.Status")
        columns = [tree[name].array() for name in names] if known.issuperset(names) else []
    if not columns:
        return None
    energy, status = columns
    kept = energy[ak.any([status == code for code in CODES], axis=0)]
    energies, counts = map(np.asarray, _flat(kept))
    return HardProcess(energies, counts, int(ak.sum(ak.any(status == INCOMING, axis=1))))


def _flat(column: Any) -> tuple[Any, Any]:
    return ak.to_numpy(ak.flatten(column, axis=None)), ak.to_numpy(ak.num(column))


def _rectangular(column: Any) -> Floats | None:
    numbers = ak.num(column) if column.ndim == 2 else []
    if len(numbers) == 0 or ak.any(numbers != numbers[0]) or numbers[0] == 0:
        return None
    return np.asarray(ak.to_numpy(column[:, :MOST_COMPARED]), dtype=float)


def _all_weights(nominal: Floats | None, weights: Floats | None) -> Floats | None:
    """All weights, the nominal one first, as HepMC files have them."""
    if nominal is None or weights is None:
        return nominal if weights is None else weights
    sizes = [np.abs(columns[:, :1]).sum() for columns in (nominal, weights)]
    if np.allclose(nominal[:, 0] * sizes[1], weights[:, 0] * sizes[0], rtol=_SAME_WEIGHT, atol=0.0):
        return weights
    return np.hstack([nominal[:, :1], weights])


@contextmanager
def _tree(path: Path) -> Iterator[Any]:
    """The tree of a file.

    :raises StepError: when the file is damaged (also while the tree is used), is not an output of Delphes, or claims
        more values than it can hold
    """
    try:
        with open_regular(path) as plain:
            size = os.fstat(plain.fileno()).st_size
    except OSError as error:
        raise StepError(f"{path.name} cannot be read: {error.strerror}") from error
    try:
        with uproot.open(path) as file:
            tree = file.get(_TREE)
            flaw = None if isinstance(tree, uproot.TTree) else f"is not an output of Delphes: it has no tree {_TREE}"
            if flaw is None and _claimed(tree) > RATIO * size + FREE:
                flaw = f"has {size:,} bytes, and claims {_claimed(tree):,} bytes of values"
            if flaw is None:
                yield tree
    except Exception as error:  # uproot passes on many types: zlib.error, ValueError, DeserializationError, …
        raise StepError(f"{path.name} is damaged: {first_line(error)}") from error
    if flaw is not None:
        raise StepError(f"{path.name} {flaw}")


def _claimed(tree: Any) -> int:
    """The size of all values in memory, from the numbers of entries and from the declared sizes."""
    branches = [branch for branch in tree.values() if branch.name.partition(".")[0] in _READ]
    lengths = 8 * max([tree.num_entries, *(branch.num_entries for branch in branches)])
    return int(lengths + sum(max(branch.uncompressed_bytes, 0) for branch in branches))


def _missing(tree: Any, wanted: Mapping[str, Sequence[str]]) -> str | None:
    """Name what a file lacks, as the end of a sentence."""
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
