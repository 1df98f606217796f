"""What a study may not pass to a foreign program unless it says that it trusts it."""

import posixpath
from collections.abc import Collection, Iterable
from typing import NamedTuple


class Refusal(NamedTuple):
    """A setting, or a line of a card, that is not known to be harmless."""

    line: int
    """From 1; 0 for a setting of the study itself."""
    key: str
    """The name of the setting; empty if only the whole card can be trusted."""
    reason: str
    """Why it is refused, as the end of a sentence that begins with the place."""


def words(text: str) -> frozenset[str]:
    """The words of a text, for long lists of names."""
    return frozenset(text.split())


def is_trusted(refusal: Refusal, trust: Collection[str], card: str | None = None) -> bool:
    """Whether the study trusts a setting by its name, in any case, or the whole card.

    :param card: the card's path in the study, or in a job the name of its input

    >>> is_trusted(Refusal(1, "Init:plugins", "…"), ["init:plugins"]), is_trusted(Refusal(1, "", "…"), ["a"], "./a")
    (True, True)
    """
    keys = {entry.lower() for entry in trust if entry}
    paths = {posixpath.normpath(entry) for entry in trust}
    return refusal.key.lower() in keys or (card is not None and posixpath.normpath(card) in paths)


def untrusted(refusals: Iterable[Refusal], trust: Collection[str], card: str | None = None) -> Refusal | None:
    """The first refusal that the study does not trust; None if there is none."""
    return next((refusal for refusal in refusals if not is_trusted(refusal, trust, card)), None)
