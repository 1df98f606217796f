"""Typed settings as JSON and back: the planner writes the settings of a job, and the job's step reads them.

Each stage has frozen dataclasses of settings in this package. The planner builds one object for each job. The bundle
contains it as JSON, split into the settings that all jobs of the stage share (fields with the metadata :data:`SHARED`)
and the settings of the job. A field with its default value is not written, so a new field changes neither the bundles
nor the fingerprints of studies that do not use it. A field without a default is always written.
"""

import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache, partial
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from mmc.errors import SettingsError

SHARED: Mapping[str, Any] = types.MappingProxyType({"shared": True})
"""Metadata of a field whose value is the same for all jobs of a stage: ``seed: int = field(metadata=SHARED)``."""
INLINE: Mapping[str, Any] = types.MappingProxyType({"inline": True})
"""Metadata of a field that is a dataclass: in the JSON, the fields of the dataclass replace it. A field with the
default None is read if all fields of the dataclass without a default are present."""

T = TypeVar("T")

_PLAIN = frozenset({str, int, float, bool, types.NoneType})


def to_json(value: Any) -> Any:
    """The JSON value of settings: dataclasses become objects, without the fields that have their default value.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Beams:
    ...     particles: tuple[str, str]
    ...     pdf: int = 0
    >>> to_json(Beams(("p+", "p+")))
    {'particles': ['p+', 'p+']}
    """
    if type(value) in _PLAIN:
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return _encode(value, _fields(value.__class__))
    if isinstance(value, Mapping):
        return {key: to_json(child) for key, child in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [to_json(child) for child in value]
    return value


def split_shared(settings: Sequence[Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The JSON of the settings of a stage's jobs in two parts: the shared settings, and the settings of each job.

    Jobs with the same object of settings share the JSON too.

    :param settings: the settings of each job, at least one
    :raises ValueError: when a shared field differs between jobs
    """
    first = settings[0]
    shared, _ = _parts(first.__class__)
    expected = [(item.name, getattr(first, item.name)) for item in shared]
    different = {id(job): job for job in settings}
    for job in different.values():
        for name, value in expected:
            other = getattr(job, name)
            if other is not value and other != value:  # usually the same object
                raise ValueError(f"the jobs of a stage share {name}: {other!r} is not {value!r}")
    encoded = {key: _encode(job, _parts(job.__class__)[1]) for key, job in different.items()}
    return _encode(first, shared), [encoded[id(job)] for job in settings]


def from_json(cls: type[T], value: Any) -> T:
    """The settings that :func:`to_json` wrote.

    :raises SettingsError: when a field is missing, unknown or of the wrong type: another version of mmc wrote it
    """
    read: T = _read(cls, value, cls.__name__)
    return read


@dataclass(frozen=True)
class _Field:
    """The properties of a field that the encoding needs."""

    name: str
    default: Any
    """MISSING without a default."""
    shared: bool
    kind: Any
    """The annotated type; for an inline field the dataclass."""
    inline: bool


@cache
def _fields(cls: type) -> tuple[_Field, ...]:
    hints = get_type_hints(cls)
    found = []
    for item in fields(cls):
        default = item.default if item.default_factory is MISSING else item.default_factory()
        kind, inline = hints[item.name], item.metadata.get("inline", False)
        if inline and not is_dataclass(kind):
            kind = next(part for part in get_args(kind) if is_dataclass(part))
        found.append(_Field(item.name, default, item.metadata.get("shared", False), kind, inline))
    return tuple(found)


@cache
def _parts(cls: type) -> tuple[tuple[_Field, ...], tuple[_Field, ...]]:
    """The fields that all jobs of a stage share, and the fields of each job."""
    found = _fields(cls)
    return tuple(item for item in found if item.shared), tuple(item for item in found if not item.shared)


def _encode(settings: Any, items: Iterable[_Field]) -> dict[str, Any]:
    """The given fields as JSON, without the fields that have their default value."""
    written: dict[str, Any] = {}
    for item in items:
        value = getattr(settings, item.name)
        if item.default is MISSING or value != item.default:
            written |= to_json(value) if item.inline else {item.name: to_json(value)}
    return written


def _read(kind: Any, value: Any, where: str) -> Any:
    """The value converted to the annotated type.

    :raises SettingsError: when it is not of that type
    """
    if kind in _PLAIN and type(value) is kind:
        return value
    return _reader(kind)(value, where)


@cache
def _reader(kind: Any) -> Callable[[Any, str], Any]:
    """The function that reads values of a type; it is looked for once."""
    if is_dataclass(kind):
        return partial(_read_dataclass, kind)
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return partial(_read_union, inner)
    if origin is tuple:
        return partial(_read_tuple, inner)
    if origin is not None and origin is not Literal and issubclass(origin, Mapping):
        return partial(_read_mapping, inner[1])
    return partial(_read_plain, kind)


def _read_plain(kind: Any, value: Any, where: str) -> Any:
    return _expect(_is_plain(kind, value), value, where)


def _read_mapping(kind: Any, value: Any, where: str) -> dict[str, Any]:
    _expect(isinstance(value, Mapping), value, where)
    if kind in _PLAIN and all(type(child) is kind for child in value.values()):
        return dict(value)
    return {key: _read(kind, child, f"{where}.{key}") for key, child in value.items()}


def _is_plain(kind: Any, value: Any) -> bool:
    """Whether a plain value is of the type: an integer is also a float, a truth value is not a number."""
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if kind in (float, int):
        return isinstance(value, int | float if kind is float else int) and not isinstance(value, bool)
    return kind is Any or isinstance(value, kind)


def _read_tuple(kinds: Sequence[Any], value: Any, where: str) -> Any:
    _expect(isinstance(value, list), value, where)
    items = [kinds[0]] * len(value) if kinds[-1] is Ellipsis else kinds
    _expect(len(items) == len(value), value, where)
    return tuple(_read(kind, child, f"{where}[{k}]") for k, (kind, child) in enumerate(zip(items, value, strict=True)))


def _read_dataclass(kind: Any, value: Any, where: str) -> Any:
    _expect(isinstance(value, Mapping), value, where)
    used: set[str] = set()
    settings = _build(kind, value, where, used)
    for name in value:
        if name not in used:
            raise SettingsError(f"{where} has an unknown {name}")
    return settings


def _build(kind: Any, value: Mapping[str, Any], where: str, used: set[str]) -> Any:
    """A dataclass from its entries in ``value``; their names are added to ``used``."""
    read = {}
    for item in _fields(kind):
        if item.inline:
            if item.default is MISSING or _required(item.kind) <= set(value):
                read[item.name] = _build(item.kind, value, where, used)
        elif item.name in value:
            used.add(item.name)
            found = value[item.name]
            plain = item.kind in _PLAIN and type(found) is item.kind
            read[item.name] = found if plain else _reader(item.kind)(found, f"{where}.{item.name}")
        elif item.default is MISSING:
            raise SettingsError(f"{where} lacks {item.name}")
    return kind(**read)


@cache
def _required(kind: type) -> frozenset[str]:
    """The names of all entries that are always present."""
    items = [item for item in _fields(kind) if item.default is MISSING]
    return frozenset().union(*(_required(item.kind) if item.inline else {item.name} for item in items))


def _read_union(kinds: Sequence[Any], value: Any, where: str) -> Any:
    problems = []
    for kind in kinds:
        try:
            return _read(kind, value, where)
        except SettingsError as problem:
            problems.append(str(problem))
    raise SettingsError("; or ".join(dict.fromkeys(problems)))


def _expect(condition: bool, value: Any, where: str) -> Any:
    """:raises SettingsError: unless the condition holds"""
    if not condition:
        raise SettingsError(f"{where} cannot be {value!r}")
    return value
