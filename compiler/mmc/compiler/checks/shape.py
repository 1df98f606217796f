"""Checks by the JSON Schema, with mmc's own messages: one for each problem, with codes MMC101 to MMC110."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from itertools import islice
from typing import Any, NamedTuple

from jsonschema import Draft7Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from mmc.compiler.checks.context import dotted
from mmc.compiler.checks.type_help import type_help
from mmc.compiler.checks.wishes import meant_key, meant_value
from mmc.compiler.language.diagnostics import Code, Diagnostic, Help, one_of, show, suggestion
from mmc.compiler.language.document import Document, Path
from mmc.compiler.language.quantities import UNITS
from mmc.compiler.language.schema import VERSION, in_force, load_schema, resolve, walk

MOST_FOUND = 1000
"""At most this many problems of one kind are looked for; far fewer are shown."""


class Problem(NamedTuple):
    """A problem of shape; the value at ``path`` is unsound, and ``at_key`` puts the diagnostic at its key."""

    code: Code
    path: Path
    message: str
    help: Help = ""
    at_key: bool = False


class _Error(NamedTuple):
    """The part of jsonschema's report that is the same in all its releases."""

    keyword: str
    expected: Any
    value: Any
    schema: Mapping[str, Any]
    path: Path


class Shape(NamedTuple):
    """The result of the check by the schema."""

    diagnostics: list[Diagnostic]
    unsound: frozenset[Path]
    """The paths of refused values, which rules skip."""
    unknown: frozenset[Path]
    """The unknown keys; rules read the study without them."""
    is_whole: bool
    """False if there are more problems than were looked for, so that rules cannot know what is sound."""


MMC101 = Code(
    "MMC101",
    "A key is unknown",
    "The language does not have this key in this place. Often it is misspelt, or belongs one level up or down. Keys "
    "that start with `x-` are allowed at the top of a study, for notes and for other tools.",
)


def check_shape(document: Document) -> Shape:
    """The problems of a study's shape."""
    problems = list(islice(shape_problems(document.data, load_schema()), MOST_FOUND))
    unknown = frozenset(problem.path for problem in problems if problem.code == MMC101)
    unsound = (
        frozenset(problem.path for problem in problems) - unknown | document.broken | _without_branch(document.data)
    )
    shown = [problem for problem in problems if not _within(problem.path, document.broken)]
    is_whole = len(problems) < MOST_FOUND
    return Shape([_diagnostic(document, problem) for problem in shown], unsound, unknown, is_whole)


def _without_branch(data: Any) -> frozenset[Path]:
    """The mappings whose tag is missing or wrong, so that their keys cannot be checked."""
    found = walk(data, resolve(load_schema()))
    return frozenset(path for path, value, schema in found if in_force(schema, value) is None)


def shape_problems(data: Any, schema: Mapping[str, Any]) -> Iterator[Problem]:
    """The problems of a value with respect to a schema, each once."""
    seen = set()
    validator = _of_studies() if schema is load_schema() else _Validator(schema)
    for error in islice(validator.iter_errors(data), MOST_FOUND):
        path = tuple(error.absolute_path)
        is_name = "propertyNames" in error.absolute_schema_path
        parts = _Error(str(error.validator), error.validator_value, error.instance, error.schema, path)
        for problem in _name_problems(parts) if is_name else _RULES.get(parts.keyword, _other)(parts):
            key = (problem.code.id, problem.path, problem.message)
            if key not in seen:
                seen.add(key)
                yield problem


@cache
def _of_studies() -> Any:
    """What knows the places of all parts of the schema of studies; to find them takes a tenth of a check."""
    return _Validator(load_schema())


def _within(path: Path, broken: frozenset[Path]) -> bool:
    return any(path[:n] in broken for n in range(len(path) + 1))


MMC102 = Code("MMC102", "A key is missing", "The language needs this key in this place; it has no default.")


def _diagnostic(document: Document, problem: Problem) -> Diagnostic:
    if problem.at_key:
        span = document.key_span(problem.path)
    elif problem.code == MMC102:  # at the key of the mapping that lacks it, or at the start of the study
        span = document.key_span(problem.path[:-1])
    else:
        span = document.value_span(problem.path)
    if len(problem.path) <= 1 and problem.code == MMC102:
        span = span._replace(end_line=span.line, end_column=span.column + 1)
    return problem.code.at(document.path, span, problem.message, problem.help)


MMC105 = Code(
    "MMC105",
    "A text does not have the required form",
    "Names start with a letter and contain letters, digits, blanks, `-` and `_`, because MadMiner, file names and "
    "plots use them. Colours are `#rrggbb`, images `registry/repository:tag`.",
)
MMC504 = Code(
    "MMC504",
    "A scan has a key or values that are not possible",
    "The keys of `scan` are `training.NAME`, where NAME is a key of `training`. Its values are possible values of that "
    "key, each once. A range is for numbers, and for the searches `random` and `optuna`, which draw values from it.",
)


def _name_problems(error: _Error) -> Iterator[Problem]:
    path = (*error.path, error.value)
    if error.path and error.path[-1] == "scan":
        message = f"{show(error.value)} is not a hyperparameter"
        yield Problem(MMC504, path, message, "write it as in `training.alpha: [1, 5, 20]`", at_key=True)
    elif error.keyword == "maxLength":
        message = (
            f"the name {show(error.value)} has {len(error.value)} characters; at most {error.expected} are allowed"
        )
        yield Problem(MMC105, path, message, at_key=True)
    else:
        help_text = "start with a letter, then use letters, digits, blanks, `-` and `_`"
        yield Problem(MMC105, path, f"{show(error.value)} cannot be a name", help_text, at_key=True)


def _unknown_keys(error: _Error) -> Iterator[Problem]:
    known = list(error.schema.get("properties", {}))
    patterns = error.schema.get("patternProperties", {})
    where = f"`{dotted(error.path)}`" if error.path else "a study"
    for name in error.value:
        if name in known or any(name.startswith(pattern.removeprefix("^")) for pattern in patterns):
            continue
        yield Problem(
            MMC101,
            (*error.path, name),
            f"unknown key {show(name)} in {where}",
            partial(meant_key, name, known, error.path),
            at_key=True,
        )


def _missing_keys(error: _Error) -> Iterator[Problem]:
    for name in error.expected:
        if name not in error.value:
            where = f"`{dotted(error.path)}`" if error.path else "the study"
            known = error.schema.get("properties", {})
            described = resolve(known[name]).get("description", "") if name in known else ""
            help_text = f"add `{name}: …`" + (f" ({_first_sentence(described)})" if described else "")
            if name == "mmc":
                help_text = f'start it with `mmc: "{VERSION}"`'
            yield Problem(MMC102, (*error.path, name), f"{where} lacks the key `{name}`", help_text)


def _first_sentence(text: str) -> str:
    first = text.split(". ", maxsplit=1)[0].rstrip(".")
    is_word = first.partition(" ")[0][1:].islower() or first[1:2] == " "
    return first[0].lower() + first[1:] if is_word else first


_TYPES = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "`true` or `false`",
}


MMC103 = Code(
    "MMC103",
    "A value is of the wrong type",
    "For example, the value is text but must be a number, or is a number but must be a list. In YAML `yes` and `on` "
    "are text; conditions are `true` and `false`. A key without a value is empty. Digits of a number may be grouped, "
    "in groups of three only: `150_000`.",
)
MMC110 = Code(
    "MMC110",
    "A quantity has no unit, or a wrong one",
    "Quantities with a dimension need a unit: `6500 GeV`, `300 fb^-1`, `4 GiB`, `2 h`. They are finite and not "
    "negative.",
)
MMC301 = Code(
    "MMC301",
    "A number of events is not possible",
    "Numbers of events, of events per job and of training samples are whole, at least 1, and not larger than anybody "
    "could generate.",
)


def _wrong_type(error: _Error) -> Iterator[Problem]:
    kinds = [error.expected] if isinstance(error.expected, str) else list(error.expected)
    wanted = " or ".join(_TYPES[kind] for kind in kinds)
    where, value = dotted(error.path), error.value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    dimension = error.schema.get("x-dimension")
    if dimension is not None and is_number:
        example = f"{value:g} {list(UNITS[dimension])[1]}"
        message = f"`{where}` is a number without a unit of {dimension}"
        yield Problem(MMC110, error.path, message, f"write it as in `{example}`")
    elif value is None:
        yield Problem(
            MMC103, error.path, f"`{where}` has no value; it must be {wanted}", "give a value, or remove the key"
        )
    elif is_number and "integer" in kinds:
        code = MMC301 if _is_count(error.path) else MMC103
        yield Problem(
            code, error.path, f"`{where}` must be {wanted}, not {show(value)}", f"write `{round(value)}`, for example"
        )
    else:
        help_text = meant_value(value, error.path) if isinstance(value, str) else ""
        message = f"`{where}` must be {wanted}, not {show(value)}"
        yield Problem(MMC103, error.path, message, help_text or type_help(value, kinds, error.schema, error.path))


def _is_count(path: Path) -> bool:
    """Whether the value is a number of events or samples."""
    if path == ("generation", "events_per_job"):
        return True
    if path[:2] == ("generation", "samples"):
        return len(path) > 3 and path[3] in ("events", "events_per_job")
    return len(path) == 3 and path[0] == "methods" and path[2] in ("samples", "validation_samples")


MMC104 = Code(
    "MMC104", "A value is not one of the allowed ones", "The language allows only a few values in this place."
)
MMC109 = Code(
    "MMC109",
    "This mmc does not read this version of the language",
    'Every study names the version of its language, `mmc: "1.0"`, in quotes: without quotes YAML reads a number. A '
    "released version keeps its meaning.",
)


def _wrong_choice(error: _Error) -> Iterator[Problem]:
    where = dotted(error.path)
    allowed = [error.expected] if error.keyword == "const" else error.expected
    if error.path == ("mmc",):
        quoted = f'write `mmc: "{VERSION}"`'
        quoted = f"{quoted}, in quotes" if show(error.value) == VERSION else quoted
        yield Problem(MMC109, error.path, f"this mmc reads version {VERSION} of the language", quoted)
        return
    words = [str(word) for word in allowed]
    help_text: Help = f"{'write' if len(words) == 1 else 'one of'} {one_of(words, 20)}"
    if isinstance(error.value, str):
        help_text = meant_value(error.value, error.path) or suggestion(error.value, words, help_text)
    yield Problem(MMC104, error.path, f"`{where}` cannot be {show(error.value)}", help_text)


def _wrong_pattern(error: _Error) -> Iterator[Problem]:
    description = error.schema.get("description", "")
    message = f"`{dotted(error.path)}` cannot be {show(error.value)}"
    yield Problem(MMC105, error.path, message, description.rstrip("."))


_COMPARISONS = {
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "above",
    "exclusiveMaximum": "below",
}


MMC106 = Code(
    "MMC106", "A number is too small or too large", "The language allows only a range of numbers in this place."
)


_ONE_GPU = "a job computes on one GPU: write `gpus: 1`; methods are jobs of their own, so several use several GPUs"


def _wrong_size(error: _Error) -> Iterator[Problem]:
    code = MMC301 if _is_count(error.path) else MMC106
    limit = f"{_COMPARISONS[error.keyword]} {error.expected:,}"
    help_text = _ONE_GPU if error.keyword == "maximum" and error.path[-1] == "gpus" else ""
    yield Problem(code, error.path, f"`{dotted(error.path)}` must be {limit}, not {show(error.value)}", help_text)


MMC107 = Code(
    "MMC107",
    "There are too few or too many entries",
    "A list, mapping or text has fewer or more entries than the language allows in this place. A point of parameter "
    "space is given in exactly one way.",
)


def _wrong_count(error: _Error) -> Iterator[Problem]:
    where, limit = dotted(error.path) or "the study", error.expected
    found = len(error.value)
    known = error.schema.get("properties", {})
    if known and limit == 1:
        message = f"`{where}` has {found} keys; it must have exactly one"
        yield Problem(MMC107, error.path, message, f"one of {one_of(known)}")
        return
    least = error.keyword.startswith("min")
    what = "characters" if isinstance(error.value, str) else "entries"
    if least and limit == 1:
        yield Problem(MMC107, error.path, f"`{where}` is empty", "give at least one entry" if what == "entries" else "")
        return
    message = f"`{where}` has {found:,} {what}; it must have at {'least' if least else 'most'} {limit:,}"
    yield Problem(MMC107, error.path, message)


MMC108 = Code("MMC108", "A list contains an entry twice", "The entries of this list must differ from each other.")


def _repeated(error: _Error) -> Iterator[Problem]:
    for index, item in repetitions(error.value):
        message = f"`{dotted(error.path)}` contains {show(item)} twice"
        yield Problem(MMC108, (*error.path, index), message, "keep one of them")


def repetitions(values: list[Any]) -> Iterator[tuple[int, Any]]:
    """The entries of a list that are equal to an earlier entry, each with its index."""
    seen = set()
    for index, item in enumerate(values):
        text = json.dumps(float(item) if type(item) is int else item, sort_keys=True)
        if text in seen:
            yield index, item
        seen.add(text)


def _unique_items(_validator: Any, unique: bool, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    """The keyword ``uniqueItems`` in linear time; jsonschema's own implementation takes quadratic time."""
    if unique and isinstance(instance, list) and next(repetitions(instance), None) is not None:
        yield ValidationError("repeated")


def _other(error: _Error) -> Iterator[Problem]:
    yield Problem(MMC103, error.path, f"`{dotted(error.path)}` cannot be {show(error.value)}")


def _whole_pattern(validator: Any, pattern: str, value: Any, schema: Any) -> Iterator[ValidationError]:
    """As editors read a pattern: ``$`` is the end of the text, where Python's also matches before a last newline."""
    if isinstance(value, str) and not re.search(re.sub(r"\$$", r"\\Z", pattern), value):
        yield ValidationError("does not match")


_Validator: Any = extend(Draft7Validator, {"uniqueItems": _unique_items, "pattern": _whole_pattern})  # type: ignore[no-untyped-call]
_RULES: dict[str, Callable[[_Error], Iterator[Problem]]] = {
    "additionalProperties": _unknown_keys,
    "required": _missing_keys,
    "type": _wrong_type,
    "enum": _wrong_choice,
    "const": _wrong_choice,
    "pattern": _wrong_pattern,
    **dict.fromkeys(_COMPARISONS, _wrong_size),
    **dict.fromkeys(("minItems", "maxItems", "minProperties", "maxProperties", "minLength", "maxLength"), _wrong_count),
    "uniqueItems": _repeated,
}
