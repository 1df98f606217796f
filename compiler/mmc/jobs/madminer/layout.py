"""The layout of MadMiner's files, checked once, whole, before MadMiner reads them.

MadMiner takes every value as it is: an event that claims to be sampled at benchmark -7 gets the weight of another
benchmark, and arrays of other lengths end in the middle of an analysis.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmc.errors import StepError
from mmc.jobs.formats import hdf5
from mmc.jobs.formats.hdf5 import Declared
from mmc.reading import first_line, shown

LAYOUT: Mapping[str, tuple[str, tuple[str | int, ...]]] = {
    "parameters/names": ("texts", ("parameters",)),
    "parameters/lha_blocks": ("texts", ("parameters",)),
    "parameters/lha_ids": ("integers", ("parameters",)),
    "parameters/max_power": ("integers", ("parameters",)),
    "parameters/val_ranges": ("numbers", ("parameters", 2)),
    "parameters/transforms": ("texts", ("parameters",)),
    "benchmarks/names": ("texts", ("benchmarks",)),
    "benchmarks/values": ("numbers", ("benchmarks", "parameters")),
    "benchmarks/is_nuisance": ("integers", ("benchmarks",)),
    "benchmarks/is_reference": ("integers", ("benchmarks",)),
    "morphing/components": ("integers", ("components", "parameters")),
    "morphing/morphing_matrix": ("numbers", ("components", "basis")),  # benchmarks outside the basis come last
    "finite_differences/base_benchmarks": ("texts", ("differences",)),
    "finite_differences/shifted_benchmarks": ("texts", ("differences", "parameters")),
    "finite_differences/epsilon": ("numbers", ()),
    "systematics/names": ("texts", ("systematics",)),
    "systematics/types": ("texts", ("systematics",)),
    "systematics/values": ("texts", ("systematics",)),
    "systematics/scales": ("texts", ("systematics",)),
    "nuisance_parameters/names": ("texts", ("nuisance",)),
    "nuisance_parameters/systematics": ("texts", ("nuisance",)),
    "nuisance_parameters/benchmark_positive": ("texts", ("nuisance",)),
    "nuisance_parameters/benchmark_negative": ("texts", ("nuisance",)),
    "observables/names": ("texts", ("observables",)),
    "observables/definitions": ("texts", ("observables",)),
    "samples/observations": ("numbers", ("events", "observables")),
    "samples/weights": ("numbers", ("events", "benchmarks")),
    "samples/sampling_benchmarks": ("integers", ("events",)),
    "sample_summary/signal_events": ("integers", ("physical",)),
    "sample_summary/background_events": ("integers", ()),
}
"""Dataset → kind of its values and its shape; a name stands for the same number everywhere in a file."""
_NEEDED = ("parameters", "benchmarks")
"""The groups that every file has; of another group a file has all datasets or none."""
_OPTIONAL = ("benchmarks/is_nuisance", "benchmarks/is_reference")
_NONE = "None"
"""MadMiner's text for a value that is missing."""
_CHOICES = {"systematics/types": ("norm", "pdf", "scale"), "systematics/scales": ("mu", "muf", "mur", _NONE)}
_MOST_POWER = 64
_MOST_CHARACTERS, _MOST_OF_DEFINITION = 256, 65_536
_ROWS = 1 << 18
"""This many events are checked at a time."""
_IN_BLOCKS = frozenset(place for place in LAYOUT if place.startswith("samples/"))
"""The datasets that are never in memory whole."""

_checked: set[tuple[int, ...]] = set()
"""The files that were checked, as they were then."""


@dataclass
class _Open:
    """A file that is open."""

    file: Any
    closing: ExitStack
    readers: int = 0


_open: dict[tuple[int, ...], _Open] = {}
"""The files that are open, as they were when they were opened."""


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a set-up or event file of MadMiner for reading, as ``h5py.File``; it is checked once per process.

    Who opens a file around many reads opens it once: it is closed when the last reader is done.

    :raises StepError: as :func:`mmc.jobs.formats.hdf5.look`; when the file is not one of MadMiner's, its arrays do not
        fit each other, or a value cannot be what it stands for
    """
    try:
        key = _key(path.stat())
    except OSError:  # hdf5.opened says why
        key = ()
    if key not in _open:
        with ExitStack() as stack:
            file = stack.enter_context(hdf5.opened(path))
            key = _key(hdf5.state(file))
            if key not in _checked:
                _check(_File(path.name, file, hdf5.look(file, path.name, _IN_BLOCKS)))
                _checked.add(key)
            _open[key] = _Open(file, stack.pop_all())
    shared = _open[key]
    shared.readers += 1
    try:
        yield shared.file
    finally:
        shared.readers -= 1
        if not shared.readers:
            _open.pop(key, None)
            shared.closing.close()


def _key(state: os.stat_result) -> tuple[int, ...]:
    """What tells a file from others, and from itself after a change."""
    return (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)


@dataclass(frozen=True)
class _File:
    """A file whose layout is being checked."""

    name: str
    content: Any
    declared: Mapping[str, Declared]

    def rows(self, place: str) -> Iterator[tuple[int, Any]]:
        """The values of a dataset in blocks of rows, each with the number of its first row.

        :raises StepError: when the values cannot be read
        """
        shape = self.declared[place].shape
        try:
            if not shape:
                yield 0, self.content[place][()]
            for start in range(0, shape[0] if shape else 0, _ROWS):
                yield start, self.content[place][start : start + _ROWS]
        except (OSError, RuntimeError, ValueError, TypeError) as error:
            raise self.flaw(place, f"cannot be read: {first_line(error)}") from error

    def array(self, place: str) -> Any:
        """All values of a dataset."""
        blocks = [values for _, values in self.rows(place)]
        return np.concatenate(blocks) if len(blocks) > 1 else blocks[0] if blocks else np.empty(0)

    def texts(self, place: str, most: int = _MOST_CHARACTERS) -> list[str]:
        """The texts of a dataset, one after the other.

        :param most: the largest number of characters of a text
        :raises StepError: when one is longer, or has characters that are not printable ASCII
        """
        if place not in self.declared:
            return []
        found = []
        for raw in np.ravel(self.array(place)).tolist():
            text = raw.decode("ascii", errors="replace")
            shown_text = text if most == _MOST_CHARACTERS else " ".join(text.split())  # definitions may have lines
            if len(raw) > most or not (text.isascii() and shown_text.isprintable()):
                raise self.flaw(place, "has a text that is too long or not printable ASCII")
            found.append(text)
        return found

    def names(self, place: str) -> list[str]:
        """Texts that become names of columns, figures and files.

        :raises StepError: when one is empty, occurs twice or cannot be part of a file's name
        """
        found = self.texts(place)
        for name in found:
            if not name or name.startswith(".") or "/" in name or "\\" in name:
                raise self.flaw(place, f"has the name {shown(name)}")
        if len(set(found)) < len(found):
            raise self.flaw(place, "has the same name twice")
        return found

    def within(self, place: str, low: int, high: int) -> None:
        """:raises StepError: unless all values of a dataset are from ``low`` to ``high``"""
        for start, values in self.rows(place) if place in self.declared else ():
            outside = (values < low) | (values > high)
            if outside.any():
                value = np.asarray(values)[outside][0]
                raise self.flaw(place, f"is {value}{_row(outside, start)}, where only {low} to {high} make sense")

    def finite(self, place: str) -> None:
        """:raises StepError: unless all values of a dataset are finite"""
        for start, values in self.rows(place) if place in self.declared else ():
            bad = ~np.isfinite(values)
            if bad.any():
                raise self.flaw(place, f"is not a finite number{_row(bad, start)}")

    def flaw(self, place: str, what: str) -> StepError:
        return StepError(f"{place} of {self.name} {what}")


def _row(mask: Any, start: int) -> str:
    """The first row that a mask marks, as the end of a sentence."""
    return f" in row {start + int(np.argwhere(mask)[0][0])}" if np.ndim(mask) else ""


def _check(file: _File) -> None:
    """:raises StepError: as :func:`opened`"""
    numbers = _shapes(file)
    parameters, benchmarks = file.names("parameters/names"), file.names("benchmarks/names")
    file.names("observables/names")
    for place, (kind, _) in LAYOUT.items():
        if kind == "texts":
            file.texts(place, _MOST_OF_DEFINITION if place == "observables/definitions" else _MOST_CHARACTERS)
        if kind == "numbers" and place != "samples/observations":  # MadMiner marks a missing observable with NaN
            file.finite(place)
    for place, known in _CHOICES.items():
        if strange := set(file.texts(place)) - set(known):
            raise file.flaw(place, f"has {shown(min(strange))}, and not only {', '.join(known)}")
    for kind, value in zip(file.texts("systematics/types"), file.texts("systematics/values"), strict=True):
        if kind == "norm" and not _is_number(value):
            raise file.flaw("systematics/values", f"has {shown(value)} for a norm, which is not a number")
    file.within("parameters/max_power", 0, _MOST_POWER)
    physical = _n_physical(file, len(benchmarks))
    if numbers.get("basis", 0) > physical:
        raise file.flaw("morphing/morphing_matrix", f"has {numbers['basis']} columns, but there are fewer benchmarks")
    file.within("morphing/components", 0, _MOST_POWER * len(parameters))
    _check_nuisance(file, benchmarks)
    if "samples/weights" in file.declared:
        _check_origins(file, physical)


def _shapes(file: _File) -> dict[str, int]:
    """The numbers that the names in :data:`LAYOUT` stand for.

    :raises StepError: when a dataset is missing, or has values of another kind or another shape
    """
    groups = {place.partition("/")[0] for place in file.declared} | set(_NEEDED)
    groups |= {"observables", "sample_summary"} if "samples" in groups else set()
    numbers: dict[str, int] = {}
    for place, (kind, dimensions) in LAYOUT.items():
        declared = file.declared.get(place)
        if declared is None:
            if place.partition("/")[0] in groups and place not in _OPTIONAL:
                raise StepError(f"{file.name} is not a file of MadMiner's: it has no {place}")
            continue
        if declared.kind != kind and (declared.kind, kind) != ("integers", "numbers"):
            raise file.flaw(place, f"holds {declared.kind}, not {kind}")
        if "physical" in dimensions and "physical" not in numbers:
            numbers["physical"] = _n_physical(file, numbers["benchmarks"])
        if len(declared.shape) == len(dimensions):
            for name, length in zip(dimensions, declared.shape, strict=True):
                if isinstance(name, str):
                    numbers.setdefault(name, length)
        expected = tuple(numbers.get(str(name), name) for name in dimensions)
        if declared.shape != expected:
            raise file.flaw(place, f"has the shape {declared.shape} where {expected} is expected")
        if place in _OPTIONAL:
            file.within(place, 0, 1)
    for name in ("parameters", "benchmarks"):
        if not numbers[name]:
            raise StepError(f"{file.name} is not a file of MadMiner's: it has no {name}")
    return numbers


def _n_physical(file: _File, n_benchmarks: int) -> int:
    """The number of benchmarks that are points of parameter space.

    :raises StepError: unless the nuisance benchmarks come last
    """
    place = "benchmarks/is_nuisance"
    if place not in file.declared:
        return n_benchmarks
    flags = np.asarray(file.array(place), dtype=bool)
    if (np.diff(flags.astype(int)) < 0).any():
        raise file.flaw(place, "has a nuisance benchmark before another benchmark")
    return int((~flags).sum())


def _check_nuisance(file: _File, benchmarks: list[str]) -> None:
    """:raises StepError: when a nuisance parameter has a benchmark that the file lacks, or there is no reference"""
    place = "benchmarks/is_reference"
    if file.names("nuisance_parameters/names") and not (place in file.declared and np.any(file.array(place))):
        raise file.flaw(place, "marks no benchmark, whose weights the nuisance parameters change")
    for place in ("nuisance_parameters/benchmark_positive", "nuisance_parameters/benchmark_negative"):
        if strange := set(file.texts(place)) - {*benchmarks, _NONE}:
            raise file.flaw(place, f"has {shown(min(strange))}, which is not a benchmark of the file")


def _check_origins(file: _File, n_physical: int) -> None:
    """Check at which benchmarks the events were sampled; -1 stands for background.

    :raises StepError: when a benchmark does not exist, or the summary counts other events
    """
    place, counts = "samples/sampling_benchmarks", np.zeros(n_physical + 1, dtype=np.int64)
    file.within(place, -1, n_physical - 1)
    for _, values in file.rows(place):
        counts += np.bincount(np.asarray(values, dtype=np.int64) + 1, minlength=n_physical + 1)
    summary = [file.array("sample_summary/background_events"), *file.array("sample_summary/signal_events")]
    if [int(number) for number in summary] != counts.tolist():
        raise file.flaw("sample_summary", "counts other events than the file holds: let MadMiner combine it again")


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False
