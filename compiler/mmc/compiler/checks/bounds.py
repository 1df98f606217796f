"""The largest sections of a study: rules compare the entries of sections with each other."""

from collections.abc import Iterator
from typing import Any

from mmc.compiler.language.diagnostics import Code, Diagnostic
from mmc.compiler.language.document import Document, Path

MOST_ENTRIES = 1000
"""The largest number of entries of a mapping; studies have a hundred of a kind at most."""

MMC015 = Code(
    "MMC015",
    "A section has too many entries",
    f"A mapping of a study has at most {MOST_ENTRIES:,} entries: parameters, samples, methods and so on. "
    "Rules compare entries with each other, and every entry becomes jobs or columns. The rest of the study is checked "
    "when this is repaired.",
)


def too_many_entries(document: Document) -> Iterator[Diagnostic]:
    """The mappings with too many entries; keys that start with `x-` are free."""
    for path, found in _mappings(document.data, ()):
        if len(found) > MOST_ENTRIES:
            where = f"`{path[-1]}`" if path else "the study"
            message = f"{where} has {len(found):,} entries; at most {MOST_ENTRIES:,} are read"
            yield MMC015.at(document.path, document.key_span(path), message, "remove some of them")


def _mappings(value: Any, path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    if isinstance(value, dict):
        yield path, value
        for key, item in value.items():
            if path or not key.startswith("x-"):
                yield from _mappings(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, dict | list):
                yield from _mappings(item, (*path, index))
