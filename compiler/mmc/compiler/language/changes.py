"""Changes of a study on the command line: ``--set evaluation.luminosity='3 ab^-1'``."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from mmc.compiler.language.bases import EXTENDS
from mmc.compiler.language.diagnostics import Span, show
from mmc.compiler.language.document import Document, Path, load
from mmc.errors import UsageError

_OPTION = "--set "
_VALUE = "value: "


def changed(document: Document, changes: Sequence[str]) -> Document:
    """The document with other values, each as ``KEY=VALUE``: keys with dots between them, and the value in YAML.

    A message about such a value points at a line after the end of the study, which shows the change.

    :raises UsageError: when a change cannot be read, or has no place in the study
    """
    for text in changes:
        document = _changed(document, text)
    return document


def _changed(document: Document, text: str) -> Document:
    key, separator, written = text.partition("=")
    if not separator or not key or not written or not text.isprintable():
        raise UsageError(f"--set: {show(text)} is not KEY=VALUE, as in seed=3")
    if key == EXTENDS:
        raise UsageError("--set: the base of a study cannot be set; write another study that extends the base")
    if document.data is None:
        return document
    value = load(f"{_VALUE}{written}", "the command line")
    if value.data is None or list(value.data) != ["value"] or value.diagnostics:
        reason = value.diagnostics[0].message if value.diagnostics else "it is not one value"
        raise UsageError(f"--set: the value of {show(key)} cannot be read: {reason}")
    line = f"{_OPTION}{text}"
    lines = [*document.lines, line]
    shift = len(_OPTION) + len(key) + 1 - len(_VALUE)
    at_key = Span(len(lines), len(_OPTION) + 1, len(lines), len(_OPTION) + 1 + len(key))

    def moved(span: Span) -> Span:
        return Span(len(lines), span.column + shift, len(lines), span.end_column + shift)

    spans = {place[1:]: (moved(first), moved(second)) for place, (first, second) in value.spans.items() if place}
    grouped = {place[1:]: number for place, number in value.grouped.items()}
    try:
        document = with_value(document, key, Written(value.data["value"], at_key, spans, grouped))
    except PlaceError as error:
        raise UsageError(f"--set: {error}") from error
    return replace(document, text="\n".join(lines))


class PlaceError(ValueError):
    """A value has no place in a study."""


@dataclass(frozen=True)
class Written:
    """A value that stands elsewhere than in its place in a study, with its positions there."""

    value: Any
    key: Span
    """The position of the path of its place in the study."""
    spans: Mapping[Path, tuple[Span, Span]]
    """As those of a document, by the path within the value."""
    grouped: Mapping[Path, float]
    """Likewise."""


def with_value(document: Document, name: str, written: Written) -> Document:
    """The document with another value in a place, whose path has dots between its keys. Mappings that lead there are
    made if they are missing.

    :raises PlaceError: when there is no such place
    """
    data = deepcopy(document.data)
    path = _put(data, name.split("."), written.value, name)

    def kept(place: Path) -> bool:
        return place[: len(path)] != path

    spans = {place: span for place, span in document.spans.items() if kept(place)}
    for count in range(1, len(path)):
        spans.setdefault(path[:count], (written.key, written.key))
    for inner, (first, second) in written.spans.items():
        spans[(*path, *inner)] = (first if inner else written.key, second)
    grouped = {place: number for place, number in document.grouped.items() if kept(place)}
    grouped |= {(*path, *inner): number for inner, number in written.grouped.items()}
    broken = frozenset(place for place in document.broken if kept(place))
    return replace(document, data=data, spans=spans, broken=broken, grouped=grouped)


def _put(data: Any, keys: Sequence[str], value: Any, name: str) -> Path:
    """Put a value into nested mappings and lists; the path at which it is."""
    place, path = data, []
    for count, key in enumerate(keys, start=1):
        index: Any = key
        if isinstance(place, list):
            if not key.isdecimal() or str(int(key)) != key or int(key) >= len(place):
                raise PlaceError(f"{show(name)} has no place in the study: the list has no entry {show(key)}")
            index = int(key)
        elif not isinstance(place, dict):
            outer = show(".".join(keys[: count - 1]))
            raise PlaceError(f"{show(name)} has no place in the study: {outer} is a value")
        path.append(index)
        if count == len(keys):
            place[index] = value
        elif isinstance(place, dict):
            place = place.setdefault(index, {})
        else:
            place = place[index]
    return tuple(path)
