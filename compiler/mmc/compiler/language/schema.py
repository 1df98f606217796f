"""The JSON Schema of the study language, and the defaults that it declares."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

VERSION = "1.0"
"""The version of the study language that this mmc reads."""


_GROUPED = {"$ref": "#/definitions/grouped"}


@cache
def load_schema(name: str = "study") -> dict[str, Any]:
    """The parsed schema ``schema/<VERSION>/<name>.json``, without grouped numbers, which only editors need."""
    schema: dict[str, Any] = json.loads(schema_text(name), object_hook=_without_grouped)
    return schema


def schema_text(name: str = "study") -> str:
    """The schema as it ships with the package."""
    return (resources.files("mmc.schema") / VERSION / f"{name}.json").read_text(encoding="utf-8")


def _without_grouped(part: dict[str, Any]) -> dict[str, Any]:
    """A part of the schema without the pattern for ``150_000``, which mmc reads as a number before the checks."""
    if part.get("allOf") != [_GROUPED]:
        return part
    kinds = [kind for kind in part["type"] if kind != "string"]
    kept = {key: value for key, value in part.items() if key != "allOf"}
    return {**kept, "type": kinds[0] if len(kinds) == 1 else kinds}


def resolve(subschema: Mapping[str, Any]) -> dict[str, Any]:
    """A subschema with its ``$ref`` and ``allOf`` merged in; its own keys override the merged ones.

    Conditional parts are kept separately, as ``branches``. Callers do not change the result.
    """
    _, resolved = _RESOLVED.get(id(subschema), (None, None))
    if resolved is None:
        resolved = _merged(subschema)
        _RESOLVED[id(subschema)] = subschema, resolved  # the first keeps its id from being used again
        _RESOLVED[id(resolved)] = resolved, resolved
    return resolved


_RESOLVED: dict[int, tuple[Mapping[str, Any], dict[str, Any]]] = {}
"""Each part of the schema that was resolved, by its identity: a study has many values in the same place."""


def _merged(subschema: Mapping[str, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    if "$ref" in subschema:
        name = subschema["$ref"].removeprefix("#/definitions/")
        merged.update(resolve(load_schema()["definitions"][name]))
    parts = subschema.get("allOf", ())
    for part in parts:
        merged.update(resolve(part) if "if" not in part else {})
    if branches := [part for part in parts if "if" in part]:
        merged["branches"] = branches
    merged.update({key: value for key, value in subschema.items() if key not in ("$ref", "allOf")})
    return merged


def tag_of(branch: Mapping[str, Any]) -> tuple[str, Any]:
    """The key and the value that select a branch of a schema.

    >>> tag_of({"if": {"properties": {"generator": {"const": "madgraph"}}}, "then": {}})
    ('generator', 'madgraph')
    """
    ((key, condition),) = branch["if"]["properties"].items()
    return key, condition["const"]


def in_force(schema: Mapping[str, Any], value: Any) -> Mapping[str, Any] | None:
    """A resolved subschema with the branch that the value's tag selects; None if the tag is invalid."""
    if "branches" not in schema or not isinstance(value, dict):
        return schema
    for branch in schema["branches"]:
        key, wanted = tag_of(branch)
        if value.get(key) == wanted or (key not in value and key not in branch["if"].get("required", ())):
            return _with_branch(schema, branch["then"])
    return None


def _with_branch(schema: Mapping[str, Any], then: Mapping[str, Any]) -> dict[str, Any]:
    """A resolved subschema with a branch of its own; made once, as :func:`resolve` does."""
    key = id(schema), id(then)
    _, merged = _CHOSEN.get(key, (None, None))
    if merged is None:
        chosen = resolve(then)
        merged = {**schema, **chosen, "properties": {**chosen["properties"], **schema["properties"]}}
        _CHOSEN[key] = schema, merged
    return merged


_CHOSEN: dict[tuple[int, int], tuple[Mapping[str, Any], dict[str, Any]]] = {}
"""Each part of the schema with each of its branches, by their identities."""


def child_schema(schema: Mapping[str, Any], key: str | int) -> dict[str, Any] | None:
    """The resolved subschema of an entry of the mapping or list ``schema``; None if it declares none."""
    if isinstance(key, int):
        child = schema.get("items")
    else:
        child = schema.get("properties", {}).get(key, schema.get("additionalProperties"))
    return resolve(child) if isinstance(child, Mapping) else None


def walk(value: Any, schema: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], Any, Mapping[str, Any]]]:
    """Every value of a study that the schema describes, from the outside in, with its path and resolved subschema."""
    waiting: list[tuple[tuple[str | int, ...], Any, Mapping[str, Any]]] = [((), value, schema)]
    while waiting:
        found = waiting.pop()
        yield found
        path, value, schema = found
        items: Any = ()
        if isinstance(value, dict):
            items = value.items()
        elif isinstance(value, list):
            items = enumerate(value)
        chosen = in_force(schema, value) if items else None
        if chosen is None:
            continue
        inner = [((*path, key), item, child) for key, item in items if (child := child_schema(chosen, key)) is not None]
        waiting += reversed(inner)


def fill_defaults(value: Any, schema: Mapping[str, Any] | None = None) -> Any:
    """A copy of a valid study (or of the part that ``schema`` describes) with every declared default filled in."""
    schema = in_force(resolve(load_schema() if schema is None else schema), value) or {}
    if isinstance(value, dict):
        filled = {key: _fill_child(item, schema, key) for key, item in value.items()}
        for key in schema.get("properties", {}):
            child = child_schema(schema, key)
            if key not in filled and child is not None and "default" in child:
                filled[key] = fill_defaults(child["default"], child)
        return filled
    if isinstance(value, list):
        return [_fill_child(item, schema, index) for index, item in enumerate(value)]
    return value


def _fill_child(value: Any, schema: Mapping[str, Any], key: str | int) -> Any:
    child = child_schema(schema, key)
    return value if child is None else fill_defaults(value, child)
