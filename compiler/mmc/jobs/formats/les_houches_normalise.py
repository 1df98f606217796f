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
from mmc.jobs.formats.les_houches import quoted
from mmc.jobs.formats.les_houches_head import LARGEST, Head, opening, read_head, with_cross_section
from mmc.jobs.formats.les_houches_text import UnusualFileError, blocks, number, particle_lines, weights
from mmc.reading import first_line, shown

Ratios = Mapping[str, NDArray[np.float64]]
"""Weights relative to the nominal weight by benchmark, (events,) each."""

_NO_FACTORS: Mapping[int, float] = MappingProxyType({})
_NO_NAMES: Mapping[str, str] = MappingProxyType({})
_NO_RATIOS: Ratios = MappingProxyType({})
_DIFFERENCE = 0.02
"""The largest relative difference between two cross sections of the same file, in addition to their errors."""
_SIGNIFICANT = 5.0
"""The largest difference between two cross sections, in standard errors."""
_UNIT_WEIGHTS = 3
"""The weighting strategy of the Les Houches accord (hep-ph/0109068), without its sign, by which events have the weights
1 and -1, and the cross section is that of ``<init>``."""
_PLACEHOLDER = (1.0, 1.0)
"""The cross section of Sherpa's ``<init>`` and its error: Sherpa writes the head before it knows them."""
_MOST_LACKING = 0.05
"""The largest fraction of events that a generator does not make."""
_SAME = 1e-3
"""Largest relative difference between weights with the same squared matrix element (rounding of the reweighting)."""


@dataclass(frozen=True)
class Content:
    """The content of an event file."""

    head: Head
    n_events: int
    n_generated: int
    """The number of events before any were removed."""
    factor: float
    """The factor on the weights that makes their mean the cross section in pb."""
    is_told: bool
    """Whether ``<init>`` tells the cross section. Otherwise it is that of the weights, in ``head`` too."""
    sums: dict[str, float]
    """The sums of the weights by name, in pb times events."""
    sums_of_squares: dict[str, float]
    digests: event_sketch.Digests

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
    :param may_lack_events: whether the generator may have written fewer events than the header asks for
    :param names: the names of benchmarks' weights in the file, where they differ
    :param ratios: weights of benchmarks relative to the nominal weight, which replace those of the file
    :raises StepError: when the file is damaged or has no events, an event lacks a weight or has one that is not a
        number, or the header, ``<init>`` and the events contradict each other
    """
    sums: dict[str, float] = dict.fromkeys(benchmarks, 0.0)
    squares: dict[str, float] = dict.fromkeys(benchmarks, 0.0)
    head, n_events, held = None, 0, None
    nominal, nominal_squares, of_each = 0.0, 0.0, list[int | None]()
    digests = array("Q")
    for before, body, own, written, tried in _weighted(path, names, ratios):
        head = read_head(before, path) if head is None else head
        n_events += 1
        of_each.append(tried)
        digests.append(event_sketch.of_particles(body))
        found = {sampled: own, **written}
        if held is None:
            held = set(found)
        if lacking := [name for name in benchmarks if name not in found] or sorted(held - set(found)):
            other = len(lacking) == 1 and sampled in written  # MadGraph's files lack that one
            hint = f": was it sampled at {lacking[0]!r}, and not at {sampled!r}?" if other else advice
            raise StepError(f"event {n_events} of {path.name} has no weight for {_listed(lacking)}{hint}")
        _check_numbers(
            {name: found[name] for name in found.keys() - set(benchmarks)}, f"event {n_events} of {path.name}"
        )
        if len(found) > len(held):
            raise StepError(f"event {n_events} of {path.name} has other weights than the first event")
        for name in same:
            if not math.isclose(_number(found.get(name, own)), _number(own), rel_tol=_SAME):
                raise StepError(
                    f"event {n_events} of {path.name} has another weight at {name!r} than at {sampled!r}: its process "
                    "depends on the parameters, so the sample is not a background"
                )
        for name in benchmarks:
            value = _number(found[name])
            if not abs(value) < LARGEST:
                raise StepError(f"the weight of event {n_events} of {path.name} for {name!r} is {found[name][:40]}")
            sums[name] += value
            squares[name] += value**2
        if not abs(_number(own)) < LARGEST:
            raise StepError(f"the nominal weight of event {n_events} of {path.name} is {own[:40]}")
        nominal, nominal_squares = nominal + _number(own), nominal_squares + _number(own) ** 2
    if head is None:
        raise StepError(f"{path.name} holds no events")
    trials = _trials(of_each, path.name)
    if sampled in sums:
        _check_sampled(sampled, sums[sampled], nominal, nominal_squares, path.name)
    is_told = head.cross_section_pb[0] > 0.0 and not (trials and head.cross_section_pb == _PLACEHOLDER)
    if not is_told:
        head = with_cross_section(head, *_of_weights(nominal, nominal_squares, n_events, trials, path.name))
    told = replace(head, n_generated=None, n_asked=None, integrated_pb=None) if may_lack_events else head
    n_generated = _n_generated(told, n_events, path.name, filtered=filtered)
    factor = _factor(
        told, n_events, nominal, nominal_squares, path.name, n_generated=n_generated, filtered=filtered, trials=trials
    )
    return Content(
        head,
        n_events,
        n_generated,
        factor,
        is_told,
        {name: factor * total for name, total in sums.items()},
        {name: factor**2 * total for name, total in squares.items()},
        np.array(digests, dtype=np.uint64),
    )


def _trials(of_each: Sequence[int | None], name: str) -> int:
    """The number of points that were tried for all events; 0 if no event tells it.

    :raises StepError: when only some events tell it
    """
    if (n_untold := of_each.count(None)) not in (0, len(of_each)):
        raise StepError(
            f"{n_untold:,} of {len(of_each):,} events of {name} do not tell their trials, and others do: were files "
            "of different programs merged?"
        )
    return sum(tried or 0 for tried in of_each)


def _of_weights(total: float, squares: float, n_events: int, trials: int, name: str) -> tuple[float, float]:
    """The cross section in pb and its error from the nominal weights: their sum over the number of points that were
    tried, if events tell it, else their mean.

    :param total: the sum of the nominal weights, and the sum of their squares
    :raises StepError: when it is not positive
    """
    n = trials or n_events
    if not total > 0.0:
        raise StepError(f"<init> of {name} does not tell the cross section, and the weights give {total / n:.4g} pb")
    return total / n, math.sqrt(max(squares - total**2 / n, 0.0)) / n


def _n_generated(head: Head, n_events: int, name: str, *, filtered: bool) -> int:
    """The number of events before any were removed.

    :raises StepError: when the header does not tell it, or events are missing unsaid
    """
    generated = n_events if head.n_generated is None else head.n_generated
    asked = generated if head.n_asked is None else head.n_asked
    if filtered:
        # a filter may have changed one of the two numbers
        generated = generated if _nearly_all(generated, asked) else max(generated, asked)
        if head.n_generated is None or generated < n_events:
            raise StepError(f"the header of {name} does not say how many events there were before some were removed")
        return generated
    if generated != n_events:
        raise StepError(
            f"the header of {name} says that {generated:,} events were generated, and the file holds {n_events:,}: if "
            "events were cut or filtered, write `filtered: true` beside the file; if files were merged, name each"
        )
    if not _nearly_all(generated, asked):
        raise StepError(
            f"the header of {name} contradicts itself: {asked:,} events were asked for (nevents), and {generated:,} "
            "generated (<MGGenerationInfo>): were files merged or events removed?"
        )
    return generated


def _factor(
    head: Head, n_events: int, total: float, squares: float, name: str, *, n_generated: int, filtered: bool, trials: int
) -> float:
    """The factor on the weights that makes their mean the cross section in pb.

    :param total: the sum of the nominal weights, and the sum of their squares
    :param trials: the number of points that were tried for the events; 0 if the file does not tell it
    :raises StepError: when the weights contradict the header or ``<init>``
    """
    mean, (written, error) = total / n_events, head.cross_section_pb
    spread = math.sqrt(max(squares / n_events - mean**2, 0.0) / n_events)
    if (
        head.integrated_pb is not None
        and abs(head.integrated_pb - written) > _DIFFERENCE * written + _SIGNIFICANT * error
    ):
        raise StepError(
            f"the header of {name} contradicts itself: the cross section is {head.integrated_pb:.4g} pb in "
            f"<MGGenerationInfo>, and {written:.4g} pb in <init>"
        )
    if filtered:
        return float(n_events) if head.norm == "sum" else n_events / n_generated
    unit = not trials and abs(head.strategy) == _UNIT_WEIGHTS and math.isclose(squares, n_events, rel_tol=1e-6)
    if head.norm is None and unit and mean > 0.0:
        return written / mean
    candidates = {"average": 1.0, "sum": float(n_events)}
    if head.norm is not None:
        candidates = {head.norm: candidates[head.norm]}
    elif trials:
        candidates = {"sum over the trials": n_events / trials}
    elif head.is_mean:
        candidates = {"average": 1.0}
    allowed = _DIFFERENCE * written + _SIGNIFICANT * error
    for factor in candidates.values():
        if abs(factor * mean - written) <= allowed + _SIGNIFICANT * factor * spread:
            return factor
    told = " or ".join(f"{factor * mean:.4g} pb (their {norm})" for norm, factor in candidates.items())
    raise StepError(
        f"the weights in {name} give a cross section of {told.replace('their average', 'their mean')}, and its <init> "
        f"says {written:.4g} pb: was the file cut, merged, scaled or filtered? For events that were removed, write "
        "`filtered: true` beside the file"
    )


def _check_numbers(weights: Mapping[str, str], event: str) -> None:
    """:raises StepError: when a weight is not a number"""
    for name, value in weights.items():
        try:
            number(value)
        except ValueError as error:
            raise StepError(f"the weight of {event} for {shown(name)} is {shown(value, 40)}") from error


def _check_sampled(sampled: str, total: float, nominal: float, squares: float, name: str) -> None:
    """:raises StepError: when the weights at the sampled benchmark are not the nominal weights"""
    if abs(total - nominal) > _DIFFERENCE * max(abs(nominal), math.sqrt(squares)):
        raise StepError(
            f"the weights at {sampled!r} in {name} add up to {total:.4g}, and the nominal weights to {nominal:.4g}: "
            f"the file was not sampled at {sampled!r}"
        )


def _nearly_all(generated: int, asked: int) -> bool:
    """Whether a generator may make so many events; MadGraph sometimes finds a few less than it is asked for."""
    return (1.0 - _MOST_LACKING) * asked <= generated <= asked


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


def _listed(names: Sequence[str]) -> str:
    first = ", ".join(shown(name) for name in names[:3])
    return f"{first} and {len(names) - 3} more" if len(names) > 3 else first
