"""The head of a Les Houches event file: what it says about the weights, and its normal form."""

import logging
import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from html import unescape
from pathlib import Path
from xml.parsers import expat

from mmc.errors import StepError
from mmc.jobs.formats.declared_weights import as_xml, declarations, declared_groups
from mmc.jobs.formats.event_numbers import asked, whole
from mmc.jobs.formats.les_houches_text import first_group, number, number_or_none, part, without_comments

log = logging.getLogger(__name__)

LARGEST = 1e100
"""No cross section in pb is larger; squares of larger weights would overflow."""
UNITY = "unity"
"""The run card's word for weights of 1 and -1, which are not normalised to a cross section."""
_BIASED = "bias"
"""The run card's word for a mean that is the cross section, of events that are sampled with a bias."""
_NORMS = ("average", "sum", UNITY, _BIASED)
_AVERAGED = 4
"""The weighting strategy of the Les Houches accord (hep-ph/0109068), without its sign, by which the cross section is
the mean of the weights."""
_CARD, _CARD_END, _LITERAL = "<MGRunCard>", "</MGRunCard>", "<![CDATA["
_DECLARED = "<initrwgt"
_SETTINGS = ("nevents", "event_norm")
"""The entries of the run card that the normal form has of its own."""
_HEADER = re.compile(r"<header(?:\s[^<>]*)?>")
_INIT = re.compile(r"<init[\s>]")
_GENERATED = re.compile(r"Number of Events\s{0,20}:\s{0,20}(\d{1,15})")
_INTEGRATED = re.compile(r"Integrated weight \(pb\)\s{0,20}:\s{0,20}([-+.\deE]{1,40})", re.ASCII)
_XSEC_INFO = re.compile(r"<xsecinfo(\s[^<>]*)>(?:\s*</xsecinfo>)?")
_ATTRIBUTE = re.compile(r"""\s(\w+)\s*=\s*(?:'([^']*)'|"([^"]*)")""", re.ASCII)
_DECAYED = "<madspin"
"""MadSpin multiplies the cross section by branching ratios, in ``<init>`` alone."""
_AMPERSAND = re.compile(r"&(?!#?\w+;)")
_COMMENT = re.compile(r"[!#]")
_WORDS_OF_PROCESS = 4
_PART = re.compile(r"<!--|<([A-Za-z][\w.-]*)(?:\s[^<>]*)?>")
_MOST_LEVELS = 100
"""The deepest nesting in the head of a file."""
_MOST_OPEN = 100
"""Parts of a header beyond this number of parts without an end are left out."""


@dataclass(frozen=True)
class Head:
    """The head of an event file."""

    text: str
    """The whole text before the first event."""
    header: str
    """The text between the tags ``<header>`` and ``</header>``, with the declarations of weights."""
    init: str
    norm: str | None
    """``average`` or ``sum``, as the run card says: the cross section is the mean or the sum of the weights; or
    :data:`UNITY`."""
    n_generated: int | None
    """The number of events that the generator wrote, as far as the header says."""
    n_asked: int | None
    """The number of events in the run card, or in POWHEG's settings."""
    counted_in: str
    """What tells ``n_generated``."""
    integrated_pb: float | None
    """The cross section beside the number of events that the generator wrote."""
    told_in: str
    """The tag that tells them: MadGraph's, or that of WHIZARD and the Les Houches accord (arXiv:1405.1067)."""
    weights_pb: Mapping[str, float]
    """The cross sections of weights by their names, as ``<xsecinfo>`` tells them."""
    strategy: int
    """The weighting strategy, IDWTUP."""
    processes: Mapping[str, tuple[float, float]]
    """The cross section of each process in pb and its error, by number."""
    beams: tuple[float, ...]
    """The codes and the energies of the two beams, in GeV; empty where ``<init>`` has no such numbers."""

    @property
    def has_card(self) -> bool:
        return _CARD in self.header

    @property
    def is_mean(self) -> bool:
        """Whether the cross section is the mean of the weights by the weighting strategy."""
        return abs(self.strategy) == _AVERAGED

    @property
    def cross_section_pb(self) -> tuple[float, float]:
        """The sum over the processes, with its statistical error."""
        values = self.processes.values()
        return sum(value for value, _ in values), math.hypot(*(error for _, error in values))


def read_head(text: str, path: Path) -> Head:
    """The head of a file from the text before its first event.

    :raises StepError: when it does not say how events are weighted, has no cross section, sets an entry twice, or
        declares too many weights
    """
    try:
        header, init = _header(text), part(text, "init") if "</init>" in text else None
    except ValueError as problem:
        raise StepError(f"{path.name} {problem}") from problem
    if "<LesHouchesEvents" not in text or init is None:
        raise StepError(f"{path.name} is not an event file: it does not begin with <LesHouchesEvents> and <init>")
    settings = _settings(part(text, "MGRunCard") or "", path.name)
    norm = settings.get("event_norm")
    if norm is not None and norm not in _NORMS:
        raise StepError(
            f"the weights in {path.name} do not give a cross section: event_norm in its run card is {norm[:40]}, and "
            f"mmc knows {', '.join(_NORMS)}"
        )
    has_info = _GENERATED.search(text) is not None or _INTEGRATED.search(text) is not None
    try:
        counted, integrated = _of_info(text) if has_info else _of_xsec_info(init)
        n_asked, entry = asked(settings.get("nevents", ""), text, is_needed=counted is None)
    except ValueError as problem:
        raise StepError(f"{path.name} does not say how many events were generated: {problem}") from problem
    if not has_info and entry == "nevents" and n_asked is not None:
        counted = None  # WHIZARD writes no run card: somebody has corrected the number of a merged file
    words = init.split()
    try:
        processes = _processes(init)
    except ValueError as problem:
        raise StepError(f"{path.name} is damaged: its <init> has entries that are not numbers") from problem
    if not processes:
        raise StepError(f"{path.name} is damaged: its <init> has no row with the cross section of a process")
    head = Head(
        text,
        header,
        init.strip(),
        "average" if norm == _BIASED else norm,
        n_asked if counted is None else counted,
        n_asked,
        entry if counted is None else "MGGenerationInfo" if has_info else "neve",
        None if _DECAYED in header.lower() else integrated,
        "MGGenerationInfo" if has_info else "xsecinfo",
        {told["weightname"]: value for told, value in _xsec_infos(init) if "weightname" in told and value is not None},
        int(words[8]) if len(words) > 8 and words[8].lstrip("+-").isdecimal() and len(words[8]) < 4 else 0,
        processes,
        _beams(words),
    )
    value, error = head.cross_section_pb
    if not (0.0 < value < LARGEST or (value <= 0.0 and head.is_mean)):
        raise StepError(
            f"the cross section of {path.name} in its <init> is {value:g} pb: it must be that of the whole process, "
            "not of an interference alone, and positive"
        )
    if not error < LARGEST:
        raise StepError(f"the cross section of {path.name} has an error of {error:g} pb")
    return head


def _processes(init: str) -> dict[str, tuple[float, float]]:
    """The cross section and its error of each process, by the number of the process.

    :raises ValueError: when an entry is not a number
    """
    found: dict[str, tuple[float, float]] = {}
    for line in init.strip().splitlines()[1:]:
        if words := _words_of_process(line):
            value, error = found.get(words[3], (0.0, 0.0))
            found[words[3]] = value + number(words[0]), math.hypot(error, number(words[1]))
    return found


def _words_of_process(line: str) -> list[str]:
    """The words of a row of ``<init>`` below the first; none if it is not that of a process."""
    words = _COMMENT.split(line, maxsplit=1)[0].split()
    return words if len(words) == _WORDS_OF_PROCESS and not words[0].startswith("<") else []


def _beams(words: Sequence[str]) -> tuple[float, ...]:
    try:
        return tuple(map(number, words[:4]))
    except ValueError:
        return ()


def _header(text: str) -> str:
    """The text of the header, also where a tag of it is missing, and declarations of weights from outside of it."""
    opening, init = _HEADER.search(text), _INIT.search(text)
    header = bare = ""
    if opening is not None:
        end = text.find("</header>", opening.end())
        stop = init.start() if init is not None and init.start() > opening.end() else len(text)
        header = text[opening.end() : end if end >= 0 else stop]
        bare = without_comments(header)
        if bare.count(_CARD) < header.count(_CARD):
            header = bare  # a run card in a comment is none, and the normal form has its own entries in the first
    return f"{header}\n{_declarations(text)}\n" if _DECLARED not in bare and _DECLARED in text else header


def _declarations(text: str) -> str:
    """The declarations of weights as XML, from text that may not be.

    :raises ValueError: when there are too many
    """
    return as_xml(declared_groups(declarations(text)))


def _of_info(text: str) -> tuple[int | None, float | None]:
    """The number of events and the cross section in pb that ``<MGGenerationInfo>`` tells, also if its tags are damaged.

    :raises ValueError: when there are two numbers of events
    """
    if len(told := dict.fromkeys(_GENERATED.findall(text))) > 1:
        raise ValueError(f"its header has the numbers {' and '.join(told)} (<MGGenerationInfo>)")
    return whole(first_group(_GENERATED, text), "nevents"), number_or_none(first_group(_INTEGRATED, text))


def _of_xsec_info(init: str) -> tuple[int | None, float | None]:
    """The same of ``<xsecinfo>``, without what is told of other weights than the nominal one.

    :raises ValueError: when the number of events is not one
    """
    for told, value in _xsec_infos(init):
        if "weightname" not in told:
            return whole(told.get("neve", ""), "neve"), value if value is not None and value > 0.0 else None
    return None, None


def _xsec_infos(init: str) -> Iterator[tuple[Mapping[str, str], float | None]]:
    """The attributes of each ``<xsecinfo>``, and its cross section in pb."""
    for attributes in _XSEC_INFO.findall(init):
        told = {name: unescape(one or two) for name, one, two in _ATTRIBUTE.findall(attributes)}
        yield told, number_or_none(told.get("totxsec", ""))


def _settings(card: str, file: str) -> Mapping[str, str]:
    """The entries of a run card for :data:`_SETTINGS`.

    :raises StepError: when one has two values
    """
    found: dict[str, str] = {}
    for line in card.splitlines():
        value, name = line.partition("=")[0].strip(), _name(line)
        if name in _SETTINGS and not _COMMENT.search(value):
            value = value.strip("'\"").lower()
            if found.setdefault(name, value) != value:
                raise StepError(f"the run card in {file} sets {name} twice: {found[name][:40]} and {value[:40]}")
    return found


def _name(line: str) -> str:
    """The name in a line of a run card: of ``average`` in ``average = event_norm ! comment`` or ``# hidden_parameter``.

    Also in a line that is a comment, which MadMiner reads as well.
    """
    return _COMMENT.split(line.partition("=")[2], maxsplit=1)[0].strip().lower()


def with_processes(head: Head, found: Mapping[str, tuple[float, float]]) -> Head:
    """The head of a file with other cross sections in ``<init>``, and their errors, in the first row of each process.

    :param found: in pb, by the number of the process; 0 for others
    """
    left = dict(found)
    init = _rewritten(head.init, lambda words: (*left.pop(words[3], (0.0, 0.0)), number(words[2])))
    return replace(head, init=init, processes={name: found.get(name, (0.0, 0.0)) for name in head.processes})


def with_integrated(head: Head, value: float) -> Head:
    """The head of a file with another cross section in ``<MGGenerationInfo>``, in pb, if there is one."""
    header = _INTEGRATED.sub(f"Integrated weight (pb) : {value:.12e}", head.header)
    return replace(head, header=header, integrated_pb=None if head.integrated_pb is None else value)


def without_settings(head: Head, names: Collection[str]) -> Head:
    """The head of a file without some entries of its run card."""
    before, tag, rest = head.header.partition(_CARD)
    text, closing, after = rest.partition(_CARD_END)
    literal, kept = _without(text, names)
    return replace(head, header=f"{before}{tag}{literal}\n{kept}{closing}{after}") if closing else head


def _without(card: str, names: Collection[str]) -> tuple[str, str]:
    """The tag of literal text at the beginning of a run card, or an empty text, and the lines but those of entries."""
    literal = _LITERAL if card.lstrip().startswith(_LITERAL) else ""
    lines = card.lstrip().removeprefix(literal).splitlines(keepends=True)
    return literal, "".join(line for line in lines if _name(line) not in names)


def _rewritten(init: str, change: Callable[[Sequence[str]], Sequence[float]]) -> str:
    """``<init>`` with other cross sections, errors and largest weights in the rows of its processes."""
    rows = []
    for index, line in enumerate(init.splitlines()):
        words = _words_of_process(line) if index > 0 else []
        rows.append(" ".join([*(f"{value:.12e}" for value in change(words)), words[3]]) if words else line)
    return "\n".join(rows)


def opening(head: Head, n_events: int, forget: Path | None) -> str:
    """The head of the file in its normal form.

    :param forget: a folder whose path is removed from the header
    """
    card = f" {n_events} = nevents ! Number of unweighted events\n average = event_norm ! Their mean is in pb\n"
    before, tag, rest = head.header.partition(_CARD)
    text, closing, after = rest.partition(_CARD_END)
    if closing:
        literal, kept = _without(text, _SETTINGS)
        header = f"{before}{tag}{literal}\n{card}{kept}{closing}{after}"
    else:
        header = f"\n<MGRunCard>\n{card}</MGRunCard>{head.header}"
    header = _GENERATED.sub(lambda found: found[0].removesuffix(found[1]) + str(n_events), header)
    if forget is not None:
        header = header.replace(str(forget), ".")
    first, *more = _XSEC_INFO.sub("", head.init).splitlines()
    words = first.split()
    strategy = " ".join([*words[:8], "-4", *words[9:]])  # weights of any sign, in pb
    init = "\n".join([strategy, *more])
    return (
        f'<LesHouchesEvents version="3.0">\n<header>{_valid(header, card)}</header>\n'
        f"<init>\n{_escape_loose(init)}\n</init>\n"
    )


def _valid(header: str, card: str) -> str:
    """The header as valid XML for Pythia and MadMiner: parts that are not XML are left out, but for the weights and the
    run card, of which the needed lines stay.

    :raises StepError: when it declares too many weights
    """
    header = _escape_loose(header)
    if _flaw(header) is None:
        return header
    needed = {"MGRunCard": f"{_CARD}\n{card}{_CARD_END}", "initrwgt": ""}
    if _DECLARED in header:
        try:
            needed["initrwgt"] = _declarations(header)
        except ValueError as error:
            raise StepError(f"the event file {error}") from error
    kept: dict[str, list[str]] = {name: [] for name in needed}
    for name, text in _parts(header):
        flaw = "it has no end" if text is None else _flaw(text)
        if flaw is None and text is not None:
            kept.setdefault(name, []).append(text)
        else:
            log.warning("<%s> in the header of the event file is left out, as it is not valid XML: %s", name, flaw)
    parts = [part for name, found in kept.items() for part in found or [needed.get(name, "")]]
    return "\n".join(["", *filter(None, parts), ""])


def _parts(header: str) -> Iterator[tuple[str, str | None]]:
    """The names of the parts of a header and their texts; None without an end."""
    place, without_end = 0, set[str]()
    while len(without_end) < _MOST_OPEN and (found := _PART.search(header, place)) is not None:
        name = found[1]
        closing = "-->" if name is None else f"</{name}>"
        end = -1 if closing in without_end else header.find(closing, found.end())
        place = found.end() if end < 0 else end + len(closing)
        if name is not None and (end >= 0 or closing not in without_end):
            yield name, header[found.start() : place] if end >= 0 else None
        if end < 0:
            without_end.add(closing)


def _flaw(text: str) -> str | None:
    """Why a text is not XML, or is nested too deeply."""
    try:
        _check_xml(f"<header>{text}</header>")
    except expat.ExpatError as error:
        return str(error)
    return None


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
