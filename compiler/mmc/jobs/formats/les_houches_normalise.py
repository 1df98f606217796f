"""Bring an event file into the normal form, which all later steps read.

In the normal form every event carries a weight for every benchmark, the sampled one included, under the name of the
benchmark. The mean of the weights over the file is the cross section in pb, also when events were dropped. Nothing
depends on where or when the file was made. Weights of systematic uncertainties keep their names. Background events
carry one weight, at the sampled benchmark.
"""

import logging
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.parsers import expat

from mmc.errors import StepError
from mmc.jobs.formats import gzipped
from mmc.jobs.formats.les_houches import quoted
from mmc.jobs.formats.les_houches_text import UnusualFileError, between, blocks, number, particle_lines, weights
from mmc.jobs.formats.weight_groups import as_xml, declared_groups
from mmc.reading import first_line, shown

log = logging.getLogger(__name__)

_NORMS = ("average", "sum")
_CARD, _CARD_END, _LITERAL = "<MGRunCard>", "</MGRunCard>", "<![CDATA["
_SETTINGS = ("nevents", "event_norm")
"""The entries of the run card that the normal form has of its own."""
_GENERATED = re.compile(r"Number of Events\s{0,20}:\s{0,20}(\d{1,15})")
_AMPERSAND = re.compile(r"&(?!#?\w+;)")
_DIFFERENCE = 0.02
"""The largest relative difference between two cross sections of the same file, in addition to their errors."""
_SIGNIFICANT = 5.0
"""The largest difference between two cross sections, in standard errors."""
_UNIT_WEIGHTS, _AVERAGED = 3, 4
"""Weighting strategies of the Les Houches accord (hep-ph/0109068), without their sign: events have the weights 1 and -1
and the cross section is that of ``<init>``; the cross section is the mean of the weights."""
_MOST_LEVELS = 100
"""The deepest nesting in the head of a file."""
_LARGEST = 1e100
"""No cross section in pb is larger; squares of larger weights would overflow."""
_SAME = 1e-3
"""Largest relative difference between weights with the same squared matrix element (rounding of the reweighting)."""


@dataclass(frozen=True)
class Head:
    """The head of an event file."""

    header: str
    """The text between the tags ``<header>`` and ``</header>``."""
    init: str
    norm: str | None
    """``average`` or ``sum``, as the run card says: the cross section is the mean or the sum of the weights."""
    n_generated: int | None
    """The number of events that the generator wrote, as far as the header tells."""
    strategy: int
    """The weighting strategy, IDWTUP."""

    @property
    def cross_section_pb(self) -> tuple[float, float]:
        """The sum over the processes, with its statistical error."""
        rows = [line.split() for line in self.init.splitlines()[1:] if line and not line.startswith("<")]
        values = [(number(row[0]), number(row[1])) for row in rows if len(row) == 4]
        return sum(value for value, _ in values), math.hypot(*(error for _, error in values))


@dataclass(frozen=True)
class Content:
    """The content of an event file."""

    head: Head
    n_events: int
    factor: float
    """The factor on the weights that makes their mean the cross section in pb."""
    sums: dict[str, float]
    """The sums of the weights by name, in pb times events."""
    sums_of_squares: dict[str, float]

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
    names_in_file: Mapping[str, str] | None = None,
    filtered: bool = False,
    may_lack_events: bool = False,
) -> Content:
    """Read a file through.

    :param path: gzipped or not
    :param sampled: the sampled benchmark, whose weight is the nominal weight of an event
    :param benchmarks: the benchmarks whose weights all events must have; other weights are left out of the sums
    :param same: benchmarks at which every event must have its nominal weight
    :param advice: what to do about missing weights, as the end of a sentence
    :param names_in_file: benchmark → name of its weight in the file, where it is another name
    :param filtered: whether events were removed from the file after its generation
    :param may_lack_events: whether the generator may have written fewer events than the header asks for
    :raises StepError: when the file is damaged or has no events, an event lacks a weight or has one that is not a
        number, or the header, ``<init>`` and the events contradict each other
    """
    sums: dict[str, float] = dict.fromkeys(benchmarks, 0.0)
    squares: dict[str, float] = dict.fromkeys(benchmarks, 0.0)
    head, n_events, names = None, 0, None
    nominal, nominal_squares = 0.0, 0.0
    for before, _, own, written in _events(path, names_in_file):
        head = _head(before, path) if head is None else head
        n_events += 1
        found = {sampled: own, **written}
        if names is None:
            names = set(found)
        if lacking := [name for name in benchmarks if name not in found] or sorted(names - set(found)):
            other = len(lacking) == 1 and sampled in written  # MadGraph's files lack that one
            hint = f": was it sampled at {lacking[0]!r}, and not at {sampled!r}?" if other else advice
            wanted = [(names_in_file or {}).get(name, name) for name in lacking]
            raise StepError(f"event {n_events} of {path.name} has no weight for {_listed(wanted)}{hint}")
        for name in found.keys() - set(benchmarks):
            try:
                number(found[name])
            except ValueError as error:
                what = f"the weight of event {n_events} of {path.name} for {shown(name)}"
                raise StepError(f"{what} is {shown(found[name], 40)}") from error
        if len(found) > len(names):
            raise StepError(f"event {n_events} of {path.name} has other weights than the first event")
        for name in same:
            if not math.isclose(_number(found.get(name, own)), _number(own), rel_tol=_SAME):
                raise StepError(
                    f"event {n_events} of {path.name} has another weight at {name!r} than at {sampled!r}: its process "
                    "depends on the parameters, so the sample is not a background"
                )
        for name in benchmarks:
            value = _number(found[name])
            if not abs(value) < _LARGEST:
                raise StepError(f"the weight of event {n_events} of {path.name} for {name!r} is {found[name][:40]}")
            sums[name] += value
            squares[name] += value**2
        if not abs(_number(own)) < _LARGEST:
            raise StepError(f"the nominal weight of event {n_events} of {path.name} is {own[:40]}")
        nominal, nominal_squares = nominal + _number(own), nominal_squares + _number(own) ** 2
    if head is None:
        raise StepError(f"{path.name} holds no events")
    told = None if may_lack_events else head.n_generated
    factor = _factor(replace(head, n_generated=told), n_events, nominal, nominal_squares, path.name, filtered=filtered)
    return Content(
        head,
        n_events,
        factor,
        {name: factor * total for name, total in sums.items()},
        {name: factor**2 * total for name, total in squares.items()},
    )


def _factor(head: Head, n_events: int, total: float, squares: float, name: str, *, filtered: bool) -> float:
    """The factor on the weights that makes their mean the cross section in pb.

    :param total: the sum of the nominal weights, and the sum of their squares
    :raises StepError: when the number of events or their weights contradict the header or ``<init>``
    """
    mean, (written, error) = total / n_events, head.cross_section_pb
    spread = math.sqrt(max(squares / n_events - mean**2, 0.0) / n_events)
    generated = head.n_generated or n_events
    if filtered:
        if head.n_generated is None or generated < n_events:
            raise StepError(f"the header of {name} does not say how many events there were before some were removed")
        return float(n_events) if head.norm == "sum" else n_events / generated
    if generated != n_events:
        raise StepError(
            f"the header of {name} says that {generated:,} events were generated, and the file holds {n_events:,}: if "
            "events were cut or filtered, write `filtered: true` beside the file; if files were merged, name each"
        )
    candidates = {"average": 1.0, "sum": float(n_events)}
    if head.norm is not None:
        candidates = {head.norm: candidates[head.norm]}
    elif abs(head.strategy) == _AVERAGED:
        candidates = {"average": 1.0}
    allowed = _DIFFERENCE * written + _SIGNIFICANT * error
    for factor in candidates.values():
        if abs(factor * mean - written) <= allowed + _SIGNIFICANT * factor * spread:
            return factor
    if head.norm is None and abs(head.strategy) == _UNIT_WEIGHTS and math.isclose(squares, n_events, rel_tol=1e-6):
        return written / mean
    told = " or ".join(f"{factor * mean:.4g} pb (their {norm})" for norm, factor in candidates.items())
    raise StepError(
        f"the weights in {name} give a cross section of {told.replace('their average', 'their mean')}, and its <init> "
        f"says {written:.4g} pb: was the file cut, merged, scaled or filtered? For events that were removed, write "
        "`filtered: true` beside the file"
    )


def write(
    source: Path,
    out: Path,
    content: Content,
    sampled: str,
    benchmarks: Sequence[str],
    *,
    names_in_file: Mapping[str, str] | None = None,
    lost: Collection[int] = (),
    forget: Path | None = None,
) -> None:
    """Write the normal form of a file that :func:`inspect` read; ``names_in_file`` as there.

    :param lost: the numbers of the events to leave out; the first event is 1
    :param forget: a folder whose path is removed from the header
    """
    with gzipped.writing_text(out) as text:
        text.write(_opening(content.head, content.n_events - len(lost), forget))
        names: list[str] = []  # the weights in the order of the first event
        for event, (_, body, own, others) in enumerate(_events(source, names_in_file), start=1):
            if event in lost:
                continue
            found = {sampled: own, **others}
            nominal = own if content.factor == 1.0 else f"{content.factor * _number(own):+.14e}"
            names = names or [*benchmarks, *(name for name in found if name not in benchmarks)]
            if content.factor != 1.0:
                found = {name: f"{content.factor * _number(value):+.14e}" for name, value in found.items()}
            lines = "".join(f"<wgt id={quoted(name)}> {found[name]} </wgt>\n" for name in names)
            text.write(f"<event>\n{_with_weight(body, nominal)}<rwgt>\n{lines}</rwgt>\n</event>\n")
        text.write("</LesHouchesEvents>\n")


def _events(
    path: Path, names_in_file: Mapping[str, str] | None = None
) -> Iterator[tuple[str, str, str, dict[str, str]]]:
    """For each event: the text before it, its lines without comments, its nominal weight, its weights by name.

    :param names_in_file: benchmark → name of its weight in the file, where it is another name
    :raises StepError: when the file is damaged, or written as neither MadGraph nor mmc does
    """
    try:
        for event, block in enumerate(blocks(path), start=1):
            body, tag, rest = block.text.partition("<")
            try:
                lines = particle_lines(body)
                found = _renamed(dict(weights(tag + rest)), names_in_file or {})
            except ValueError as error:
                raise StepError(
                    f"event {event} of {path.name} is damaged: {first_line(error)} (line {block.line})"
                ) from error
            yield block.before, "".join(f"{line}\n" for line in lines), lines[0].split()[2], found
    except (UnicodeDecodeError, UnusualFileError) as error:
        raise StepError(f"mmc cannot read the event file {path.name}: {error}") from error


def _renamed(found: dict[str, str], names_in_file: Mapping[str, str]) -> dict[str, str]:
    """The weights with the names of the benchmarks."""
    mapped = {benchmark: found[name] for benchmark, name in names_in_file.items() if name in found}
    others = {*names_in_file, *names_in_file.values()}
    return {name: value for name, value in found.items() if name not in others} | mapped


def _with_weight(body: str, weight: str) -> str:
    first, newline, particles = body.partition("\n")
    words = first.split()
    return " ".join([*words[:2], weight, *words[3:]]) + newline + particles


def _number(text: str) -> float:
    try:
        return number(text)
    except ValueError:
        return math.nan


def _head(text: str, path: Path) -> Head:
    """:raises StepError: when the head of the file does not say how events are weighted, or has no cross section"""
    header, init = between(text, "<header>", "</header>") or "", between(text, "<init>", "</init>")
    if "<LesHouchesEvents" not in text or init is None:
        raise StepError(f"{path.name} is not an event file: it does not begin with <LesHouchesEvents> and <init>")
    card = between(header, _CARD, _CARD_END) or ""
    settings = dict(filter(None, map(_setting, card.splitlines())))
    norm = settings.get("event_norm")
    if norm is not None and norm not in _NORMS:
        raise StepError(
            f"the weights in {path.name} do not give a cross section: event_norm is {norm[:40]}, not average or sum"
        )
    counted = _GENERATED.search(between(header, "<MGGenerationInfo>", "</MGGenerationInfo>") or "")
    n_generated = counted[1] if counted else settings.get("nevents", "")
    words = init.split()
    head = Head(
        header,
        init.strip(),
        norm,
        int(n_generated) if n_generated.isascii() and n_generated.isdecimal() and len(n_generated) < 16 else None,
        int(words[8]) if len(words) > 8 and words[8].lstrip("+-").isdecimal() and len(words[8]) < 4 else 0,
    )
    try:
        value, error = head.cross_section_pb
    except ValueError as problem:
        raise StepError(f"{path.name} is damaged: its <init> has entries that are not numbers") from problem
    if not 0.0 < value < _LARGEST:
        raise StepError(f"the cross section of {path.name} is {value:g} pb")
    if not error < _LARGEST:
        raise StepError(f"the cross section of {path.name} has an error of {error:g} pb")
    return head


def _setting(line: str) -> tuple[str, str] | None:
    """Name and value of a line of a run card, as ``average = event_norm ! comment``, for :data:`_SETTINGS`."""
    value, _, rest = line.partition("=")
    return (rest.partition("!")[0].strip(), value.strip()) if _ours(line) and not set(value) & set("#!") else None


def _ours(line: str) -> bool:
    """Whether a line of a run card names one of :data:`_SETTINGS`, also in a comment, which MadMiner reads as well."""
    return line.partition("=")[2].partition("!")[0].strip() in _SETTINGS


def _opening(head: Head, n_events: int, forget: Path | None) -> str:
    """The head of the file in its normal form."""
    card = f" {n_events} = nevents ! Number of unweighted events\n average = event_norm ! Their mean is in pb\n"
    before, opening, rest = head.header.partition(_CARD)
    text, closing, after = rest.partition(_CARD_END)
    if closing:
        literal = _LITERAL if text.lstrip().startswith(_LITERAL) else ""
        kept = [line for line in text.lstrip().removeprefix(literal).splitlines(keepends=True) if not _ours(line)]
        header = f"{before}{opening}{literal}\n{card}{''.join(kept)}{closing}{after}"
    else:
        header = f"\n<MGRunCard>\n{card}</MGRunCard>{head.header}"
    if forget is not None:
        header = header.replace(str(forget), ".")
    first, *more = head.init.splitlines()
    words = first.split()
    strategy = " ".join([*words[:8], "-4", *words[9:]])  # weights of any sign, in pb
    init = "\n".join([strategy, *more])
    return (
        f'<LesHouchesEvents version="3.0">\n<header>{_valid(header, card)}</header>\n'
        f"<init>\n{_escape_loose(init)}\n</init>\n"
    )


def _valid(header: str, card: str) -> str:
    """The header as valid XML for Pythia and MadMiner; a header that is not XML is cut down to the parts they need."""
    header = _escape_loose(header)
    try:
        _check_xml(f"<header>{header}</header>")
    except expat.ExpatError as error:
        log.warning("the header of the event file is cut down to its declarations, as it is not valid XML: %s", error)
        kept = as_xml(declared_groups(between(header, "<initrwgt>", "</initrwgt>") or ""))
        return f"\n<MGRunCard>\n{card}</MGRunCard>\n{kept}\n"
    return header


def _check_xml(text: str) -> None:
    """:raises expat.ExpatError: unless a text is XML that is not nested too deeply"""
    parser, level = expat.ParserCreate(), 0

    def begin(_tag: str, _attributes: object) -> None:
        nonlocal level
        level += 1
        if level > _MOST_LEVELS:
            raise expat.ExpatError(f"it is nested more than {_MOST_LEVELS} deep")

    def end(_tag: str) -> None:
        nonlocal level
        level -= 1

    parser.StartElementHandler, parser.EndElementHandler = begin, end
    parser.Parse(text, True)


def _escape_loose(text: str) -> str:
    """Escape bare ampersands in XML text; descriptions of PDF sets have them."""
    return _AMPERSAND.sub("&amp;", text)


def _listed(names: Sequence[str]) -> str:
    first = ", ".join(shown(name) for name in names[:3])
    return f"{first} and {len(names) - 3} more" if len(names) > 3 else first
