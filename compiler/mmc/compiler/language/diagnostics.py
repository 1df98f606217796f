"""What mmc says about a study: problems with a stable code, a position and, where there is one, a way out."""

import re
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

Severity = Literal["error", "warning"]


class Span(NamedTuple):
    """A stretch of a text file. Lines and columns count from 1, in characters; the end is exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int


START = Span(1, 1, 1, 1)
"""Where a problem of the file as a whole is shown."""


class Diagnostic(NamedTuple):
    """One problem of a study: its code, where it is and how to get out of it."""

    code: str
    message: str
    path: str
    """The file as the user named it."""
    span: Span = START
    help: str = ""
    severity: Severity = "error"


class Code(NamedTuple):
    """A kind of problem, declared beside the rule that finds it; a code is never given a second meaning.

    Its bad example is ``tests/bad/ID_what.yaml``.
    """

    id: str
    """``MMC`` and three digits, of which the first is the family; the constant has the same name."""
    title: str
    """What is wrong, in a line."""
    explanation: str
    """Why it matters and what to do."""
    severity: Severity = "error"

    def at(self, path: str, span: Span, message: str, help_text: str = "") -> Diagnostic:
        """A problem of this kind in the file ``path``."""
        return Diagnostic(self.id, message, path, span, help_text, self.severity)


def in_order(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """The diagnostics of one file by position, then code and message, each once."""
    return sorted(set(diagnostics), key=lambda item: (item.path, item.span, item.code, item.message))


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    """Whether any of them is more than a warning."""
    return any(item.severity == "error" for item in diagnostics)


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """The known word that ``word`` is most probably a slip of; None where none is close.

    >>> did_you_mean("benchmark", ["benchmarks", "parameters"])
    'benchmarks'
    >>> did_you_mean("pT", ["pt", "pz"])
    'pt'
    """
    from difflib import get_close_matches

    spelled = {_plain(candidate): candidate for candidate in reversed(list(known))}
    close = get_close_matches(_plain(word[:_LONGEST_WORD]), spelled, n=1, cutoff=0.6)
    return spelled[close[0]] if close else None


_LONGEST_WORD = 100
"""Longer words are not compared whole: it takes quadratic time and no name is as long."""


def _plain(word: str) -> str:
    return word.casefold().replace("-", "_").replace(" ", "_")


def one_of(words: Iterable[str], limit: int = 12) -> str:
    """The words in back quotes, for a message; only the first ``limit`` of them.

    >>> one_of(["a", "b"])
    '`a`, `b`'
    """
    known = list(words)
    listed = ", ".join(f"`{word[:60]}`" for word in known[:limit])
    return f"{listed}, … ({len(known)} in all)" if len(known) > limit else listed


_LOGIN = re.compile(r"(?<=://)[^/@\s]+(?=@)")


def without_login(text: str) -> str:
    """A text that may be printed in a log, with stars for the user and the password of an address.

    >>> without_login("at https://me:secret@host.org/a")
    'at https://*********@host.org/a'
    """
    return _LOGIN.sub(lambda found: "*" * len(found[0]), text)


def show(value: Any, limit: int = 60) -> str:
    """A value of a study as a message shows it: short, on one line, as YAML or JSON would write it.

    >>> show(True), show("a b"), show([1, 2]), show(None)
    ('true', "'a b'", 'a list', 'nothing')
    """
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = without_login(value) if isinstance(value, str) else repr(value)
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    text = "".join(char if char.isprintable() else " " for char in text)
    return f"'{text}'" if isinstance(value, str) else text
