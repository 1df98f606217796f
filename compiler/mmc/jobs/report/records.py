"""The records of a run that a report reads, with what each of them must hold. The run may be anybody's.

Outputs of jobs are checked as a whole, as results: against ``schema/1.0/results.json``.
"""

import json
from importlib import resources
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator

from mmc.errors import UsageError
from mmc.reading import read_json

_TEXT = {"type": "string", "maxLength": 10_000}
_NAME = {"type": "string", "pattern": r"\A(?!\.)[^/\\\x00-\x1f\x7f]{1,200}\Z"}
"""The name of a job or a stage: it becomes part of the name of a file."""
_NUMBER = {"type": "number", "minimum": 0, "maximum": 1e9}
_NAMES = {"type": "array", "items": _NAME}


def _object(*required: str, of: Any = True, **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(required),
        "properties": properties,
        "propertyNames": {"maxLength": 200},
        "additionalProperties": of,
    }


_NAMED = _object(of=_object(label={"type": ["string", "null"], "maxLength": 10_000}))
_STAGE = _object("group", "summary", "reads", group=_TEXT, summary=_TEXT, reads=_NAMES)
_ROW = {"type": "array", "minItems": 3, "maxItems": 3, "items": [_NUMBER, _NUMBER, _TEXT]}
_JOBS = {**_object(of=_ROW), "propertyNames": _NAME}

JOB = _object(
    "stage", "job", "fingerprint", "seconds", stage=_NAME, job=_NAME, fingerprint=_TEXT, seconds=_NUMBER, mmc=_TEXT
)
MANIFEST = _object(
    "study",
    "digest",
    "mmc",
    "target",
    study=_NAME,
    digest=_TEXT,
    mmc=_TEXT,
    target=_TEXT,
    stages={**_object(of=_STAGE), "propertyNames": _NAME},
    set={"type": "array", "items": {"type": "string"}},
)
STUDY = _object(
    "title",
    "plots",
    title=_TEXT,
    parameters=_NAMED,
    observables=_NAMED,
    benchmarks=_object(of=_object()),
    plots=_object(),
)
CONFIGURATION = _object("stage", "jobs", stage=_NAME, jobs=_JOBS, shared=_object())
_WORDS = {"type": "is not of type {}", "pattern": "is not a name", "required": "lacks one of {}"}
"""What a message says of a rule that a value breaks."""
RESULTS = json.loads((resources.files("mmc.schema") / "1.0" / "results.json").read_text(encoding="utf-8"))


def read(path: Path, schema: dict[str, Any]) -> Any:
    """A record of a run.

    :raises UsageError: when the file is not a regular file, not JSON, or not that record
    """
    try:
        value = read_json(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{path} is not JSON: {error}") from error
    if (found := flaw(value, schema)) is not None:
        raise UsageError(f"{path} is not as mmc writes it: {found}")
    return value


def flaw(value: Any, schema: dict[str, Any]) -> str | None:
    """The first entry of a value that its schema does not allow, and the rule; None if there is none."""
    for error in Draft7Validator(schema).iter_errors(value):
        place = "".join(f"[{step}]" if isinstance(step, int) else f".{step[:60]}" for step in error.absolute_path)
        words = _WORDS.get(str(error.validator), f"does not fit {error.validator} {{}}")
        return f"{place.lstrip('.')[:120] or 'it'} {words.format(repr(error.validator_value)[:80])}"
    return None
