"""Read YAML text into plain data, and record the position of every key and value.

Scalars follow the core schema of YAML 1.2, as in editors: ``1e3`` is a number; ``on``, ``yes`` and dates are text.
``30_000`` is text too; the document also keeps the number that it can mean. The result is a :class:`Document` for
every text: problems are diagnostics, never exceptions. Time and memory are linear in the size of the file.
"""

import math
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from mmc.compiler.language.diagnostics import START, Code, Diagnostic, Span, show
from mmc.compiler.language.yaml_nodes import NOT_TEXT, Node, UnreadableError, compose, decode, split_lines

Path = tuple[str | int, ...]
"""The keys and indices that lead to a value."""

_DECIMAL = re.compile(r"[-+]?[0-9]+")
_OTHER_BASE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_GROUPED = re.compile(r"[-+]?[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9_]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_CONSTANTS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_TAG = "tag:yaml.org,2002:"
_TYPES: dict[str, type] = {"int": int, "float": float, "bool": bool, "null": type(None)}
_LARGEST = 2**63 - 1
_LONGEST = 60
"""Integers with more digits are out of range, and Python needs quadratic time to read them."""


@dataclass(frozen=True)
class Document:
    """A study file: its text, its data and the position of everything in it.

    ``data`` is None when the text is not a YAML mapping. ``broken`` are the paths of unreadable values, which are None
    in ``data``.
    """

    path: str
    """The file name as the user gave it."""
    text: str
    data: dict[str, Any] | None = None
    spans: dict[Path, tuple[Span, Span]] = field(default_factory=dict, repr=False)
    """Path → span of its key (in a list, of the entry itself) and span of its value."""
    broken: frozenset[Path] = frozenset()
    grouped: dict[Path, float] = field(default_factory=dict, repr=False)
    """Path → number, for unquoted texts that are numbers without ``_`` between digits: 30000 for ``30_000``."""
    diagnostics: tuple[Diagnostic, ...] = ()
    bases: tuple["Document", ...] = ()
    """The files that the study extends; spans name the one in which a value is."""

    @cached_property
    def lines(self) -> list[str]:
        """The lines of the text, without line breaks."""
        return split_lines(self.text)

    def with_definitions(self, texts: Mapping[Path, str]) -> "Document":
        """The document with mappings whose ``definition`` is the text, by path, at the position of the text."""
        of_texts = {(*path, "definition"): self.spans[path] for path in texts if path in self.spans}
        longer = self.with_values({path: {"definition": text} for path, text in texts.items()})
        return replace(longer, spans=self.spans | of_texts)

    def with_values(self, values: Mapping[Path, Any]) -> "Document":
        """The document with these values in its data, by path."""
        data = deepcopy(self.data)
        for (*outer, last), value in values.items():
            place: Any = data
            for key in outer:
                place = place[key]
            place[last] = value
        return replace(self, data=data)

    def key_span(self, path: Path) -> Span:
        """The position of the value's key (in a list, of the value itself), or else of the nearest enclosing one."""
        return self._nearest(path)[0]

    def value_span(self, path: Path) -> Span:
        """The position of the value, or else of the nearest enclosing mapping or list."""
        return self._nearest(path)[1]

    def part_span(self, path: Path, start: int, end: int) -> Span:
        """The position of characters ``start`` to ``end`` of a text; the whole text if they have no own position."""
        span = self.value_span(path)
        value: Any = self.data
        for key in path:
            value = value[key]
        lines = next((base.lines for base in self.bases if base.path == span.file), self.lines)
        written = lines[span.line - 1][span.column - 1 : span.end_column - 1]
        quote = 1 if written[:1] in ("'", '"') else 0
        if span.line != span.end_line or written[quote : len(written) - quote] != value:
            return span
        first = span.column + quote
        return span._replace(column=first + start, end_line=span.line, end_column=first + max(end, start + 1))

    def _nearest(self, path: Path) -> tuple[Span, Span]:
        while path not in self.spans and path:
            path = path[:-1]
        return self.spans.get(path, (START, START))


MMC013 = Code(
    "MMC013",
    "The study is not a mapping",
    'A study is a mapping whose first key is `mmc: "1.0"`. This file holds a list or a single value.',
)


def load(source: bytes | str, path: str) -> Document:
    """Read the content of a study file; ``path`` is its name in messages."""
    text = ""
    try:
        text = decode(source, path)
        root = compose(text, path)
    except UnreadableError as failure:
        return Document(path, text, diagnostics=(failure.diagnostic,))
    builder = _Builder(path)
    data = builder.value(root, ())
    if not isinstance(data, dict):
        found = "a list" if isinstance(data, list) else f"the single value {show(data)}"
        builder.report(MMC013, f"the study is {found}, not a mapping", root.span, 'start it with `mmc: "1.0"`')
        data = None
    broken, diagnostics = frozenset(builder.broken), tuple(builder.diagnostics)
    return Document(path, text, data, builder.spans, broken, builder.grouped, diagnostics)


MMC008 = Code(
    "MMC008",
    "A key is given twice",
    "YAML readers silently keep one of two equal keys of a mapping. mmc refuses such a mapping: one of the two "
    "values is a mistake.",
)
MMC009 = Code(
    "MMC009",
    "A key is not a text",
    "The keys of a study are names. A list, a mapping, a number, `true` or `null` cannot be a key; a number that is "
    "meant as a name must be in quotes. The value of `<<` must be a mapping or a list of mappings.",
)
MMC012 = Code(
    "MMC012",
    "A text contains a control character",
    "A text can contain every printable Unicode character, blanks, tabs and line breaks. mmc refuses other control "
    "characters, also escaped ones such as `\\0`, because not every workflow language can express them.",
)


class _Builder:
    """Converts nodes to plain data, at most MAX_DEPTH deep, and records positions."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.spans: dict[Path, tuple[Span, Span]] = {}
        self.broken: set[Path] = set()
        self.grouped: dict[Path, float] = {}
        self.diagnostics: list[Diagnostic] = []
        self._scalars: dict[int, Scalar] = {}

    def report(self, code: Code, message: str, span: Span, help_text: str = "") -> None:
        self.diagnostics.append(code.at(self.path, span, message, help_text))

    def value(self, written: Node, at: Path, key: Span | None = None) -> Any:
        self.spans[at] = (written.span if key is None else key, written.span)
        node = written.meant
        if node.kind == "scalar":
            if id(node) not in self._scalars:  # many aliases may stand for one long text
                self._scalars[id(node)] = _scalar(node)
            value, code, message, help_text = self._scalars[id(node)]
            if node.plain and isinstance(value, str) and _GROUPED.fullmatch(value):
                return self._grouped(value, at)
            return value if code is None else self._fail(at, code, message, help_text)
        if node.tag not in (None, "!", f"{_TAG}{'map' if node.kind == 'map' else 'seq'}"):
            return self._fail(at, *_unknown_tag(node))
        if node.kind == "list":
            return [self.value(child, (*at, index)) for index, child in enumerate(node.value)]
        return {name: self.value(child, (*at, name), span) for name, span, child in self._entries(node)}

    def _grouped(self, text: str, at: Path) -> Any:
        """A text, whose number is recorded if it can mean one."""
        number = plain_scalar(text.replace("_", ""))
        if isinstance(number, str):  # `1e_`
            return text
        out_of_range = _out_of_range(number, text)
        if out_of_range is not None:
            return self._fail(at, MMC011, *out_of_range)
        self.grouped[at] = number
        return text

    def _fail(self, at: Path, code: Code, message: str, help_text: str) -> None:
        self.broken.add(at)
        self.report(code, message, self.spans[at][1], help_text)

    def _entries(self, node: Node) -> Iterator[tuple[str, Span, Node]]:
        """The entries of a mapping, then the entries merged with `<<`."""
        first: dict[str, Span] = {}
        merged: list[Node] = []
        for key, value in _pairs(node):
            name = self._key(key, value, merged)
            if name is None:
                continue
            if name in first:
                help_text = f"it is already at line {first[name].line}; keep one of them"
                self.report(MMC008, f"the key `{_short(name)}` is given twice", key.span, help_text)
                continue
            first[name] = key.span
            yield name, key.span, value
        for source in merged:
            for name, span, child in self._merged(source):
                if name not in first:
                    first[name] = span
                    yield name, span, child

    def _merged(self, source: Node) -> Iterator[tuple[str, Span, Node]]:
        if source.meant.kind == "list":
            for child in source.meant.value:
                yield from self._merged(child)
        elif source.meant.kind == "map":
            for key, value in _pairs(source.meant):
                if _is_merge(key):
                    yield from self._merged(value)
                elif key.meant.kind == "scalar":
                    yield key.meant.value, source.span, value
        else:
            self.report(MMC009, "the value of `<<` must be a mapping or a list of mappings", source.span)

    def _key(self, key: Node, value: Node, merged: list[Node]) -> str | None:
        """The text of a key; None when the key is invalid or `<<`."""
        if _is_merge(key):
            merged.append(value)
            return None
        node = key.meant
        if node.kind != "scalar":
            kind = "mapping" if node.kind == "map" else "list"
            self.report(MMC009, f"a key must be text; this one is a {kind}", key.span)
            return None
        text: str = node.value
        if node.plain and not isinstance(plain_scalar(text), str):
            shown = show(text) if text else "empty"
            self.report(MMC009, f"a key must be text; this one is {shown}", key.span, f'quote it: "{_short(text)}"')
        elif NOT_TEXT.search(text) is not None:
            self.report(MMC012, "the key contains a control character", key.span, "leave it out")
            return None
        return text


def _short(text: str) -> str:
    return show(text)[1:-1]


def _is_merge(key: Node) -> bool:
    return key.plain and key.kind == "scalar" and key.value == "<<"


def _pairs(node: Node) -> Iterator[tuple[Node, Node]]:
    items = iter(node.value)
    return zip(items, items, strict=True)


Scalar = tuple[Any, Code | None, str, str]


MMC010 = Code(
    "MMC010",
    "A tag has no meaning in a study",
    "A tag (`!!name`) makes a YAML reader convert a value to another type. A study needs no tags. mmc accepts the "
    "tags of YAML 1.2's core schema where they agree with the value.",
)


def _unknown_tag(node: Node) -> tuple[Code, str, str]:
    return MMC010, f"the tag {show((node.tag or '').replace(_TAG, '!!', 1))} has no meaning in a study", "leave it out"


MMC011 = Code(
    "MMC011",
    "A number is out of range",
    "Numbers must be finite, and whole numbers must fit into 64 bits. JSON cannot express `.nan`, `.inf` and `1e999`, "
    "and they have no meaning in a study.",
)


def _scalar(node: Node) -> Scalar:
    """The value of a scalar, or None with the code, message and help of its problem."""
    text: str = node.value
    kind = (node.tag or "").removeprefix(_TAG)
    if not node.plain and kind in ("", "!", "str"):
        bad = NOT_TEXT.search(text)
        if bad is not None:
            return None, MMC012, f"the text contains the control character U+{ord(bad.group()):04X}", "leave it out"
        return text, None, "", ""
    value = plain_scalar(text)
    if kind:
        if kind not in _TYPES:
            return None, *_unknown_tag(node)
        if kind == "float" and type(value) is int:
            value = float(value)
        if type(value) is not _TYPES[kind]:
            return None, MMC010, f"the value does not agree with its tag !!{kind}", "leave the tag out"
    out_of_range = _out_of_range(value, text)
    return (value, None, "", "") if out_of_range is None else (None, MMC011, *out_of_range)


def _out_of_range(value: Any, text: str) -> tuple[str, str] | None:
    if isinstance(value, float) and not math.isfinite(value):
        return f"{show(text)} is not a finite number", "give a finite number; an edge of bins may be `inf`"
    if isinstance(value, int) and abs(value) > _LARGEST:
        return f"the whole number {show(text)} is too large", "give one of at most 18 digits"
    return None


def plain_scalar(text: str) -> Any:
    """The value of an unquoted scalar in YAML 1.2's core schema.

    >>> plain_scalar("1e3"), plain_scalar("1_000"), plain_scalar("on")
    (1000.0, '1_000', 'on')
    """
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] not in "+-.0123456789":
        return text
    value: Any = text
    if _DECIMAL.fullmatch(text):
        value = int(text) if len(text) < _LONGEST else 10**_LONGEST
    elif _OTHER_BASE.fullmatch(text):
        value = int(text, 0) if len(text) < _LONGEST else 10**_LONGEST
    elif _FLOAT.fullmatch(text):
        value = float(text)
    elif _NOT_FINITE.fullmatch(text):
        value = float(text.replace(".", ""))
    return value
