"""Variants of a study: the study several times, each time with other values in some places.

The section ``variants`` says the values, or a table beside the study does. A table becomes a document as if it were the
section, so both have positions, and one piece of code makes variants of both.
"""

import csv
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from io import StringIO
from itertools import product
from math import isfinite
from typing import Any

from mmc.compiler.language.changes import Written, with_value
from mmc.compiler.language.diagnostics import Span
from mmc.compiler.language.document import Document, Path, plain_scalar
from mmc.compiler.language.schema import child_schema, in_force, load_schema, resolve
from mmc.compiler.study.scans import Range, draw

VARIANTS, OVER = "variants", "over"
MOST_VARIANTS = 500
"""More variants have to be allowed explicitly."""
MOST_PATHS = 1000
"""The largest number of columns of a table, as of entries of a mapping."""


@dataclass(frozen=True)
class Variant:
    """A study with values of its own."""

    name: str
    values: Mapping[str, Any]
    """By the path in the study, with dots between the keys."""
    places: Mapping[str, Path] = field(repr=False)
    """Where each value is said, in the document of :attr:`Variants.said`."""
    shown: Mapping[str, Any] = field(repr=False)
    """The values for people: ``1_000`` is a number."""

    @property
    def label(self) -> str:
        """Its values, in words."""
        return ", ".join(f"{path} = {_short(value)}" for path, value in self.shown.items())


def _short(value: Any) -> str:
    """A value on one line, of at most 60 characters.

    >>> _short("36 fb^-1"), _short(["m_ll"]), _short("a\\nb")
    ('36 fb^-1', '["m_ll"]', 'a b')
    """
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "".join(char if char.isprintable() else " " for char in (text if len(text) <= 60 else f"{text[:59]}…"))


@dataclass(frozen=True)
class Variants:
    """The variants of a study."""

    base: Document
    """The study itself, without its section ``variants``."""
    said: Document
    """The document with the values: the study, or its table."""
    start: Path
    """Where the values are in it: for each path a list, or a range."""
    variants: tuple[Variant, ...]

    def document(self, variant: Variant) -> Document:
        """The study of a variant, with the positions at which its values are said.

        :raises PlaceError: when a value has no place in the study
        """
        document = self.base
        for path, value in variant.values.items():
            document = with_value(document, path, self._written(path, value, variant.places[path]))
        return document

    def _written(self, path: str, value: Any, place: Path) -> Written:
        inner = [(), *_paths(value)] if place[-1] != "range" else [()]  # few of many values: looked up, not searched
        spans = {tail: self.said.spans[(*place, *tail)] for tail in inner if (*place, *tail) in self.said.spans}
        grouped = {tail: self.said.grouped[(*place, *tail)] for tail in inner if (*place, *tail) in self.said.grouped}
        return Written(value, self.said.key_span((*self.start, path)), spans, grouped)


def _paths(value: Any, at: Path = ()) -> list[Path]:
    """The paths of everything within a value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path for key, item in items for path in ((*at, key), *_paths(item, (*at, key)))]


def without_variants(document: Document) -> Document:
    """A study without its section ``variants``."""
    data = {key: value for key, value in (document.data or {}).items() if key != VARIANTS}

    def kept(found: Mapping[Path, Any]) -> dict[Path, Any]:
        return {path: item for path, item in found.items() if path[:1] != (VARIANTS,)}

    return replace(document, data=data, spans=kept(document.spans), grouped=kept(document.grouped))


def variants_of(document: Document, data: Mapping[str, Any], table: Document | None) -> Variants:
    """The variants of a study that has the section, after its checks.

    :param data: the study with every default filled in
    :param table: the table that the section names
    """
    section = data[VARIANTS]
    said, start = (document, (VARIANTS, OVER)) if table is None else (table, ())
    over: Mapping[str, Any] = section[OVER] if table is None else table.data or {}
    rows: Iterable[Iterable[Any]]
    if section["combine"] == "random" and table is None:
        drawn = draw(scan_over(data), section["n"], section.get("seed", data["seed"]), VARIANTS)
        rows = (row.values() for row in drawn)
    else:
        numbers = [range(len(values)) for values in over.values()]
        is_grid = section["combine"] == "grid" and table is None
        rows = product(*numbers) if is_grid else zip(*numbers, strict=True)
    found = []
    for k, row in enumerate(rows, start=1):
        values: dict[str, Any] = {}
        places: dict[str, Path] = {}
        for path, chosen in zip(over, row, strict=True):
            is_list = isinstance(over[path], list)
            places[path] = (*start, path, chosen if is_list else "range")
            values[path] = over[path][chosen] if is_list else chosen
        shown = {path: said.grouped.get(places[path], value) for path, value in values.items()}
        found.append(Variant(f"v{k}", values, places, shown))
    base = without_variants(document)
    base = base if table is None else replace(base, bases=(*base.bases, table))
    return Variants(base, said, start, tuple(found))


def scan_over(data: Mapping[str, Any]) -> dict[str, tuple[Any, ...] | Range]:
    """What a random search draws from: numbers of the values of a list, or a range."""
    return {
        path: tuple(range(len(said)))
        if isinstance(said, list)
        else Range(said["range"][0], said["range"][1], log=said["scale"] == "log", integer=is_whole(data, path))
        for path, said in data[VARIANTS][OVER].items()
    }


def is_whole(data: Mapping[str, Any], path: str) -> bool:
    """Whether the language has a whole number in this place."""
    value: Any = data
    schema: Any = resolve(load_schema())
    for word in path.split("."):
        key: Any = int(word) if isinstance(value, list) and word.isdecimal() else word
        schema = child_schema(in_force(schema, value) or {}, key)
        if schema is None:
            return False
        try:
            value = value[key]
        except (LookupError, TypeError):
            value = None
    kinds = schema.get("type", ())
    return "integer" in kinds and "number" not in kinds


class TableError(ValueError):
    """A table of variants cannot be read."""

    def __init__(self, message: str, span: Span, help_text: str = "") -> None:
        super().__init__(message)
        self.span, self.help_text = span, help_text


def read_table(text: str, name: str) -> Document:
    """A table of variants as a document: for each path of its first line the list of its values.

    :param name: the file's name in messages
    :raises TableError: when it is not such a table
    """
    text = text.removeprefix("\ufeff")
    rows = csv.reader(StringIO(text, newline=""), strict=True)
    values: dict[str, list[Any]] = {}
    spans: dict[Path, tuple[Span, Span]] = {}
    grouped: dict[Path, float] = {}
    try:
        header = [word.strip() for word in next(rows, [])]
        at = _line(max(rows.line_num, 1), name)
        if reason := _flaw(header):
            raise TableError(f"its first line {reason}", at)
        values = {path: [] for path in header}
        spans = {(path,): (at, at) for path in header}
        for cells in rows:
            at = _line(rows.line_num, name)
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                paths = f"{len(header)} path{'' if len(header) == 1 else 's'}"
                message = f"the number of values is {len(cells)}, but the first line has {paths}"
                raise TableError(message, at, "give every line one value for each path, with commas between them")
            for path, cell in zip(header, cells, strict=True):
                if not cell.strip():
                    raise TableError(f"the value of {path} is missing", at)
                place, value = (path, len(values[path])), plain_scalar(cell.strip())
                if isinstance(value, float) and not isfinite(value):
                    raise TableError(f"{path} is not a finite number", at)
                spans[place] = (at, at)
                number = plain_scalar(cell.strip().replace("_", ""))
                if isinstance(value, str) and not isinstance(number, str | None):
                    grouped[place] = number
                values[path].append(value)
    except csv.Error as error:
        raise TableError(f"it cannot be read: {error}", _line(rows.line_num, name)) from error
    if not next(iter(values.values())):
        raise TableError("it has no line with values", at)
    return Document(name, text, values, spans, grouped=grouped)


def _flaw(header: list[str]) -> str:
    """What is wrong with the paths of a table; empty if nothing is."""
    if not any(header):
        return "is empty"
    if len(header) == 1 and any(char in header[0] for char in ";\t"):
        return "has no comma: separate its columns by commas, not by semicolons or tabs"
    if len(header) > MOST_PATHS:
        return f"has {len(header):,} paths, more than {MOST_PATHS:,}"
    if "" in header:
        return f"has no path for column {header.index('') + 1}"
    twice = [path for path, n in Counter(header).items() if n > 1]
    return f"has the path {twice[0]!r} twice" if twice else ""


def _line(number: int, name: str) -> Span:
    return Span(number, 1, number + 1, 1, name)
