"""Delphes cards: which Tcl a study may pass to Delphes.

A card is a program in Tcl, and ROOT compiles the formulas in it as C++. So a card passes only if it is made of the
commands of :data:`COMMANDS`, and if formulas contain only numbers, operators, and the words of :data:`FORMULA_WORDS`.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from mmc.compiler.inputs.refusals import Refusal, words

COMMANDS = (*("set", "add", "lappend", "module", "source", "for", "foreach", "if", "incr"), "unset")
"""The commands of a card."""
FUNCTIONS = ("expr", "list", "lindex", "lreplace", "llength")
"""The commands in brackets, whose result is a value."""
FORMULA_WORDS = words(
    """
    pt eta phi energy d0 dz ctgTheta radius density decayR decayZ Eem Ehad x y z t e pi
    abs fabs sqrt pow exp log log10 sin cos tan asin acos atan atan2 sinh cosh tanh asinh acosh atanh erf erfc
    min max int floor ceil fmod hypot sign round double rand true false
    """
)
"""The variables of Delphes' formulas, and functions of numbers."""
DEEPEST = 20
"""The most levels of braces and brackets."""

_NAME = re.compile(r"(?:::)?[A-Za-z_]\w*", re.ASCII)
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*(?:[./][A-Za-z0-9_][A-Za-z0-9_-]*)*")
_VARIABLE = re.compile(r"\$(?:[A-Za-z_]\w*|\{[A-Za-z_]\w*\})", re.ASCII)
_BARE = re.compile(r"[A-Za-z0-9_./+*<>=&|!,:()%~?#@^-]+")
_TEXT = re.compile(r"[A-Za-z0-9_\s./+*<>=&|!,:(){}%~?#@^\\-]*", re.ASCII)
_PATH = re.compile(r"(?:^|[\s{])/[A-Za-z0-9_.]|(?:^|[\s{])~|\.\.")
_BRACES, _BRACKETS = re.compile(r"[{}]|\\[{}\\]"), re.compile(r"[][]")
_CALL = re.compile(r"\(|\w[\s\\]*\{")
_NO_FORMULA = re.compile(r"->|(?<![<>=!])=(?!=)|//|/\*")
"""A member of an object, an assignment, and a comment that would hide the end of a line from these checks."""
_FORMULA = re.compile(
    r"(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<word>[A-Za-z_]\w*(?:::\w+)*)|[+*/%^<>=!&|(),?:{}-]",
    re.ASCII,
)
_LIBRARY = re.compile(r"TMath::[A-Z]\w*", re.ASCII)


class _RefusedError(Exception):
    """The place of a refused text, and why it is refused."""

    def __init__(self, place: int, reason: str) -> None:
        self.place, self.reason = place, reason


class _Word(NamedTuple):
    """A word of a command."""

    place: int
    """The place of its first character in the card."""
    text: str
    braced: bool
    literal: str
    """Its text without variables and commands in brackets."""
    variables: tuple[str, ...] = ()

    @property
    def is_literal(self) -> bool:
        """Whether it contains neither variables nor commands in brackets."""
        return self.literal == self.text

    @property
    def formula(self) -> str:
        """The literal text without remarks. A list of names may have them; ROOT cannot compile a formula with them."""
        return re.sub(r"#[^\n]*", "", self.literal)

    @property
    def calls(self) -> bool:
        """Whether ROOT would call something if the word were a formula."""
        return _CALL.search(self.formula) is not None


def card_refusals(text: str) -> Iterator[Refusal]:
    """The first line of a Delphes card that may not reach Delphes, if there is one.

    >>> [found.line for found in card_refusals("set RandomSeed 1\\nmodule A B {\\n  set X [exec ls]\\n}\\n")]
    [3]
    """
    normal = "\n".join(text.replace("\x00", "\x01").splitlines())  # \x00 has a meaning below, \x01 is refused
    try:  # Tcl joins lines after a backslash, also in braces
        script = _Script(re.sub(r"\\\n", " \x00", normal))
        script.check(0, len(normal), 0)
        script.check_formulas()
    except _RefusedError as refused:
        yield Refusal(normal[: refused.place].count("\n") + 1, "", refused.reason)


@dataclass(frozen=True)
class _Script:
    """A card. In its text, a blank and a NUL replace a backslash and the end of its line."""

    text: str
    values: dict[str, list[_Word]] = field(default_factory=dict)
    """All values of each variable, whatever its namespace."""
    used: list[tuple[int, str]] = field(default_factory=list)
    """The variables whose values are used, and where."""

    def check(self, start: int, end: int, depth: int, commands: Collection[str] = COMMANDS) -> None:
        """Check the commands of a part of the card.

        :raises _RefusedError: when a command is not allowed
        """
        if depth > DEEPEST:
            raise _RefusedError(start, "braces are nested too deeply")
        at = start
        while at < end:
            if self.text[at] in " \t\n\x00;":
                at += 1
            elif self.text[at] == "#":
                found = self.text.find("\n", at, end)
                at = end if found < 0 else found
            else:
                words, at = self._words(at, end, depth)
                self._command(words, depth, commands)

    def check_formulas(self) -> None:
        """Check what a variable may contain once its values, and those of other variables, are put together.

        :raises _RefusedError: when a call of a function could be put together from several words
        """
        formulas = {name for name, words in self.values.items() if any(word.calls for word in words)}
        for name in formulas:
            for word in self.values[name]:
                if not word.is_literal:
                    raise _RefusedError(word.place, f"a formula of `{name}` is put together from variables")
                _check_formula(word.place, word.formula)
        for place, name in self.used:
            if name in formulas:
                raise _RefusedError(place, f"`{name}` contains a formula, which is used elsewhere")

    def _words(self, at: int, end: int, depth: int) -> tuple[list[_Word], int]:
        """The words of the command that starts here, and the place after it."""
        words = []
        while at < end and self.text[at] not in "\n;":
            if self.text[at] in " \t\x00":
                at += 1
                continue
            word, at = self._braced(at, end) if self.text[at] == "{" else self._bare(at, end, depth)
            words.append(word)
            if at < end and self.text[at] not in " \t\n\x00;":
                raise _RefusedError(at, f"{self.text[at]!r} after a word is not allowed in a card")
        return words, at

    def _braced(self, at: int, end: int) -> tuple[_Word, int]:
        level = 0
        for match in _BRACES.finditer(self.text, at, end):
            if match[0][0] == "\\":
                raise _RefusedError(match.start(), "a backslash before a brace or a backslash is not allowed in a card")
            level += 1 if match[0] == "{" else -1
            if level == 0:
                text = self.text[at + 1 : match.start()].replace("\x00", " ")
                return _Word(at + 1, text, True, text), match.end()
        raise _RefusedError(at, "a brace is not closed")

    def _bare(self, at: int, end: int, depth: int) -> tuple[_Word, int]:
        """A word without braces, perhaps with variables and with commands in brackets."""
        start, literal, variables = at, "", []
        while at < end and self.text[at] not in " \t\n\x00;":
            variable, plain = _VARIABLE.match(self.text, at, end), _BARE.match(self.text, at, end)
            if variable is not None:
                variables.append(variable[0].strip("${}"))
                at = variable.end()
            elif plain is not None:
                literal += plain[0]
                at = plain.end()
            elif self.text[at] == "[":
                closing = self._closing(at, end)
                self.check(at + 1, closing, depth + 1, FUNCTIONS)
                at = closing + 1
            else:
                raise _RefusedError(at, f"{self.text[at]!r} is not allowed in a word of a card")
        return _Word(start, self.text[start:at], False, literal, tuple(variables)), at

    def _closing(self, at: int, end: int) -> int:
        level = 0
        for match in _BRACKETS.finditer(self.text, at, end):
            level += 1 if match[0] == "[" else -1
            if level == 0:
                return match.start()
        raise _RefusedError(at, "a bracket is not closed")

    def _command(self, words: list[_Word], depth: int, commands: Collection[str]) -> None:
        """:raises _RefusedError: when a command, or one of its words, is not allowed"""
        name, values = words[0], words[1:]
        if name.text not in commands or name.braced:
            raise _RefusedError(name.place, f"the command `{name.text[:40].strip()}` is not allowed in a card")
        kinds = _KINDS.get((name.text, len(values)))
        if kinds is None and name.text in _WITH_BLOCKS:
            raise _RefusedError(name.place, f"`{name.text}` has too few or too many words")
        if kinds is None:
            named = 0 if name.text in FUNCTIONS else 1
            kind = "expression" if name.text == "expr" else "value" if named else "member"
            kinds = ["name"] * named + [kind] * (len(values) - named)
        for word, kind in zip(values, kinds, strict=False):
            if kind == "block":
                if not word.braced:
                    raise _RefusedError(word.place, f"the block of `{name.text}` must be in braces")
                self.check(word.place, word.place + len(word.text), depth + 1)
                continue
            _CHECKS[kind](word)
            self.used.extend((word.place, variable) for variable in (*word.variables, *_variables(word, kind)))
            if kind == "value":
                self.values.setdefault(values[0].text.removeprefix("::"), []).append(word)


def _variables(word: _Word, kind: str) -> list[str]:
    """The variables of an expression in braces, which Tcl replaces by their values."""
    return [found.strip("${}") for found in _VARIABLE.findall(word.text)] if kind == "expression" else []


def _check_name(word: _Word) -> None:
    """:raises _RefusedError: unless the word is a name"""
    if _NAME.fullmatch(word.text) is None:
        raise _RefusedError(word.place, f"`{word.text[:40].strip()}` is not a name")


def _check_file(word: _Word) -> None:
    """:raises _RefusedError: unless the word is a relative path that does not lead out of its folder"""
    if _FILE.fullmatch(word.text) is None:
        raise _RefusedError(word.place, f"`{word.text[:40].strip()}` is not a file beside Delphes' own cards")


def _check_else(word: _Word) -> None:
    """:raises _RefusedError: unless the word is ``else``"""
    if word.text != "else":
        raise _RefusedError(word.place, "`if` is followed by a condition, a block, `else` and another block")


def _check_value(word: _Word) -> None:
    """:raises _RefusedError: when a value contains commands in braces, is a path, or calls an unknown function"""
    if _TEXT.fullmatch(word.literal) is None:
        bad = next(character for character in word.literal if _TEXT.fullmatch(character) is None)
        raise _RefusedError(word.place, f"{bad!r} is not allowed in a value of a card")
    if _PATH.search(word.literal):
        raise _RefusedError(word.place, f"`{word.literal[:40].strip()}` is a path out of the job's folder")
    if _NO_FORMULA.search(re.sub(r"[\s\\]", "", word.formula)):
        raise _RefusedError(word.place, f"`{word.literal[:40].strip()}` is not a formula of numbers")
    if word.calls:
        _check_formula(word.place, word.formula)


def _check_member(word: _Word) -> None:
    """:raises _RefusedError: when a member of a list is not a value, or is a formula"""
    _check_value(word)
    if word.calls:
        raise _RefusedError(word.place, "a formula cannot be a member of a list")


def _check_expression(word: _Word) -> None:
    """:raises _RefusedError: when an expression of Tcl contains more than numbers, variables and functions"""
    _check_formula(word.place, _VARIABLE.sub("0", word.text))


def _check_formula(place: int, text: str) -> None:
    """:raises _RefusedError: when a formula contains other words than :data:`FORMULA_WORDS`"""
    packed = re.sub(r"[\s\\]", "", text)  # as Delphes does, before ROOT compiles the formula
    at = 0
    while at < len(packed):
        match = _FORMULA.match(packed, at)
        if match is None:
            raise _RefusedError(place, f"{packed[at]!r} is not allowed in a formula")
        word = match["word"]
        if word is not None and word not in FORMULA_WORDS and _LIBRARY.fullmatch(word) is None:
            raise _RefusedError(place, f"`{word[:40]}` is not a function or variable of a formula")
        at = match.end()


_KINDS: Mapping[tuple[str, int], Sequence[str]] = {
    ("for", 4): ("block", "expression", "block", "block"),
    ("foreach", 3): ("name", "value", "block"),
    ("if", 2): ("expression", "block"),
    ("if", 4): ("expression", "block", "else", "block"),
    ("module", 2): ("name", "name"),
    ("module", 3): ("name", "name", "block"),
    ("source", 1): ("file",),
}
"""The kinds of the words after a command, by command and number of words."""
_WITH_BLOCKS = frozenset(name for name, _ in _KINDS)
_CHECKS: Mapping[str, Callable[[_Word], None]] = {
    "name": _check_name,
    "file": _check_file,
    "else": _check_else,
    "value": _check_value,
    "member": _check_member,
    "expression": _check_expression,
}
