"""Diagnostics of a study: problems with a stable code, a position and, where possible, a fix."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Literal, NamedTuple

from mmc.printing import replace_logins

Severity = Literal["error", "warning"]
Help = str | Callable[[], str]
"""How to fix a problem; a function where finding it takes time, such as the word that is meant: few are shown."""


class Span(NamedTuple):
    """A range of a text file. Lines and columns count from 1, in characters; the end is exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int
    file: str = ""
    """The name of the file, if it is not the study itself but one that it extends."""


START = Span(1, 1, 1, 1)
"""The position of a problem of the whole file."""


class Diagnostic(NamedTuple):
    """One problem of a study: its code, its position and how to fix it."""

    code: str
    message: str
    path: str
    """The file name as the user gave it."""
    span: Span = START
    help: str = ""
    severity: Severity = "error"
    find_help: Callable[[], str] | None = None
    """Finds the help of a problem that is shown."""

    @property
    def complete(self) -> "Diagnostic":
        """The problem with its help."""
        return self if self.find_help is None else self._replace(help=self.find_help(), find_help=None)


class Code(NamedTuple):
    """A kind of problem, declared beside the rule that finds it. The meaning of a code never changes.

    Its bad example is ``tests/bad/ID_what.yaml``.
    """

    id: str
    """``MMC`` and three digits; the first digit is the family. The constant has the same name."""
    title: str
    """The problem in one line."""
    explanation: str
    """Why it matters and what to do."""
    severity: Severity = "error"

    def at(self, path: str, span: Span, message: str, help_text: Help = "") -> Diagnostic:
        """A problem of this kind in the file ``path``, or in the file that the span names."""
        path, span = span.file or path, span._replace(file="")
        if isinstance(help_text, str):
            return Diagnostic(self.id, message, path, span, help_text, self.severity)
        return Diagnostic(self.id, message, path, span, "", self.severity, help_text)


def in_order(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """The diagnostics of one file without duplicates, sorted by position, code and message."""
    first: dict[tuple[str, Span, str, str], Diagnostic] = {}
    for item in diagnostics:
        first.setdefault((item.path, item.span, item.code, item.message), item)
    return [first[key] for key in sorted(first)]


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    """Whether any of the diagnostics is an error."""
    return any(item.severity == "error" for item in diagnostics)


def did_you_mean(word: str, known: Iterable[str], changes: int = 3) -> str | None:
    """The known word that the user probably misspelt; None if no known word is near.

    One word has all parts of the other, or few letters differ: one, in long words a fourth, and at most ``changes``.

    >>> did_you_mean("benchmark", ["benchmarks", "parameters"])
    'benchmarks'
    >>> did_you_mean("pT", ["pt", "pz"])
    'pt'
    >>> did_you_mean("mas", ["mag", "mass"])
    'mass'
    >>> did_you_mean("xsec", ["include_xsec"])
    'include_xsec'
    >>> did_you_mean("sorted", ["sqrt"])
    """
    meant = _plain(word[:_LONGEST_WORD])
    spelled = {_plain(candidate): candidate for candidate in reversed(list(known))}
    if meant in spelled:
        return spelled[meant]
    nearest = sorted(spelled, key=lambda candidate: abs(len(candidate) - len(meant)))
    best, fewest, letters = None, (changes, True), set(meant)
    for candidate in nearest[: 1 + _MOST_COMPARED // (len(meant) + 1) ** 2]:
        allowed = min(_allowed(meant, candidate), fewest[0])
        if abs(len(candidate) - len(meant)) > allowed or len(letters.difference(candidate)) > allowed:
            continue
        if (found := _changes(meant, candidate)) > allowed:
            continue
        differs = not (candidate.startswith(meant) or meant.startswith(candidate))
        if best is None or (found, differs) < fewest:
            best, fewest = candidate, (found, differs)
    if best is None and changes > 1:
        parts = {part for part in meant.split("_") if len(part) > 2}
        best = next((other for other in nearest if parts and _nested(parts, set(other.split("_")))), None)
    return None if best is None else spelled[best]


def _allowed(first: str, second: str) -> int:
    """The number of letters that may differ; short words such as `sin` and `min` differ in their meaning."""
    longer = max(len(first), len(second))
    if longer < 3 or (longer < 5 and first[:1] != second[:1]):
        return 0
    return max(longer // 4, 1)


def _nested(parts: set[str], others: set[str]) -> bool:
    return parts <= others or (others <= parts and any(len(other) > 2 for other in others))


def _changes(first: str, second: str) -> int:
    """The number of letters to insert, leave out, replace, or swap with the next, to turn one word into the other."""
    before, row = [0] * (len(second) + 1), list(range(len(second) + 1))
    for i, letter in enumerate(first, start=1):
        new = [i]
        for j, other in enumerate(second, start=1):
            least = min(row[j] + 1, new[-1] + 1, row[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == second[j - 2] and first[i - 2] == other:
                least = min(least, before[j - 2] + 1)
            new.append(least)
        before, row = row, new
    return row[-1]


def suggestion(word: str, known: Collection[str], otherwise: Help, pattern: str = "did you mean `{}`?") -> Help:
    """A help that names the known word that the user probably meant; ``otherwise`` if no known word is close."""

    def find() -> str:
        guess = did_you_mean(word, known)
        return told(otherwise) if guess is None else pattern.format(guess)

    return find


def told(help_text: Help) -> str:
    """The text of a help."""
    return help_text if isinstance(help_text, str) else help_text()


_LONGEST_WORD = 100
"""Words are compared up to this length: the time is quadratic, and no name is longer."""
_MOST_COMPARED = 30_000
"""At most so many pairs of characters are compared, with the words of nearly the same length first."""


def _plain(word: str) -> str:
    return word.casefold().replace("-", "_").replace(" ", "_")


def one_of(words: Iterable[str], limit: int = 12) -> str:
    """The first ``limit`` words in back quotes, for a message.

    >>> one_of(["a", "b"])
    '`a`, `b`'
    """
    known = words if isinstance(words, Sequence) else tuple(words)
    listed = ", ".join(f"`{word[:60]}`" for word in known[:limit])
    return f"{listed}, … ({len(known)} in all)" if len(known) > limit else listed


def without_login(text: str) -> str:
    """A text for a log, with stars for user name and password in an address.

    >>> without_login("at https://me:secret@host.org/a")
    'at https://*********@host.org/a'
    """
    return replace_logins(text, lambda login: "*" * (len(login) - 1) + "@")


_LONGEST_READ = 5000
"""A login in an address is shorter."""


def show(value: Any, limit: int = 60) -> str:
    """A value of a study for a message: short, on one line, in YAML or JSON notation.

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
    text = without_login(value[:_LONGEST_READ]) if isinstance(value, str) else repr(value)
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    text = "".join(char if char.isprintable() else " " for char in text)
    return f"'{text}'" if isinstance(value, str) else text
