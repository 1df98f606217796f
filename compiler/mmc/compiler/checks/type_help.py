"""What to do about a value of the wrong type."""

from collections.abc import Mapping
from typing import Any

from mmc.compiler.language.diagnostics import one_of, show

_SEVERAL = {
    "luminosity": "write one luminosity, as in `300 fb^-1`; for another one, write another study",
    "energy": "write one energy, as in `6500 GeV`; both beams have it",
}
"""The help where several quantities of a dimension are given in place of one."""


def type_help(value: Any, kinds: list[str], schema: Mapping[str, Any]) -> str:
    """How to write a value in the type that the language needs; empty if it is not clear.

    :param kinds: the allowed types, as in a JSON Schema
    :param schema: the schema of the place
    """
    if isinstance(value, list | dict):
        return _of_collection(value, kinds, schema)
    if isinstance(value, str):
        if "boolean" in kinds and value.lower() in ("yes", "on", "no", "off"):
            return f"write `{'true' if value.lower() in ('yes', 'on') else 'false'}`"
        if {"integer", "number"} & set(kinds) and _is_number(value):
            return f"write `{value.strip().replace('_', '')}` without quotes"
    if kinds == ["string"]:
        return "put it in quotes"
    if kinds == ["array"]:
        return f"write it in brackets: `[{show(value)}]`"
    return _keys(schema) if kinds == ["object"] else ""


def _of_collection(value: Any, kinds: list[str], schema: Mapping[str, Any]) -> str:
    if schema.get("x-dimension") in _SEVERAL:
        return _SEVERAL[schema["x-dimension"]]
    if kinds == ["object"]:
        return _keys(schema)
    if kinds == ["array"]:
        return "write `- ` before each entry, or all in brackets: `[…, …]`"
    is_single = isinstance(value, list) and len(value) == 1 and isinstance(value[0], str | int | float)
    return f"leave the brackets out: `{show(value[0])}`" if is_single else ""


def _keys(schema: Mapping[str, Any]) -> str:
    known = schema.get("properties")
    return f"write its keys: {one_of(known)}" if known else "write a name before each entry, as in `name: …`"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
