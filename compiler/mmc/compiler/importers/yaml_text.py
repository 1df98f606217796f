"""YAML with comments, as people write studies: short things on one line."""

from collections.abc import Iterable, Iterator, Mapping
from textwrap import wrap
from typing import Any

import yaml

WIDTH = 120


def flow(value: Any) -> str:
    """A value on one line.

    >>> flow({"range": [-1, 1.5], "label": "a: b"})
    "{range: [-1, 1.5], label: 'a: b'}"
    """
    text: str = yaml.safe_dump(value, default_flow_style=True, width=float("inf"), sort_keys=False, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")


def comment(text: str, indent: int = 0) -> list[str]:
    """A comment, broken into lines."""
    start = " " * indent + "# "
    return wrap(" ".join(text.split()), WIDTH, initial_indent=start, subsequent_indent=start)


def mapping(entries: Mapping[str, Any], indent: int = 0, comments: Mapping[str, Iterable[str]] = {}) -> Iterator[str]:
    """A line for each entry, after the comments on it."""
    for key, value in entries.items():
        for text in comments.get(key, ()):
            yield from comment(text, indent)
        yield f"{' ' * indent}{flow(key)}: {flow(value)}"
