"""Write YAML with comments, as in hand-written studies: short values on one line."""

from collections.abc import Iterable, Iterator, Mapping
from textwrap import wrap
from typing import Any

import yaml

from mmc.compiler.language.document import plain_scalar
from mmc.printing import plain

WIDTH = 120


class _Dumper(yaml.SafeDumper):
    """Also quotes text that only YAML 1.2 would not read as text, such as `1e3`; PyYAML follows YAML 1.1."""

    def represent_str(self, data: str) -> yaml.ScalarNode:
        style = None if isinstance(plain_scalar(data), str) else "'"
        if not data.isprintable():  # with escapes it stays on its line
            style = '"'
        return self.represent_scalar("tag:yaml.org,2002:str", data, style)


_Dumper.add_representer(str, _Dumper.represent_str)


def flow(value: Any) -> str:
    """A value on one line.

    >>> flow({"range": [-1, 1.5], "label": "a: b"})
    "{range: [-1, 1.5], label: 'a: b'}"
    """
    options: dict[str, Any] = {"default_flow_style": True, "width": float("inf"), "sort_keys": False}
    text: str = yaml.dump(value, Dumper=_Dumper, allow_unicode=True, **options)
    return text.removesuffix("\n").removesuffix("\n...")


def comment(text: str, indent: int = 0) -> list[str]:
    """A comment, broken into lines."""
    start = " " * indent + "# "
    return wrap(" ".join(plain(text).split()), WIDTH, initial_indent=start, subsequent_indent=start)


def mapping(entries: Mapping[str, Any], indent: int = 0, comments: Mapping[str, Iterable[str]] = {}) -> Iterator[str]:
    """A line for each entry, after the comments on it."""
    for key, value in entries.items():
        for text in comments.get(key, ()):
            yield from comment(text, indent)
        yield entry(key, value, indent)


def entry(key: str, value: Any, indent: int = 0) -> str:
    """The line of an entry; two lines for a key that is too long to be one without a question mark."""
    start, name = " " * indent, flow(key)
    return f"{start}{name}: {flow(value)}" if len(name) < _LONGEST_KEY else f"{start}? {name}\n{start}: {flow(value)}"


_LONGEST_KEY = 1000
