"""Bring an event file into the normal form, which all later steps read.

In the normal form every event carries a weight for every benchmark, the sampled one included, under the name of the
benchmark. The mean of the weights over the file is the cross section in pb, also when events were dropped. Nothing
depends on where or when the file was made. Weights of systematic uncertainties keep their names. Background events
carry one weight, at the sampled benchmark.
"""

import math
from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmc.errors import StepError
from mmc.jobs.formats import event_sketch, gzipped
from mmc.jobs.formats.benchmark_weights import BenchmarkWeights, check_absolute, check_told
from mmc.jobs.formats.les_houches import quoted
from mmc.jobs.formats.les_houches_cross_section import (
    DIFFERENCE,
    NominalWeights,
    allowed_part,
    is_of_several_runs,
    number_generated,
    told_or_found,
)
from mmc.jobs.formats.les_houches_cross_section import factor as normalisation
from mmc.jobs.formats.les_houches_head import LARGEST, Head, opening, read_head
from mmc.jobs.formats.les_houches_text import (
    MOST_PARTICLES,
    UnusualFileError,
    blocks,
    number,
    particle_lines,
    weights,
)
from mmc.reading import first_line, shown

Ratios = Mapping[str, NDArray[np.float64]]
"""Weights relative to the nominal weight by benchmark, (events,) each."""

_NO_FACTORS: Mapping[int, float] = MappingProxyType({})
_NO_NAMES: Mapping[str, str] = MappingProxyType({})
_NO_RATIOS: Ratios = MappingProxyType({})
_FINAL = 1
"""The status of a final particle."""
_GROUP = "<eventgroup"
_SAME = 1e-3
"""Largest relative difference between weights with the same squared matrix element (rounding of the reweighting)."""
_MUCH_NEARER = 0.1
"""Weights of another benchmark are the nominal ones if they differ from these by less than this part of what those of
the sampled benchmark do."""


@dataclass(frozen=True)
class Content:
    """The content of an event file."""

    head: Head
    n_events: int
    n_generated: int
    """The number of events before any were removed."""
    factor: float
    """The factor on the weights that makes their mean the cross section in pb."""
    found_error_pb: float | None
    """The statistical error of the cross section of the weights, which is in ``head`` if ``<init>`` does not contain
    it; None if it does."""
    sums: dict[str, float]
    """The sums of the weights by name, in pb times events."""
    sums_of_squares: dict[str, float]
    nominal: NominalWeights
    """The nominal weights of the file."""
    digests: event_sketch.Digests
    n_final: tuple[int, int]
    """The smallest and the largest number of final particles of an event."""
    warnings: tuple[str, ...]
    """What may be wrong with the weights."""
    names: tuple[str, ...]
    """The names of the weights of each event, with the nominal one under that of the sampled benchmark."""

    def record(self) -> dict[str, Any]:
        """The record of a file: the cross section it declares, and the cross sections of its weights."""
        value, error = self.head.cross_section_pb
        squares = self.sums_of_squares
        return {
            "cross_section_pb": value,
            "cross_section_error_pb": error,
            "mean_weights_pb": {name: total / self.n_events for name, total in self.sums.items()},
            "effective_sample_size": {
                name: total**2 / squares[name] if squares[name] > 0.0 else 0.0 for name, total in self.sums.items()
            },
        }


def inspect(
    path: Path,
    sampled: str,
    benchmarks: Sequence[str],
    *,
    same: Collection[str] = (),
    advice: str = "",
    filtered: bool = False,
    may_lack_events: bool = False,
    names: Mapping[str, str] = _NO_NAMES,
    ratios: Ratios = _NO_RATIOS,
) -> Content:
    """Read a file through.

    :param path: gzipped or not
    :param sampled: the sampled benchmark, whose weight is the nominal weight of an event
    :param benchmarks: the benchmarks whose weights all events must have; other weights are left out of the sums
    :param same: benchmarks at which every event must have its nominal weight
    :param advice: what to do about missing weights, as the end of a sentence
    :param filtered: whether events were removed from the file after its generation
    :param may_lack_events: whether mmc's own generator wrote the file, maybe with fewer events than the header asks for
    :param names: the names of benchmarks' weights in the file, where they differ
    :param ratios: weights of benchmarks relative to the nominal weight, which replace those of the file
    :raises StepError: when the file is damaged or has no events, an event lacks a weight or has one that is not a
        number, or the header, ``<init>`` and the events contradict each other
    """
    of_benchmarks = {name: BenchmarkWeights() for name in benchmarks}
    head, n_events, held = None, 0, None
    nominal = NominalWeights()
    digests, least, most = array("Q"), MOST_PARTICLES, 0
    for before, body, own, written, tried in _weighted(path, names, ratios):
        head = read_head(before, path) if head is None else head
        n_events += 1
        digests.append(event_sketch.of_particles(body))
        n_final = _n_final(body)
        least, most = min(least, n_final), max(most, n_final)
        found = {sampled: own, **written}
        if held is None:
            held = set(found)
        if lacking := [name for name in benchmarks if name not in found] or sorted(held - set(found)):
            # MadGraph's files lack the weight of the benchmark at which they were sampled
            other = n_events == 1 and len(lacking) == 1 and sampled in written
            swapped = f": was it sampled at {lacking[0]!r}, and not at {sampled!r}?"
            hint = swapped if other else f"{_there(written)}{advice}"
            hint = hint if n_events == 1 else ", which the events before it have"
            raise StepError(f"event {n_events} of {path.name} has no weight for {_listed(lacking)}{hint}")
        _check_numbers(
            {name: found[name] for name in found.keys() - set(benchmarks)}, f"event {n_events} of {path.name}"
        )
        if len(found) > len(held):
            raise StepError(f"event {n_events} of {path.name} has other weights than the first event")
        own_weight = _number(own)
        for name in same:
            if not math.isclose(_number(found.get(name, own)), own_weight, rel_tol=_SAME):
                raise StepError(
                    f"event {n_events} of {path.name} has another weight at {name!r} than at {sampled!r}: its process "
                    "depends on the parameters, so the sample is not a background"
                )
        for name in benchmarks:
            value = _number(found[name])
            if not abs(value) < LARGEST:
                raise StepError(f"the weight of event {n_events} of {path.name} for {name!r} is {found[name][:40]}")
            of_benchmarks[name].add(own_weight, value)
        if not abs(own_weight) < LARGEST:
            raise StepError(f"the nominal weight of event {n_events} of {path.name} is {own[:40]}")
        nominal.add(body.split(maxsplit=2)[1], own_weight, tried)
    if head is None:
        advice = ": join it with another file of its sample, and add up their `nevents`" if filtered else ""
        raise StepError(f"{path.name} holds no events{advice}")
    if sampled in of_benchmarks:
        _check_sampled(sampled, of_benchmarks[sampled].total, nominal, path.name)
        _check_no_other(sampled, {name: own.apart for name, own in of_benchmarks.items()}, nominal.sizes, path.name)
    of_file = {name: own for name, own in of_benchmarks.items() if name not in ratios}
    warnings = [] if may_lack_events else _check_absolute(of_file, sampled, path.name)
    head, found_error = told_or_found(head, nominal, path.name)
    told = head
    if may_lack_events:
        processes = {"": head.cross_section_pb}  # the shower rejects more events of some than of others
        told = replace(head, n_generated=None, n_asked=None, integrated_pb=None, processes=processes)
    n_generated = number_generated(told, n_events, path.name, filtered=filtered)
    factor = normalisation(told, nominal, path.name, n_generated=n_generated, filtered=filtered)
    _check_told(head, {} if filtered else of_file, names, factor, path.name)
    return Content(
        head,
        n_events,
        n_generated,
        factor,
        found_error,
        {name: factor * own.total for name, own in of_benchmarks.items()},
        {name: factor**2 * own.squares for name, own in of_benchmarks.items()},
        nominal,
        np.array(digests, dtype=np.uint64),
        (least, most),
        tuple(warnings),
        tuple(held or ()),
    )


def _check_absolute(weights: Mapping[str, BenchmarkWeights], sampled: str, name: str) -> list[str]:
    others = {benchmark: own for benchmark, own in weights.items() if benchmark != sampled}
    return check_absolute(others, name, "write their products with these into the file")


def _check_told(
    head: Head, weights: Mapping[str, BenchmarkWeights], names: Mapping[str, str], factor: float, name: str
) -> None:
    """Compare weights with the cross sections that the head tells of them; 0 stands for one that is not known.

    :raises StepError: when they differ
    """
    found = {here: head.weights_pb.get(names.get(here, here), 0.0) for here in weights}
    told = {here: value for here, value in found.items() if value}
    n_events = max((own.n_events for own in weights.values()), default=0)
    n_told = head.n_generated if head.n_generated and is_of_several_runs(head, n_events) else n_events
    if told:
        check_told(told, weights, factor, name, allowed=allowed_part(head), n_told=n_told)


def _n_final(body: str) -> int:
    """The number of final particles of an event, from its lines."""
    return sum(int(line.split(maxsplit=2)[1]) == _FINAL for line in body.splitlines()[1:])


def _check_numbers(weights: Mapping[str, str], event: str) -> None:
    """:raises StepError: when a weight is not a number"""
    for name, value in weights.items():
        try:
            number(value)
        except ValueError as error:
            raise StepError(f"the weight of {event} for {shown(name)} is {shown(value, 40)}") from error


def _check_sampled(sampled: str, total: float, nominal: NominalWeights, name: str) -> None:
    """Sums, as a generator may round, or smear, the weights of single events.

    :raises StepError: when the weights at the sampled benchmark are not those with which the events were sampled
    """
    if abs(total - nominal.total) > DIFFERENCE * max(abs(nominal.total), math.sqrt(nominal.squares)):
        raise StepError(
            f"the weights at {sampled!r} in {name} add up to {total:.4g}, and the nominal weights to "
            f"{nominal.total:.4g}: the file was not sampled at {sampled!r}"
        )


def _check_no_other(sampled: str, apart: Mapping[str, float], sizes: float, name: str) -> None:
    """Benchmarks may have the same cross section, as those of either sign of a CP-odd coefficient.

    :param apart: Σ |w - w₀| of the weights at each benchmark and the nominal ones w₀
    :param sizes: Σ |w₀|
    :raises StepError: when the nominal weights are those at another benchmark
    """
    nearest = min(apart, key=lambda benchmark: apart[benchmark])
    allowed = min(DIFFERENCE * sizes, _MUCH_NEARER * apart[sampled])
    if apart[sampled] > DIFFERENCE * sizes and apart[nearest] <= allowed:
        raise StepError(
            f"the weights at {nearest!r} in {name} are the nominal weights: was it sampled at {nearest!r}, and not at "
            f"{sampled!r}?"
        )


def write(
    source: Path,
    out: Path,
    content: Content,
    sampled: str,
    benchmarks: Sequence[str],
    *,
    lost: Collection[int] = (),
    factors: Mapping[int, float] = _NO_FACTORS,
    forget: Path | None = None,
    renamed: Mapping[str, str] = _NO_NAMES,
    ratios: Ratios = _NO_RATIOS,
) -> None:
    """Write the normal form of a file that :func:`inspect` read.

    :param lost: the numbers of the events to leave out; the first event is 1
    :param factors: factors on all weights by the number of the event, 1 for others
    :param forget: a folder whose path is removed from the header
    :param renamed: ``names`` of :func:`inspect`, and likewise for ``ratios``
    """
    with gzipped.writing_text(out) as text:
        text.write(opening(content.head, content.n_events - len(lost), forget))
        names: list[str] = []  # the weights in the order of the first event
        for event, (_, body, own, others, _) in enumerate(_weighted(source, renamed, ratios), start=1):
            if event in lost:
                continue
            found = {sampled: own, **others}
            factor = content.factor * factors.get(event, 1.0)
            nominal = own if factor == 1.0 else f"{factor * _number(own):+.14e}"
            names = names or [*benchmarks, *(name for name in found if name not in benchmarks)]
            if factor != 1.0:
                found = {name: f"{factor * _number(value):+.14e}" for name, value in found.items()}
            lines = "".join(f"<wgt id={quoted(name)}> {found[name]} </wgt>\n" for name in names)
            text.write(f"<event>\n{_with_weight(body, nominal)}<rwgt>\n{lines}</rwgt>\n</event>\n")
        text.write("</LesHouchesEvents>\n")


class EventText(NamedTuple):
    """An event of a file."""

    before: str
    """The text before it; before the first event, the head of the file."""
    body: str
    """Its lines without comments."""
    own: str
    """Its nominal weight."""
    weights: dict[str, str]
    """Its weights by name."""
    trials: int | None
    """As in :class:`mmc.jobs.formats.les_houches_text.Block`."""


def events(path: Path, names: Mapping[str, str]) -> Iterator[EventText]:
    """The events of a file.

    :param names: the names of weights in the file by their names here, under which the file may have other weights
    :raises StepError: when the file is damaged, or written as neither MadGraph nor mmc does
    """
    ours = {there: here for here, there in names.items()}
    try:
        for event, block in enumerate(blocks(path), start=1):
            if _GROUP in block.before:
                raise StepError(
                    f"{path.name} has groups of correlated events (<eventgroup>), which mmc would take for independent "
                    "ones: write an event file without groups"
                )
            body, tag, rest = block.text.partition("<")
            try:
                lines = particle_lines(body)
                own = [(name, value) for name, value in weights(tag + rest) if name in ours or name not in names]
                found = _by_name([(ours.get(name, name), value) for name, value in own])
            except ValueError as error:
                raise StepError(
                    f"event {event} of {path.name} is damaged: {first_line(error)} (line {block.line})"
                ) from error
            text = "".join(f"{line}\n" for line in lines)
            yield EventText(block.before, text, lines[0].split()[2], found, block.trials)
    except UnusualFileError as error:
        raise StepError(f"mmc cannot read the event file {path.name}: {error}") from error


def _weighted(path: Path, names: Mapping[str, str], ratios: Ratios) -> Iterator[EventText]:
    """As :func:`events`, with computed weights in place of those of the file."""
    for number_of, event in enumerate(events(path, names)):
        computed = {name: f"{ratio[number_of] * _number(event.own):+.14e}" for name, ratio in ratios.items()}
        yield event._replace(weights={**event.weights, **computed})


def _by_name(found: Sequence[tuple[str, str]]) -> dict[str, str]:
    """:raises ValueError: when a name has two values"""
    by_name = dict(found)
    for name, value in found if len(by_name) < len(found) else ():
        if number(by_name[name]) != number(value):
            raise ValueError(f"it has two weights {shown(name)}, {value[:40]} and {by_name[name][:40]}")
    return by_name


def _with_weight(body: str, weight: str) -> str:
    first, newline, particles = body.partition("\n")
    words = first.split()
    return " ".join([*words[:2], weight, *words[3:]]) + newline + particles


def _number(text: str) -> float:
    try:
        return number(text)
    except ValueError:
        return math.nan


def _there(written: Collection[str]) -> str:
    """The weights that an event has, for messages."""
    return f"; it has those named {_listed(list(written))}" if written else "; it has none in <rwgt>"


def _listed(names: Sequence[str]) -> str:
    first = ", ".join(shown(name) for name in names[:3])
    return f"{first} and {len(names) - 3} more" if len(names) > 3 else first
