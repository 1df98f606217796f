"""What rules read: a study with defaults filled in, the position of each value, and the parts that are valid."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

from mmc.compiler.catalogue import default_observables
from mmc.compiler.catalogue.generators import TABLES, EventOrigin, origin_of
from mmc.compiler.catalogue.names import madminer_name
from mmc.compiler.inputs.tables import Column
from mmc.compiler.language.diagnostics import Code, Diagnostic, Help, Span
from mmc.compiler.language.document import Document, Path
from mmc.compiler.language.quantities import parse_quantity
from mmc.compiler.language.schema import child_schema, fill_defaults, in_force, load_schema, resolve, walk

LookUp = Callable[[str], str]
"""What a path in the study's folder is: "file", "missing", "folder" or "outside" (a link that leads out)."""
Computed = TypeVar("Computed")
ReadText = Callable[[str], str | None]
"""The text of a file in the study's folder; None if it is not text, or is too large to be a card."""
ReadColumns = Callable[[str], Mapping[str, Column] | None]
"""The columns of a table in the study's folder; None if only jobs can read them."""
ReadModel = Callable[[Any], Mapping[str, str] | None]
"""The texts of :func:`mmc.compiler.inputs.ufo_model.texts` for the value of ``model``; None if it is not at hand."""


class Annotated(NamedTuple):
    """A value whose subschema carries an annotation of the language."""

    path: Path
    value: Any
    schema: Mapping[str, Any]


@dataclass(frozen=True)
class Context:
    """A study under check.

    ``unsound`` are the paths that the schema refuses; the values below and around them are unsound too. ``unknown``
    are the keys that the language does not have.
    """

    document: Document
    unsound: frozenset[Path]
    unknown: frozenset[Path]
    look_up: LookUp
    read_text: ReadText
    read_start: ReadText
    """The start of a file of any size, as text and unpacked; None if it cannot be read."""
    read_model: ReadModel
    read_columns: ReadColumns
    is_variant: bool = False
    """Whether the study is a variant of another one."""
    _touched: frozenset[Path] = field(init=False)
    _entries: dict[Path, dict[str, Any]] = field(init=False, default_factory=dict)
    _names: dict[str, list[str] | None] = field(init=False, default_factory=dict)
    _computed: dict[object, Any] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        touched = frozenset(path[:n] for path in self.unsound for n in range(len(path) + 1))
        object.__setattr__(self, "_touched", touched)

    @cached_property
    def data(self) -> dict[str, Any]:
        """The study with every default filled in and whole numbers as integers."""
        known = _without(self.document.data, self.unknown)
        data: dict[str, Any] = whole_numbers(fill_defaults(known))
        return _with_listed_weights(_with_whole_points(_with_whole_scans(data)))

    @cached_property
    def sound_data(self) -> dict[str, Any]:
        """The same, without the values that the schema refuses."""
        data: dict[str, Any] = _without(self.data, self.unsound)
        return data

    def sound(self, *path: str | int) -> bool:
        """Whether the schema accepts the value and everything in it."""
        if path in self._touched:
            return False
        return not any(path[:n] in self.unsound for n in range(len(path)))

    def get(self, *path: str | int) -> Any:
        """The value, defaults included; None if it is missing or the schema refuses it."""
        value: Any = self.data
        for key in path:
            present = key in value if isinstance(value, dict) else isinstance(value, list) and key in range(len(value))
            if not present:
                return None
            value = value[key]
        return value if self.sound(*path) else None

    def entries(self, *path: str | int) -> dict[str, Any]:
        """The entries of a mapping that the schema accepts; empty if the value is not a mapping."""
        if path not in self._entries:
            self._entries[path] = self._sound_entries(path)
        return self._entries[path]

    def _sound_entries(self, path: Path) -> dict[str, Any]:
        value: Any = self.data
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if not isinstance(value, dict) or not all(path[:n] not in self.unsound for n in range(len(path) + 1)):
            return {}
        return {name: entry for name, entry in value.items() if self.sound(*path, name)}

    def given(self, *path: str | int) -> bool:
        """Whether the study itself gives a value there, rather than a default."""
        return path in self.document.spans

    def names(self, section: str) -> list[str] | None:
        """All names of a section as the study writes them, default observables included; None if it is broken."""
        if section not in self._names:
            self._names[section] = self._written_names(section)
        return self._names[section]

    def _written_names(self, section: str) -> list[str] | None:
        entries = self.data.get(section, {})
        if not isinstance(entries, dict) or (section,) in self.unsound:
            return None
        return [*self.default_observables, *entries] if section == "observables" else list(entries)

    def is_name(self, section: str, name: str) -> bool:
        """Whether a section has a name; default observables are observables."""
        entries = self.data.get(section, {})
        if not isinstance(entries, dict):
            return False
        return name in entries or (section == "observables" and name in self.default_observables)

    @cached_property
    def default_observables(self) -> dict[str, None]:
        """The names of MadMiner's default observables, if the study asks for them."""
        options = self.get("default_observables")
        return {} if options is None else dict.fromkeys(default_observables.names(**options))

    @cached_property
    def origin(self) -> EventOrigin | None:
        """Where events are from; None if this is not clear."""
        return origin_of(self.data)

    @property
    def reads_particles(self) -> bool:
        """Whether observables are computed from particles or columns, rather than read from a MadMiner file."""
        return self.origin.reads_particles if self.origin is not None else "events" not in self.data

    @property
    def reader(self) -> str:
        """The reader of events, one of :data:`mmc.compiler.expressions.vocabulary.READERS`."""
        if self.origin is TABLES:
            return "particles" if any("particles" in sample for sample in self.samples.values()) else "table"
        detector = self.data.get("detector")
        uses_delphes = isinstance(detector, dict) and detector.get("simulation") == "delphes"
        return "delphes" if uses_delphes else "lhe"

    @cached_property
    def columns(self) -> frozenset[str]:
        """The quantities that samples of tables name, as MadMiner writes them; also if a sample has other errors."""
        samples = self.data[TABLES.section][TABLES.samples] if self.origin is TABLES else {}
        columns = [
            sample.get("columns")
            for sample in (samples.values() if isinstance(samples, dict) else ())
            if isinstance(sample, dict)
        ]
        return frozenset(madminer_name(name) for names in columns if isinstance(names, dict) for name in names)

    @property
    def samples_path(self) -> Path:
        """The path of the samples."""
        return ("generation", "samples") if self.origin is None else (self.origin.section, self.origin.samples)

    @property
    def samples(self) -> dict[str, Any]:
        """The samples that the schema accepts, by name."""
        return {} if self.origin is None else self.entries(*self.samples_path)

    def labels(self, sample: Mapping[str, Any]) -> dict[str, Any]:
        """What the labels in the processes of a sample stand for: those of all samples and its own."""
        return {**(self.get("generation", "definitions") or {}), **sample["definitions"]}

    @cached_property
    def _annotated(self) -> dict[str, list[Annotated]]:
        found: dict[str, list[Annotated]] = {}
        for path, value, schema in walk(self.data, resolve(load_schema())):
            for key in schema:
                if key.startswith("x-") and self.sound(*path):
                    found.setdefault(key, []).append(Annotated(path, value, schema))
        return found

    def annotated(self, annotation: str) -> list[Annotated]:
        """All sound values whose subschema has this annotation."""
        return self._annotated.get(annotation, [])

    @cached_property
    def points(self) -> list[Annotated]:
        """The points of parameter space that the study gives as values of parameters."""
        return [item for item in self.annotated("x-keys-refer-to") if _is_point(item.schema)]

    @cached_property
    def priors(self) -> list[Annotated]:
        """The priors of parameters, each a mapping by parameter; a benchmark may be called ``priors`` too."""
        refer = self.annotated("x-keys-refer-to")
        return [
            item
            for item in refer
            if item.schema["x-keys-refer-to"] == "parameters"
            and item.path[-1] == "priors"
            and not _holds_numbers(item.schema)
        ]

    def once(self, compute: "Callable[[Context], Computed]") -> Computed:
        """What a function finds in the study; computed once for all rules."""
        if compute not in self._computed:
            self._computed[compute] = compute(self)
        found: Computed = self._computed[compute]
        return found

    def problem(
        self, code: Code, path: Path, message: str, help_text: Help = "", *, key: bool = False, span: Span | None = None
    ) -> Diagnostic:
        """A diagnostic at the position of a value, of its key (``key``), or of ``span``."""
        if span is None:
            span = self.document.key_span(path) if key else self.document.value_span(path)
        return code.at(self.document.path, span, message, help_text)


def _holds_numbers(schema: Mapping[str, Any]) -> bool:
    return bool(schema["additionalProperties"].get("type") == "number")


def _is_point(schema: Mapping[str, Any]) -> bool:
    """Whether a mapping is a point of parameter space."""
    of_parameters = schema.get("x-keys-refer-to") == "parameters" and "x-partial" not in schema
    return of_parameters and _holds_numbers(schema)


Rule = Callable[[Context], Iterator[Diagnostic]]
RULES: list[tuple[tuple[Code, ...], Rule]] = []
"""All rules, each with the codes that it may report."""


def rule(*codes: Code) -> Callable[[Rule], Rule]:
    """Register a rule that reports problems with these codes."""

    def register(function: Rule) -> Rule:
        RULES.append((codes, function))
        return function

    return register


def _without(value: Any, left_out: frozenset[Path], path: Path = ()) -> Any:
    """The value without its parts at the given paths."""
    if not left_out:
        return value
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if (*path, key) not in left_out}
        return {key: _without(item, left_out, (*path, key)) for key, item in kept.items()}
    if isinstance(value, list):
        items = [(index, item) for index, item in enumerate(value) if (*path, index) not in left_out]
        return [_without(item, left_out, (*path, index)) for index, item in items]
    return value


def whole_numbers(value: Any, schema: Mapping[str, Any] | None = None) -> Any:
    """A copy with integers wherever the schema asks for a whole number: ``1e5`` events become 100000."""
    schema = in_force(resolve(load_schema()) if schema is None else schema, value) or {}
    if isinstance(value, dict):
        return {key: _whole(item, schema, key) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole(item, schema, index) for index, item in enumerate(value)]
    kinds = schema.get("type", ())
    if isinstance(value, float) and "integer" in ([kinds] if isinstance(kinds, str) else kinds) and value.is_integer():
        return int(value)
    return value


def _with_whole_scans(data: dict[str, Any]) -> dict[str, Any]:
    """The study with integers in the scans of integer hyperparameters."""
    known = load_schema()["definitions"]["training"]["properties"]
    methods = data.get("methods")
    for entry in methods.values() if isinstance(methods, dict) else ():
        scan: Any = entry.get("scan") if isinstance(entry, dict) else None
        for key, values in scan.items() if isinstance(scan, dict) else ():
            schema = known.get(key.removeprefix("training."))
            ends = values.get("range") if isinstance(values, dict) else values
            if schema is not None and isinstance(ends, list):
                whole = [whole_numbers(value, schema) for value in ends]
                scan[key] = whole if ends is values else {**values, "range": whole}
    return data


def _with_whole_points(data: dict[str, Any]) -> dict[str, Any]:
    """The study with a value for each parameter at each point: where it gives none, that of the first benchmark."""
    parameters, benchmarks = data.get("parameters"), data.get("benchmarks")
    if not isinstance(parameters, dict) or not isinstance(benchmarks, dict) or not benchmarks:
        return data
    first = next(iter(benchmarks.values()))
    known = {name: first[name] for name in parameters if _is_number(first.get(name))} if isinstance(first, dict) else {}
    for _, value, schema in walk(data, resolve(load_schema())) if known else ():
        if isinstance(value, dict) and _is_point(schema):
            value.update({name: number for name, number in known.items() if name not in value})
    return data


ALL_ELEMENTS = "[:]"
"""The end of the name of a column of lists with a weight for each benchmark."""


def _with_listed_weights(data: dict[str, Any]) -> dict[str, Any]:
    """The study with a column for each benchmark where tables have the weights in lists."""
    events, benchmarks = data.get("events"), data.get("benchmarks")
    tables = events.get("tables") if isinstance(events, dict) else None
    for sample in tables.values() if isinstance(tables, dict) and isinstance(benchmarks, dict) else ():
        weights = sample.get("weights") if isinstance(sample, dict) else None
        if isinstance(weights, str) and weights.endswith(ALL_ELEMENTS):
            column = weights.removesuffix(ALL_ELEMENTS)
            sample["weights"] = {name: f"{column}[{index}]" for index, name in enumerate(benchmarks or ())}
    return data


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _whole(value: Any, schema: Mapping[str, Any], key: str | int) -> Any:
    child = child_schema(schema, key)
    return value if child is None else whole_numbers(value, child)


def energy_gev(ctx: Context, *path: str | int) -> float | None:
    """The energy at a path of the study, in GeV; None if it is missing or malformed, which another rule reports."""
    try:
        return parse_quantity(ctx.get(*path), "energy")
    except (TypeError, ValueError):
        return None


def dotted(path: Path) -> str:
    """A path as messages write it.

    >>> dotted(("cuts", 0, "definition"))
    'cuts[0].definition'
    """
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key[:60]}" if text else key[:60]
    return text
