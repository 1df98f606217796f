"""Diagnostics as text for people, JSON, GitHub annotations and SARIF.

Every renderer takes the diagnostics in the order of the output, and the text of each file by its path.
"""

import json
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from mmc.compiler.language.diagnostics import Diagnostic, without_login
from mmc.compiler.language.yaml_nodes import split_lines
from mmc.printing import plain
from mmc.version import __version__

WIDTH = 100
"""At most this many columns of a source line are shown; longer lines are cut around the marked part."""

_COLOURS = {"error": "\x1b[1;31m", "warning": "\x1b[1;33m", "bold": "\x1b[1m", "mark": "\x1b[32m", "off": "\x1b[0m"}


def to_text(diagnostics: Sequence[Diagnostic], sources: Mapping[str, str], *, colour: bool = False) -> str:
    """One block per diagnostic: position and message, the source line with a mark, and the help."""
    lines = {path: split_lines(text) for path, text in sources.items()}
    paint = _COLOURS if colour else dict.fromkeys(_COLOURS, "")
    return "".join(_block(item, lines.get(item.path, []), paint) for item in diagnostics)


def _block(item: Diagnostic, lines: list[str], paint: Mapping[str, str]) -> str:
    where = f"{plain(item.path)}:{item.span.line}:{item.span.column}"
    head = f"{paint[item.severity]}{item.severity}[{item.code}]{paint['off']}"
    block = f"{paint['bold']}{where}{paint['off']}: {head}: {plain(item.message)}\n"
    if item.span.line <= len(lines) and lines[item.span.line - 1].strip():
        line, mark = _excerpt(lines[item.span.line - 1], item)
        block += f"{item.span.line:>8} | {line}\n{'':>8} | {paint['mark']}{mark}{paint['off']}\n"
    if item.help:
        block += f"{'':>7}help: {plain(item.help)}\n"
    return block


def _excerpt(line: str, item: Diagnostic) -> tuple[str, str]:
    """The part of a source line to show, and the marks below it, in columns of a terminal."""
    line = without_login(line)
    start = min(item.span.column - 1, len(line))
    end = min(item.span.end_column - 1, len(line)) if item.span.end_line == item.span.line else len(line.rstrip())
    first = max(0, min(start - WIDTH // 4, len(line) - WIDTH)) if start >= WIDTH * 3 // 4 else 0
    before, after = "…" if first else "", "…" if len(line) > first + WIDTH else ""
    marked = line[start : max(end, start + 1)][: max(first + WIDTH - start, 1)]
    lead = _columns(before + plain(line[first:start]))
    length = max(_columns(plain(marked)), 1)
    return before + plain(line[first : first + WIDTH]).rstrip() + after, " " * lead + "^" + "~" * (length - 1)


def _columns(text: str) -> int:
    """The columns that a text takes in a terminal.

    >>> _columns("aé"), _columns("日本"), _columns("e\\u0301")
    (2, 4, 1)
    """
    if text.isascii():
        return len(text)
    return sum(map(_width, text))


def _width(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me", "Cf") or "\u1160" <= char <= "\u11ff":  # marks; vowels of Hangul
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _json(value: Any) -> str:
    """JSON that a terminal shows as it is: characters that it does not show are escaped."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    if text.isascii() and "\x7f" not in text:
        return text + "\n"
    return "".join(char if char.isprintable() or char == "\n" else _json_escape(char) for char in text) + "\n"


def _json_escape(char: str) -> str:
    return "\\u007f" if char == "\x7f" else json.dumps(char)[1:-1]


def to_json(diagnostics: Sequence[Diagnostic], sources: Mapping[str, str]) -> str:
    """One JSON object, with the schema ``schema/1.0/diagnostics.json``."""
    entries = [
        {
            "file": item.path,
            "line": item.span.line,
            "column": item.span.column,
            "end_line": item.span.end_line,
            "end_column": item.span.end_column,
            "severity": item.severity,
            "code": item.code,
            "message": item.message,
            "help": item.help,
        }
        for item in diagnostics
    ]
    errors = sum(item.severity == "error" for item in diagnostics)
    report = {
        "version": "1.0",
        "mmc": __version__,
        "files": list(sources),
        "errors": errors,
        "warnings": len(entries) - errors,
        "diagnostics": entries,
    }
    return _json(report)


def to_github(diagnostics: Sequence[Diagnostic], sources: Mapping[str, str]) -> str:
    """Workflow commands that annotate the lines of a pull request."""
    return "".join(_annotation(item) for item in diagnostics)


def _annotation(item: Diagnostic) -> str:
    from mmc.compiler.checks.codes import CODES

    properties = {
        "file": item.path,
        "line": str(item.span.line),
        "endLine": str(item.span.end_line),
        "col": str(item.span.column),
        "endColumn": str(item.span.end_column),
        "title": f"{item.code}: {CODES[item.code].title}",
    }
    if item.span.end_line > item.span.line:
        del properties["col"], properties["endColumn"]  # GitHub reads columns only within one line
    listed = ",".join(f"{name}={_escaped(value, ':,')}" for name, value in properties.items())
    message = item.message + (f"\n{item.help}" if item.help else "")
    return f"::{item.severity} {listed}::{_escaped(message)}\n"


def _escaped(text: str, more: str = "") -> str:
    """Text with the escapes of workflow commands; other control characters are blanks.

    >>> _escaped("50%\\n"), _escaped("a:b,c", ":,")
    ('50%25%0A', 'a%3Ab%2Cc')
    """
    return "".join(
        f"%{ord(char):02X}" if char in f"%\r\n{more}" else char if char.isprintable() or _is_byte(char) else " "
        for char in text
    )


def _is_byte(char: str) -> bool:
    """Whether it stands for a byte of a file name that is not UTF-8; :func:`to_bytes` writes this byte."""
    return "\udc80" <= char <= "\udcff"


def to_bytes(text: str) -> bytes:
    """The output of a renderer for programs: UTF-8, whatever the locale."""
    return text.encode("utf-8", "surrogateescape")


def to_sarif(diagnostics: Sequence[Diagnostic], sources: Mapping[str, str]) -> str:
    """A SARIF 2.1.0 log with the rules of all codes that occur."""
    from mmc.compiler.checks.codes import CODES, family

    codes = sorted({item.code for item in diagnostics})
    rules = [
        {
            "id": code,
            "shortDescription": {"text": CODES[code].title},
            "fullDescription": {"text": CODES[code].explanation},
            "help": {"text": CODES[code].explanation},
            "defaultConfiguration": {"level": CODES[code].severity},
            "properties": {"tags": [family(code)]},
        }
        for code in codes
    ]
    driver = {"name": "mmc", "version": __version__, "semanticVersion": __version__, "rules": rules}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "artifacts": [{"location": {"uri": _uri(path)}} for path in sources],
        "results": [_result(item, codes.index(item.code)) for item in diagnostics],
    }
    log = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return _json(log)


def _result(item: Diagnostic, rule: int) -> dict[str, Any]:
    span = item.span
    region = {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": span.end_line,
        "endColumn": span.end_column,
    }
    text = item.message + (f"\nhelp: {item.help}" if item.help else "")
    return {
        "ruleId": item.code,
        "ruleIndex": rule,
        "level": item.severity,
        "message": {"text": text},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": _uri(item.path)}, "region": region}}],
    }


def _uri(path: str) -> str:
    """The path as a URI reference: relative paths stay relative.

    >>> _uri("studies/a b.yaml")
    'studies/a%20b.yaml'
    """
    pure = PurePath(path)
    text = quote(pure.as_posix().encode("utf-8", "surrogateescape"))
    if pure.is_absolute():
        return f"file://{text}"
    return f"./{text}" if ":" in text.split("/", 1)[0] else text


RENDERERS: dict[str, Callable[[Sequence[Diagnostic], Mapping[str, str]], str]] = {
    "text": to_text,
    "json": to_json,
    "github": to_github,
    "sarif": to_sarif,
}
"""The formats of ``mmc validate --format``."""
