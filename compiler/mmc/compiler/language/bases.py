"""Studies that build on others: ``extends: base.yaml``.

Mappings merge key by key; lists and single values replace those of the base; an empty value (``null``) removes what the
base has. The result has the positions of all its values, each in the file from which it is.
"""

import posixpath
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from mmc.compiler.language.diagnostics import Code, Span, show
from mmc.compiler.language.document import Document, Path, load
from mmc.compiler.language.schema import VERSION, load_schema, resolve, walk

EXTENDS = "extends"
_LANGUAGE = "mmc"

MMC112 = Code(
    "MMC112",
    "A study extends a file that cannot be read",
    "`extends` names another study, with a path relative to the study that says it. A study is a folder that can be "
    "copied and compiled elsewhere, so its bases lie in this folder too.",
)
MMC113 = Code(
    "MMC113",
    "Studies extend each other in a circle",
    "A study builds on its base, and the base perhaps on another one; none of them can build on the first again.",
)
MMC114 = Code(
    "MMC114",
    "A base is written in another version of the language",
    f'A study and its bases are in one language, and each of them says so: `mmc: "{VERSION}"`. Otherwise a base need '
    "not be a whole study.",
)


class Reader(NamedTuple):
    """Reads files of the study's folder, by their paths in it."""

    look_up: Callable[[str], str]
    """What a path is: "file", "missing", "folder" or "outside"."""
    read: Callable[[str], bytes]
    name: Callable[[str], str]
    """The name of the file in messages."""


def extended(document: Document, place: str, reader: Reader) -> Document:
    """The study with everything that it has from its bases, or its problems without data if a base cannot be read.

    :param place: the path of the study in its folder
    """
    chain, folders = [document], {"": ""}
    found = {posixpath.normpath(place): document}
    while (last := chain[-1]).data is not None and isinstance(text := last.data.get(EXTENDS), str):
        folder = folders[""] if len(chain) == 1 else folders[last.path]
        base = _base(last, posixpath.normpath(posixpath.join(folder, text)), reader, found)
        chain.append(base)
        folders[base.path] = posixpath.dirname(posixpath.normpath(posixpath.join(folder, text)))
    if len(chain) == 1:
        return document
    diagnostics = tuple(item for each in chain for item in each.diagnostics)
    bases = tuple(base for base in chain[1:] if base.text)
    if chain[-1].data is None:
        return replace(document, data=None, diagnostics=diagnostics, bases=bases)
    whole = chain[-1]
    for upper in reversed(chain[:-1]):
        whole = _merged(whole, upper)
    return _moved(replace(whole, diagnostics=diagnostics, bases=bases), folders)


def _base(document: Document, path: str, reader: Reader, found: dict[str, Document]) -> Document:
    """The base of a study; without data if something is wrong with it, and without text if it was not read."""
    name, at = reader.name(path), document.value_span((EXTENDS,))

    def wrong(code: Code, message: str, help_text: str, span: Span = at, text: str = "") -> Document:
        return Document(name, text, diagnostics=(code.at(document.path, span, message, help_text),))

    if path in found:
        return wrong(MMC113, f"{show(path)} builds on itself", "let both extend a third file with what they share")
    kind = "outside" if path.startswith(("/", "..")) else reader.look_up(path)
    if kind != "file":
        reason, help_text = _REASONS[kind]
        return wrong(MMC112, f"{show(path)} {reason}", help_text)
    base = found[path] = load(reader.read(path), name)
    if base.data is None:
        return base
    spans = {place: (key._replace(file=name), value._replace(file=name)) for place, (key, value) in base.spans.items()}
    data, base = base.data, replace(base, spans=spans)
    if data.get(_LANGUAGE) != VERSION:
        message = f"the base {show(path)} is not in version {VERSION} of the language"
        span = base.value_span((_LANGUAGE,)) if _LANGUAGE in data else Span(1, 1, 1, 1, name)
        return wrong(MMC114, message, f'start it with `mmc: "{VERSION}"`', span, base.text)
    if not isinstance(data.get(EXTENDS, ""), str):
        return wrong(MMC112, f"{show(data[EXTENDS])} is not a path", "name one file", base.value_span((EXTENDS,)))
    return base


_REASONS = {
    "missing": ("does not exist", "the path is relative to the folder of the file that says `extends`"),
    "outside": ("lies outside the study's folder", "copy it into the study's folder and name it from there"),
    "folder": ("is a folder or cannot be read", "name a file"),
}


def _merged(lower: Document, upper: Document) -> Document:
    """Two documents as one; what the upper one says counts."""
    replaced: set[Path] = set()
    removed: set[Path] = set()

    def merge(below: Mapping[str, Any], above: Mapping[str, Any], path: Path) -> dict[str, Any]:
        result = dict(below)
        for key, value in above.items():
            at = (*path, key)
            if isinstance(value, dict) and isinstance(below.get(key), dict):
                result[key] = merge(below[key], value, at)
                continue
            replaced.add(at)
            if value is None and at not in upper.broken and key in below:
                removed.add(at)
                del result[key]
            else:
                result[key] = value
        return result

    data = merge(lower.data or {}, upper.data or {}, ())
    data.pop(EXTENDS, None)
    removed.add((EXTENDS,))

    def both(below: Mapping[Path, Any], above: Mapping[Path, Any]) -> dict[Path, Any]:
        kept = {place: item for place, item in below.items() if not _within(place, replaced)}
        return {place: item for place, item in {**kept, **above}.items() if not _within(place, removed)}

    return replace(
        upper,
        data=data,
        spans=both(lower.spans, upper.spans),
        broken=frozenset(both(dict.fromkeys(lower.broken), dict.fromkeys(upper.broken))),
        grouped=both(lower.grouped, upper.grouped),
    )


def _within(path: Path, places: set[Path]) -> bool:
    return any(path[:n] in places for n in range(1, len(path) + 1))


def _moved(document: Document, folders: Mapping[str, str]) -> Document:
    """The document with the paths of its files relative to the study, wherever they are written.

    An entry of ``trust`` is a path too if the same file names that path.
    """
    moved: dict[Path, str] = {}
    known: set[tuple[str, str]] = set()
    for place, value, schema in walk(document.data, resolve(load_schema())):
        file = document.value_span(place).file
        if isinstance(value, str) and folders[file] and _is_path(value, schema):
            moved[place] = posixpath.normpath(posixpath.join(folders[file], value))
            known.add((file, posixpath.normpath(value.rpartition(":")[0] if schema["x-file"] == "function" else value)))
    for place, value in _trusted(document):
        file = document.value_span(place).file
        if (file, posixpath.normpath(value)) in known:
            moved[place] = posixpath.normpath(posixpath.join(folders[file], value))
    return document.with_values(moved) if moved else document


def _is_path(value: str, schema: Mapping[str, Any]) -> bool:
    kind = schema.get("x-file", False)
    return kind is not False and (kind != "restriction" or value.endswith(".dat"))


def _trusted(document: Document) -> Iterator[tuple[Path, str]]:
    trust = (document.data or {}).get("trust")
    for index, value in enumerate(trust if isinstance(trust, list) else ()):
        if isinstance(value, str):
            yield ("trust", index), value
