"""The numbers of events that the head of a Les Houches event file tells, in the words of several programs."""

import re

from mmc.jobs.formats.les_houches_text import first_group, number_or_none

OF_PARTS = ("numevts", "neve")
"""Entries of POWHEG and WHIZARD: after runs were merged, those of the first run alone."""

_WRITTEN = {"nevents": "10000 = nevents", "numevts": "numevts 10000", "neve": "neve='10000'"}
"""How files have the entries."""
_POWHEG = re.compile(r"^[ \t]*numevts[ \t]+(\d[\d.dDeE+]{0,20})(?=[\s!#])", re.MULTILINE | re.ASCII | re.IGNORECASE)
"""The number of events in POWHEG's settings, which are in a comment before the header."""
_MOST_EVENTS = 1e15
_THOUSANDS = {"k": 1e3, "m": 1e6}


def asked(nevents: str, head: str, *, is_needed: bool) -> tuple[int | None, str]:
    """The number of events that a generator was asked for, and the entry that tells it.

    :param nevents: the entry of the run card; empty without it
    :param head: the text before the first event
    :param is_needed: whether nothing else tells the number
    :raises ValueError: when it is needed and not a number
    """
    entry, text = ("nevents", nevents) if nevents else ("numevts", first_group(_POWHEG, head))
    try:
        return whole(text, entry), entry
    except ValueError:
        if is_needed:
            raise
        return None, entry


def whole(text: str, entry: str) -> int | None:
    """A number of events, also as ``1e4``, Fortran's ``1d4`` and MadGraph's ``10k``; None for 0 and less, with which
    programs say that they do not know.

    :param entry: its name, for messages
    :raises ValueError: when it is not a number

    >>> whole("10k", "nevents"), whole("1.5d3", "nevents"), whole("-1", "nevents")
    (10000, 1500, None)
    """
    word = text.strip("'\"").lower()
    if not word:
        return None
    factor = _THOUSANDS.get(word[-1])
    value = number_or_none((word[:-1] if factor else word).replace("d", "e"))
    value = None if value is None else (factor or 1.0) * value
    if value is None or not abs(value) < _MOST_EVENTS or not value.is_integer():
        raise ValueError(f"{text[:40]!r} ({entry}) is not a number of events; write it as in `{_WRITTEN[entry]}`")
    return int(value) if value > 0.0 else None
