"""Numbers with grouped digits: ``150_000`` is text in YAML 1.2; the study language reads it as a number."""

import re
from collections.abc import Mapping
from typing import Any

from mmc.compiler.checks.context import dotted
from mmc.compiler.checks.shape import MMC103
from mmc.compiler.language.diagnostics import Diagnostic, show
from mmc.compiler.language.document import Document
from mmc.compiler.language.schema import load_schema, resolve, walk


def read_grouped(document: Document) -> tuple[Document, list[Diagnostic]]:
    """The document with grouped digits read as numbers, and the problems of digits that are not in groups of three.

    Text in quotes stays text. So does ``1_000`` in a place for text, such as a title.
    """
    if not document.grouped:
        return document, []
    written = {
        path: (text, schema)
        for path, text, schema in walk(document.data, resolve(load_schema()))
        if path in document.grouped and {"integer", "number"} & set(_kinds(schema))
    }
    by_threes = re.compile(load_schema()["definitions"]["grouped"]["pattern"])
    problems = []
    for path, (text, schema) in written.items():
        if by_threes.fullmatch(text) is None:
            message = f"`{dotted(path)}` is {show(text)}, whose digits are not in groups of three"
            help_text = _way_out(document.grouped[path], quotes="string" in _kinds(schema))
            problems.append(MMC103.at(document.path, document.value_span(path), message, help_text))
    return document.with_values({path: document.grouped[path] for path in written}), problems


def _kinds(schema: Mapping[str, Any]) -> list[str]:
    kinds = schema.get("type", ())
    return [kinds] if isinstance(kinds, str) else list(kinds)


def _way_out(number: float, *, quotes: bool) -> str:
    grouped = f" or `{number:_}`" if abs(number) >= 1000 else ""
    return f"write `{number}`{grouped}" + (", or put it in quotes if it is text" if quotes else "")
