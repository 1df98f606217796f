"""What to do about a value of the wrong type."""

import json
import re
from collections.abc import Mapping
from typing import Any

from mmc.compiler.language.diagnostics import one_of, show
from mmc.compiler.language.document import Path
from mmc.compiler.language.schema import resolve

_SEVERAL = {
    "luminosity": "write one luminosity, as in `300 fb^-1`; several are a list in `evaluation`",
    "energy": "write one energy, as in `6500 GeV`; both beams have it (with `generator: madgraph` each its own)",
}
"""The help where several quantities of a dimension are given in place of one."""


def type_help(value: Any, kinds: list[str], schema: Mapping[str, Any], path: Path) -> str:
    """How to write a value in the type that the language needs; empty if it is not clear.

    :param kinds: the allowed types, as in a JSON Schema
    :param schema: the schema of the place
    :param path: the place in the study
    """
    if isinstance(value, list | dict):
        return _of_collection(value, kinds, schema, path)
    if isinstance(value, str):
        if "boolean" in kinds and value.lower() in ("yes", "on", "no", "off"):
            return f"write `{'true' if value.lower() in ('yes', 'on') else 'false'}`"
        if {"integer", "number"} & set(kinds):
            return _as_number(value, kinds)
    if kinds == ["string"]:
        return "put it in quotes"
    if kinds == ["array"]:
        is_numeric = isinstance(value, str) and resolve(schema.get("items", {})).get("type") in ("number", "integer")
        return "write it in brackets, as in `[-1, 1]`" if is_numeric else f"write it in brackets: `[{show(value)}]`"
    return _keys(value, schema) if "object" in kinds else ""


def _as_number(text: str, kinds: list[str]) -> str:
    if "inf" in text.casefold():
        return "give a finite number"
    if text.strip().endswith("%"):
        return "write it without `%`: 0.1 for 10 %, or 1.1 as a factor"
    try:
        float(text)
    except ValueError:
        number = _number(text)
        if number is None or ("number" not in kinds and not number.is_integer()):
            return ""
        return f"write `{number:_.0f}`" if number.is_integer() else f"write `{number:g}`"
    return f"write `{text.strip().replace('_', '')}` without quotes"


def _of_collection(value: Any, kinds: list[str], schema: Mapping[str, Any], path: Path) -> str:
    if schema.get("x-dimension") in _SEVERAL:
        return _SEVERAL[schema["x-dimension"]]
    if kinds == ["object"]:
        return _keys(value, schema)
    if path[:-1] == ("groups",) and isinstance(value, dict) and "samples" in value:
        return "write the list of samples; cuts and a luminosity of their own have entries of `regions`"
    if kinds == ["array"]:
        return "write `- ` before each entry, or all in brackets: `[…, …]`"
    is_single = isinstance(value, list) and len(value) == 1 and isinstance(value[0], str | int | float)
    return f"leave the brackets out: `{show(value[0])}`" if is_single else ""


def _keys(value: Any, schema: Mapping[str, Any]) -> str:
    """The key for which a value is right, such as `{benchmark: sm}` for `sm`, or all keys."""
    known = schema.get("properties")
    if not known:
        return "write a name before each entry, as in `name: …`"
    key = next((key for key, child in known.items() if _accepts(resolve(child), value)), None)
    written = json.dumps(value) if isinstance(value, list) else str(value)
    if key is None or len(written) > _LONGEST:
        return f"write its keys: {one_of(known)}"
    return f"write `{{{key}: {written}}}`"


_LONGEST = 60


def _accepts(schema: Mapping[str, Any], value: Any) -> bool:
    kinds, items = schema.get("type", ()), schema.get("items")
    if "enum" in schema:
        return value in schema["enum"]
    if isinstance(value, list):
        is_list = "array" in ([kinds] if isinstance(kinds, str) else kinds)
        return is_list and all(_accepts(resolve(items or {}), entry) for entry in value)
    wanted = [kinds] if isinstance(kinds, str) else kinds
    types = {str: ("string",), int: ("integer", "number"), float: ("number",), bool: ("boolean",)}
    return "x-dimension" not in schema and any(kind in wanted for kind in types.get(type(value), ()))


def _number(text: str) -> float | None:
    """The number that a text such as `50,000`, `50_000` or `50k` means."""
    found = re.fullmatch(r"\s*([\d,_]*\.?\d+(?:e[+-]?\d+)?)\s*([kM]?)\s*", text)
    if found is None:
        return None
    return float(found[1].replace(",", "").replace("_", "")) * {"": 1, "k": 1e3, "M": 1e6}[found[2]]
