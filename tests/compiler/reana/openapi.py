"""Requests and responses held against an OpenAPI 2.0 specification, with jsonschema."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft4Validator

_TYPES = {
    "boolean": re.compile(r"true|false", re.IGNORECASE),
    "integer": re.compile(r"-?\d+"),
    "string": re.compile(r".*", re.DOTALL),
    "array": re.compile(r".*", re.DOTALL),
}


@dataclass(frozen=True)
class Operation:
    """One operation of the interface, with the values of the parameters in its path."""

    name: str
    description: Mapping[str, Any]
    path: Mapping[str, str]

    def request_problems(self, query: Mapping[str, list[str]], content_type: str, body: Any) -> Iterator[str]:
        """What is wrong with a request; ``body`` is None where there is none, bytes where it is no JSON."""
        parameters = {(item["in"], item["name"]): item for item in self.description.get("parameters", [])}
        for name, values in query.items():
            item = parameters.get(("query", name))
            # the client repeats the parameter of a download's path in the query
            if item is None and name not in self.path:
                yield f"{self.name}: unknown parameter {name}"
            for value in values if item is not None else ():
                if not _TYPES[item["type"]].fullmatch(value):
                    yield f"{self.name}: {name}={value} is no {item['type']}"
        for (where, name), item in parameters.items():
            missing = (where == "query" and name not in query) or (where == "body" and body is None)
            if item.get("required") and missing:
                yield f"{self.name}: lacks {name}"
            if where == "body" and body is not None and not isinstance(body, bytes):
                yield from (f"{self.name}: {error.message}" for error in _errors(item["schema"], body))
        if body is not None and content_type not in self.description.get("consumes", [content_type]):
            yield f"{self.name}: body of type {content_type}"

    def response_problems(self, status: int, body: Any) -> Iterator[str]:
        """What is wrong with a response, where it is JSON."""
        response = self.description["responses"].get(str(status))
        if response is None:
            yield f"{self.name}: the status {status} is not documented"
        elif body is not None:
            yield from (f"{self.name}: {error.message}" for error in _errors(response.get("schema", {}), body))

    def example(self, status: int) -> Any:
        """The specification's own example of a response."""
        return self.description["responses"][str(status)]["examples"]["application/json"]


def find(specification: Mapping[str, Any], method: str, path: str) -> Operation | None:
    """The operation that a request asks for; the one with the most words where several match."""
    found = []
    for template, methods in specification["paths"].items():
        # only a file's name holds slashes
        pattern = re.sub(
            r"\\{(\w+)\\}", lambda m: f"(?P<{m[1]}>{'.+' if m[1] == 'file_name' else '[^/]+'})", re.escape(template)
        )
        match = re.fullmatch(pattern, path)
        if match and method.lower() in methods:
            description = methods[method.lower()]
            found.append((len(match.groups()), Operation(description["operationId"], description, match.groupdict())))
    return min(found, key=lambda item: item[0])[1] if found else None


def _errors(schema: Mapping[str, Any], body: Any) -> Iterator[Any]:
    return Draft4Validator(_nullable(schema)).iter_errors(body)  # type: ignore[no-untyped-call, no-any-return]


def _nullable(schema: Any) -> Any:
    """The schema with OpenAPI's ``x-nullable`` in the words of JSON Schema."""
    if isinstance(schema, list):
        return [_nullable(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _nullable(value) for key, value in schema.items()}
    if made.pop("x-nullable", False):
        made["type"] = [made["type"], "null"]
    return made
