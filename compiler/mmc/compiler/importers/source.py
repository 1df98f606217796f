"""Read another tool's YAML: every value has its position, and unused keys are recorded."""

from collections.abc import Iterator
from typing import Any

from mmc.compiler.language.diagnostics import did_you_mean, show
from mmc.compiler.language.document import Document, Path, load
from mmc.errors import UsageError

KINDS: dict[type, str] = {
    dict: "a mapping",
    list: "a list",
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "`true` or `false`",
}


class Source:
    """A mapping of an input file; keys that are read are marked as used."""

    def __init__(self, document: Document, path: Path = ()) -> None:
        self._document = document
        self._path = path
        value: Any = document.data
        for key in path:
            value = value[key]
        self._data: dict[str, Any] = value
        self._taken: set[str] = set()
        self._parts: list[Source] = []

    @classmethod
    def read(cls, content: bytes, name: str) -> "Source":
        """The whole file.

        :raises UsageError: when the file is not a YAML mapping
        """
        document = load(content, name)
        if document.diagnostics:
            first = document.diagnostics[0]
            raise UsageError(f"{name}:{first.span.line}: {first.message}")
        return cls(document.with_values(document.grouped))  # as in that tool's YAML 1.1

    def __contains__(self, key: str) -> bool:
        return self._data.get(key) is not None

    def take(self, key: str, kind: type, default: Any = ...) -> Any:
        """The value of a key, of that kind; null counts as absent.

        :raises UsageError: when it is absent and has no default, or is of another kind
        """
        self._taken.add(key)
        value = self._data.get(key)
        if value is None:
            if default is not ...:
                return default
            guess = did_you_mean(key, self._data)
            raise self.wrong(None, f"there is no `{key}`" + (f"; is `{guess}` meant?" if guess else ""))
        is_kind = isinstance(value, (int, float) if kind is float else kind)
        if not is_kind or (isinstance(value, bool) and kind is not bool):
            raise self.wrong(key, f"`{key}` is {KINDS[kind]}, not {show(value)}")
        return value

    def any(self, key: str) -> Any:
        """The value of a key, of any kind; None if absent."""
        self._taken.add(key)
        return self._data.get(key)

    def part(self, key: str) -> "Source":
        """The mapping at a key."""
        self.take(key, dict)
        return self._part((key,))

    def parts(self, key: str, *, absent_is_empty: bool = False) -> list["Source"]:
        """The mappings in the list at a key."""
        entries = self.take(key, list, [] if absent_is_empty else ...)
        for index, entry in enumerate(entries):
            if not isinstance(entry, dict):
                raise self.wrong(key, f"entry {index + 1} of `{key}` is a mapping, not {show(entry)}")
        return [self._part((key, index)) for index in range(len(entries))]

    def _part(self, steps: Path) -> "Source":
        part = Source(self._document, (*self._path, *steps))
        self._parts.append(part)
        return part

    def keys(self) -> list[str]:
        """All keys, in their order."""
        return list(self._data)

    def wrong(self, key: str | None, message: str) -> UsageError:
        """An error at a key, or at the mapping itself."""
        path = self._path if key is None else (*self._path, key)
        return UsageError(f"{self._document.path}:{self._document.key_span(path).line}: {message}")

    def left(self) -> Iterator[tuple[str, int, Any]]:
        """The unused keys, each with its line and value."""
        for key, value in self._data.items():
            if key not in self._taken:
                place = (*self._path, key)
                yield ".".join(map(str, place)), self._document.key_span(place).line, value
        for part in self._parts:
            yield from part.left()
