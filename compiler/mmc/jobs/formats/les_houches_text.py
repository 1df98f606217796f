"""The text of Les Houches event files: the head, and the events one by one, within bounds and in linear time."""

import math
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import NamedTuple

from mmc.compiler.inputs.event_weights import BLOCK, WEIGHT
from mmc.errors import StepError
from mmc.jobs.formats.gzipped import reading_text

MOST_HEAD, MOST_EVENT = 1 << 24, 1 << 22
"""The largest number of characters before the first event, and in an event."""
COLUMNS = 13
"""The number of entries of a particle."""
MOST_PARTICLES = 10_000
MOST_WEIGHTS = 10_000

LARGEST_CODE = 2**31
"""Codes of particles and the other whole numbers of a particle are smaller."""
_OWN_COLUMNS = 6
_WHOLE_COLUMNS = 6
"""The first entries of a particle are whole numbers: code, status, mothers, colours."""
_CHUNK = 1 << 20
_EVENT = re.compile(r"<event(\s[^<>]*)?>")
_INIT = re.compile(r"<init[\s>]")
_TAG_IN_FRONT = re.compile(r"^[ \t]*</?[A-Za-z]", re.MULTILINE)
_TRIALS = re.compile(r"""\strials=(?:'(\d{1,15})'|"(\d{1,15})")""", re.ASCII)
_WEIGHT = re.compile(WEIGHT + r"[^<>]*>\s*([^<\s]+)\s*</wgt>")
"""A weight: its name and its value."""


class UnusualFileError(Exception):
    """A file that may be valid, but needs an XML parser."""


class Block(NamedTuple):
    """An event."""

    before: str
    """The text before it; before the first event, the head of the file."""
    text: str
    """The text between its tags."""
    line: int
    """The line of the file in which it begins, from 1."""
    trials: int | None
    """The number of points that the generator tried since the event before, as Sherpa writes it; None without it."""


def blocks(path: Path) -> Iterator[Block]:
    """The events of a file, without comments in them.

    :param path: a file, packed or not
    :raises StepError: when the file is empty or several files in one, the end of the last event or of the file is
        missing, or a part is too large
    :raises UnusualFileError: when events are within each other or within comments
    """
    rest, line, is_first = "", 1, True
    with reading_text(path) as file:
        while chunk := file.read(_CHUNK):
            *whole, rest = (rest + chunk).split("</event>")
            for text in whole:
                before, *events = _EVENT.split(text)  # then the attributes and the text of each
                start = line + before.count("\n")
                if len(events) != len(("attributes", "text")):
                    what = "an event has no beginning" if not events else "an event is within an event"
                    raise UnusualFileError(f"{what} (line {start})")
                attributes, inside = events
                if before.rfind("<!--") > before.rfind("-->"):
                    raise UnusualFileError(f"an event is within a comment (line {start})")
                if len(before) > MOST_HEAD or len(inside) > MOST_EVENT:
                    raise StepError(f"{path.name} is damaged: the text up to line {start} or its event is too long")
                if not is_first and _INIT.search(before):
                    raise StepError(
                        f"{path.name} has a second <init> (line {start}): it is several files, one after the other, "
                        "and each has its own cross section; name each file by itself"
                    )
                is_first = False
                found = _TRIALS.search(attributes or "")
                trials = int(found[1] or found[2]) if found else None
                yield Block(before, _without_comments(inside, start), start, trials)
                line += text.count("\n")
            if len(rest) > MOST_HEAD + MOST_EVENT:
                raise StepError(f"{path.name} is damaged: from line {line} on there is no whole event")
    if line == 1 and not rest.strip():
        raise StepError(f"{path.name} is empty")
    if _EVENT.search(rest) or "</LesHouchesEvents>" not in rest:
        raise StepError(
            f"{path.name} is damaged: it ends within an event or without </LesHouchesEvents>, after line {line}"
        )


def _without_comments(text: str, line: int) -> str:
    """:raises UnusualFileError: when a comment has no end"""
    first, *more = text.split("<!--")
    parts = [first]
    for part in more:
        _, end, after = part.partition("-->")
        if not end:
            raise UnusualFileError(f"a comment in an event has no end (line {line})")
        parts.append(after)
    return "".join(parts)


def head(path: Path) -> str:
    """The text before the first event.

    :raises StepError: when it is too long
    """
    text = ""
    with reading_text(path) as file:
        while len(text) <= MOST_HEAD and (chunk := file.read(_CHUNK)):
            text += chunk
            if found := _EVENT.search(text):
                return text[: found.start()]
    if len(text) > MOST_HEAD:
        raise StepError(f"{path.name} is damaged: there is no event in its first {MOST_HEAD:,} characters")
    return text


def part(text: str, name: str) -> str | None:
    """The text of a part of the head, also if its tags have attributes or other capitals; None without its beginning.
    Without its end, it ends before the next tag at the beginning of a line. Comments do not count.

    >>> part("<slha name='x'>1</SLHA>", "slha"), part("<slha>1", "slha"), part("1</slha>", "slha")
    ('1', '1', None)
    """
    text = without_comments(text)
    opening = re.search(rf"<{name}(?:\s[^<>]*)?>", text, re.IGNORECASE)
    if opening is None:
        return None
    end = re.compile(rf"</{name}\s*>", re.IGNORECASE).search(text, opening.end())
    end = end or _TAG_IN_FRONT.search(text, opening.end())
    return text[opening.end() : end.start() if end else len(text)]


def without_comments(text: str) -> str:
    """The head of a file without its comments. An event after a comment without an end is refused elsewhere.

    >>> without_comments("a<!-- b -->c"), without_comments("a<!-- b")
    ('ac', 'a<!-- b')
    """
    parts, place = list[str](), 0
    while (start := text.find("<!--", place)) >= 0 and (end := text.find("-->", start + len("<!--"))) >= 0:
        parts.append(text[place:start])
        place = end + len("-->")
    return "".join([*parts, text[place:]])


def between(text: str, opening: str, closing: str) -> str | None:
    """The text between a tag and the next closing tag; None if one of them is missing.

    >>> between("<a>1</a>", "<a>", "</a>")
    '1'
    """
    _, _, after = text.partition(opening)
    inside, found, _ = after.partition(closing)
    return inside if found else None


def particle_lines(body: str) -> list[str]:
    """The lines of an event without comments: its own, then one per particle.

    :raises ValueError: when there are not as many as the first line declares, or an entry is not a finite number
    """
    stripped = (line.partition("#")[0].rstrip() for line in body.splitlines())
    own, *lines = [line for line in stripped if line] or [""]
    words = own.split()
    if len(words) != _OWN_COLUMNS or n_particles(words[0]) != len(lines):
        raise ValueError("its first line does not fit what follows")
    if not body.isascii() or "_" in own or any("_" in line for line in lines):
        raise ValueError("it has characters that are not those of numbers")
    entries = [*map(float, words[3:])]
    for line in lines:
        words = line.split()
        if len(words) != COLUMNS:
            raise ValueError(f"a particle has {len(words)} entries instead of {COLUMNS}")
        if max(map(abs, map(int, words[:_WHOLE_COLUMNS]))) >= LARGEST_CODE:
            raise ValueError("an entry is too large")
        entries += map(float, words[_WHOLE_COLUMNS:])
    if not all(map(math.isfinite, entries)):
        raise ValueError("an entry is too large or not a number")
    return [own, *lines]


def weights(text: str) -> list[tuple[str, str]]:
    """The weights of an event, each with its name, as text.

    :param text: the event after the lines of its particles
    :raises ValueError: when there are more than :data:`MOST_WEIGHTS`
    """
    opening = BLOCK.search(text)
    after = text[opening.end() :] if opening else ""
    inside, closing, _ = after.rpartition("</rwgt>")  # programs that add weights may open a block of their own
    found = _WEIGHT.findall(inside if closing else after)
    if len(found) > MOST_WEIGHTS:
        raise ValueError(f"it has more than {MOST_WEIGHTS:,} weights")
    return [(unescape(one or two), value) for one, two, value in found]


def number(text: str) -> float:
    """A number of a file; Python itself also reads ``1_0`` and other scripts' digits.

    :raises ValueError: when it is not a number

    >>> number("-1.5e3")
    -1500.0
    """
    if not text.isascii() or "_" in text:
        raise ValueError(f"could not convert string to float: {text[:40]!r}")
    return float(text)


def number_or_none(text: str) -> float | None:
    """As :func:`number`; None for what is not a number."""
    try:
        return number(text)
    except ValueError:
        return None


def first_group(pattern: re.Pattern[str], text: str) -> str:
    """The text of the first group of a pattern; empty where the pattern is not found."""
    found = pattern.search(text)
    return "" if found is None else found[1]


def n_particles(text: str) -> int:
    """The number of particles that an event declares.

    :raises ValueError: when it is not a number from 0 to :data:`MOST_PARTICLES`
    """
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text) <= MOST_PARTICLES):
        raise ValueError(f"it has {text[:40]!r} particles; mmc reads up to {MOST_PARTICLES:,}")
    return int(text)
