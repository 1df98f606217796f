"""Read the single document of a YAML text as a tree of nodes with positions.

Nodes are built from the parser's events, one by one and without recursion, so that nesting, aliases and the number of
values are bounded during reading.
"""

import re
from dataclasses import dataclass
from typing import Any

import yaml

from mmc.compiler.language.diagnostics import START, Code, Span

MAX_BYTES = 2_000_000
"""The largest size of a file; larger files are refused unread."""
MAX_DEPTH = 100
"""The deepest nesting."""
MAX_VALUES = 30_000
"""The largest number of values, with aliases expanded."""

NOT_TEXT = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that are not text in YAML; mmc refuses their escapes too."""
_LINE_BREAK = re.compile("\r\n|[\r\n]")
_OTHER_BREAKS = ("\x85", "\u2028", "\u2029")
"""These end a line in YAML 1.1, and so for PyYAML; in YAML 1.2 and in editors they do not."""


class UnreadableError(Exception):
    """The text cannot be read further; the exception has the diagnostic with the reason."""

    def __init__(self, code: Code, message: str, path: str, span: Span = START, help_text: str = "") -> None:
        super().__init__(message)
        self.diagnostic = code.at(path, span, message, help_text)


def split_lines(text: str) -> list[str]:
    """The lines of a text, with YAML's line breaks.

    >>> split_lines("a: 1\\r\\nb: 2")
    ['a: 1', 'b: 2']
    """
    return _LINE_BREAK.split(text)


MMC001 = Code(
    "MMC001",
    "The file is not UTF-8 text",
    "A study is text in UTF-8. The file contains a byte or a character that is not allowed: it is binary, was saved "
    "in another encoding, or contains a control character. Save it as UTF-8.",
)
MMC002 = Code(
    "MMC002",
    "The file is too large",
    f"A study has at most {MAX_BYTES:,} bytes; larger files are refused unread. A study refers to large data "
    "by the names of files.",
)


def decode(source: bytes | str, path: str) -> str:
    """The text of a file, without a byte order mark.

    :raises UnreadableError: when the file is too large or is not text
    """
    if len(source) > MAX_BYTES:
        message = f"the file is too large: a study has at most {MAX_BYTES:,} bytes"
        raise UnreadableError(MMC002, message, path)
    text = (_from_utf8(source, path) if isinstance(source, bytes) else source).removeprefix("\ufeff")
    bad = NOT_TEXT.search(text)
    if bad is not None:
        lines = split_lines(text[: bad.start()])
        span = Span(len(lines), len(lines[-1]) + 1, len(lines), len(lines[-1]) + 2)
        raise UnreadableError(MMC001, f"the file is not text: character U+{ord(bad.group()):04X}", path, span)
    return text


def _from_utf8(source: bytes, path: str) -> str:
    try:
        return source.decode("utf-8")
    except UnicodeDecodeError as error:
        lines = split_lines(source[: error.start].decode("utf-8"))
        span = Span(len(lines), len(lines[-1]) + 1, len(lines), len(lines[-1]) + 2)
        message = f"the file is not UTF-8 text: byte 0x{source[error.start]:02x}"
        raise UnreadableError(MMC001, message, path, span, "save it as UTF-8") from None


@dataclass(slots=True, eq=False)
class Node:
    """A value as written in the text.

    ``value`` is the text of a scalar, the entries of a list, the alternating keys and values of a mapping, or the
    target node of an alias.
    """

    kind: str
    value: Any
    span: Span
    tag: str | None = None
    plain: bool = False
    """True for a scalar without quotes or a collection without brackets."""
    size: int = 0
    """The number of values in it, with aliases expanded; 0 while the node is open."""
    height: int = 0

    @property
    def meant(self) -> "Node":
        """The node itself, or the target of an alias."""
        node: Node = self.value if self.kind == "alias" else self
        return node


MMC003 = Code(
    "MMC003",
    "The study is empty",
    "The file contains only blanks and comments. `mmc init` writes a study to start from.",
)
MMC004 = Code(
    "MMC004",
    "The file is not YAML",
    "The text cannot be read as YAML. Most often a quote or a bracket is not closed, a line is indented "
    "differently from its neighbours, a tab is used for indentation, or text that holds `: ` or ` #`, or starts "
    "with one of ``[ ] { } & * ! | > % @ ` ``, is not in quotes.",
)


def _stand_ins(text: str) -> dict[str, str]:
    """For each character that PyYAML takes for a line break, one of private use that is not in the text."""
    found = [char for char in _OTHER_BREAKS if char in text]
    if not found:
        return {}
    used = set(text)
    unused = (chr(code) for code in range(0xF0000, 0xFFFFE) if chr(code) not in used)
    return dict(zip(found, unused, strict=False))


def compose(text: str, path: str) -> Node:
    """The single value of a text.

    :raises UnreadableError: when the text is not YAML, is empty, has several documents or exceeds the bounds
    """
    top = Node("list", [], START)
    try:
        _read_events(text, path, top)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, text, path) from None
    except yaml.YAMLError as error:
        raise UnreadableError(MMC004, f"this is not YAML: {error}", path) from None
    root: Node | None = top.value[0] if top.value else None
    if root is None or (root.kind == "scalar" and root.plain and not root.value):
        raise UnreadableError(MMC003, "the study is empty", path, help_text="`mmc init` writes one to start from")
    return root


MMC005 = Code(
    "MMC005",
    "The file contains several documents",
    "A line `---` starts a second document. A study is one document; put each document into a separate file.",
)
MMC007 = Code(
    "MMC007",
    "An alias has no anchor, contains itself or expands to too many values",
    "A YAML alias (`*name`) stands for the value that an anchor (`&name`) marks. The anchor must come first, its value "
    f"must not contain the alias, and a study has at most {MAX_VALUES:,} values with aliases expanded.",
)


def _read_events(text: str, path: str, top: Node) -> None:
    stand_ins = _stand_ins(text)
    text = text.translate({ord(char): other for char, other in stand_ins.items()})
    meant = {ord(other): char for char, other in stand_ins.items()}
    stack = [top]
    anchors: dict[str, Node] = {}
    count = documents = 0
    event: Any
    for event in yaml.parse(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        start, end = event.start_mark, event.end_mark
        span = Span(start.line + 1, start.column + 1, end.line + 1, end.column + 1)
        if isinstance(event, yaml.NodeEvent):
            count += 1
            if count > MAX_VALUES:
                raise UnreadableError(MMC007, f"the file has more than {MAX_VALUES:,} values", path, span)
            node = _open(event, span, anchors, len(stack), path)
            if stand_ins and node.kind == "scalar":
                node.value = node.value.translate(meant)
            stack[-1].value.append(node)
            if isinstance(event, yaml.CollectionStartEvent):
                stack.append(node)
        elif isinstance(event, yaml.CollectionEndEvent):
            _close(stack.pop(), span, path)
        elif isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                message = "a second document starts here; a study is one document"
                raise UnreadableError(MMC005, message, path, span, "put it into a separate file")


MMC006 = Code("MMC006", "The study is nested too deeply", f"At most {MAX_DEPTH} levels are read; no study needs more.")


def _open(event: Any, span: Span, anchors: dict[str, Node], depth: int, path: str) -> Node:
    if isinstance(event, yaml.AliasEvent):
        name = event.anchor or ""
        target = anchors.get(name)
        if target is None:
            message = f"the alias *{name} has no anchor"
            raise UnreadableError(MMC007, message, path, span, f"mark its value with &{name}")
        if target.size == 0:
            message = f"the value of the alias *{name} contains the alias itself"
            raise UnreadableError(MMC007, message, path, span)
        node = Node("alias", target, span, size=target.size, height=target.height)
    elif isinstance(event, yaml.ScalarEvent):
        node = Node("scalar", event.value, span, event.tag, plain=event.implicit[0] and event.tag is None, size=1)
    else:
        kind = "map" if isinstance(event, yaml.MappingStartEvent) else "list"
        node = Node(kind, [], span, event.tag, plain=event.flow_style is False)
    if depth + node.height > MAX_DEPTH:
        raise UnreadableError(MMC006, _TOO_DEEP, path, span)
    if event.anchor is not None and node.kind != "alias":
        anchors[event.anchor] = node
    return node


def _close(node: Node, end: Span, path: str) -> None:
    children = node.value
    last = children[-1].span if node.plain and children else end  # in YAML a block ends at the start of the next value
    node.span = Span(node.span.line, node.span.column, last.end_line, last.end_column)
    node.size = 1 + sum(child.size for child in children)
    node.height = 1 + max((child.height for child in children), default=0)
    if node.size > MAX_VALUES:
        raise UnreadableError(
            MMC007, f"with aliases expanded this has more than {MAX_VALUES:,} values", path, node.span
        )


_TOO_DEEP = f"the study is nested more than {MAX_DEPTH} levels deep"
_UNALIGNED = "the indentation does not match the lines above"
_SAME_INDENT = "give all keys of a mapping, and all entries of a list, the same indentation"
_ESCAPE = "this escape is unknown in double quotes"
_SINGLE_QUOTES = "put the text in single quotes, where `\\` is an ordinary character, or write `\\\\`"
_TAB = "a tab is used for indentation"
_SYNTAX = (
    # message of PyYAML or libyaml; mmc's message; the fix; whether the problem is at the start of the construct
    (
        "mapping values are not allowed",
        "a `:` is not allowed here",
        "indent keys alike; quote text with `: `",
        False,
    ),
    (
        "sequence entries are not allowed",
        "a `-` cannot start a list here",
        "start the list on its own line",
        False,
    ),
    ("could not find expected ':'", "a key is not followed by `:`", "write `key: value`", True),
    ("found unexpected end of stream", "the quote that opens here is not closed", "close it", True),
    ("expected ',' or ']'", "the list that opens here is not closed", "put `,` between entries, `]` at the end", True),
    ("expected ',' or '}'", "the mapping that opens here is not closed", "put `,` between keys, `}` at the end", True),
    ("node content", "a value is missing here", "give one, and close all brackets", False),
    ("unknown escape character", _ESCAPE, _SINGLE_QUOTES, False),
    ("hexdecimal number", _ESCAPE, _SINGLE_QUOTES, False),
    ("hexadecimal number", _ESCAPE, _SINGLE_QUOTES, False),
    ("tab character", _TAB, "indent with blanks", False),
    ("expected <block end>", _UNALIGNED, _SAME_INDENT, False),
    ("did not find expected key", _UNALIGNED, _SAME_INDENT, False),
    ("did not find expected '-' indicator", _UNALIGNED, _SAME_INDENT, False),
)


def _syntax_error(error: yaml.MarkedYAMLError, text: str, path: str) -> UnreadableError:
    problem = error.problem or "the syntax is wrong"
    message, way_out = f"this is not YAML: {problem}", ""
    mark = error.problem_mark or error.context_mark
    for sign, ours, help_text, at_context in _SYNTAX:
        if sign in problem:
            message, way_out = ours, help_text
            if at_context and error.context_mark is not None:
                mark = error.context_mark
            break
    lines = split_lines(text)
    line, column = (mark.line, mark.column) if mark is not None else (0, 0)
    if line >= len(lines) or (line == len(lines) - 1 and not lines[line].strip()):  # the end of the file
        line = next((n for n in range(len(lines) - 1, 0, -1) if lines[n].strip()), 0)
        column = len(lines[line])
    before, char = lines[line][:column], lines[line][column : column + 1]
    found = error.problem_mark
    here = lines[found.line][found.column : found.column + 1] if found is not None and found.line < len(lines) else ""
    if found is not None and "expected ',' or" in problem and here in ("[", "{"):  # of an expression, such as `j[0]`
        line, column = found.line, found.column
        message, way_out = f"text with `{here}` inside of brackets is not in quotes", "put the expression in quotes"
    elif "cannot start any token" in problem:
        message = _TAB if char == "\t" else f"text cannot start with `{char}`"
        way_out = "indent with blanks" if char == "\t" else "put the text in quotes"
    elif message == _UNALIGNED and char in ("]", "}"):
        message, way_out = f"`{char}` closes no open bracket", "remove it, or put the text in quotes"
    elif message == _UNALIGNED and before.strip(" -"):
        message, way_out = "nothing is allowed here: the value has ended", "put the whole text in quotes"
    place = Span(line + 1, column + 1, line + 1, column + 2)
    if "maximum nesting depth" in problem:  # since 6.0.4 PyYAML also limits the nesting, while it reads ahead
        return UnreadableError(MMC006, _TOO_DEEP, path, place)
    return UnreadableError(MMC004, message, path, place, way_out)
