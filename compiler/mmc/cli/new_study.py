"""For ``mmc init``: a commented study that validates, with the language's schema beside it for editors."""

import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from mmc.compiler.language.schema import load_schema, schema_text
from mmc.errors import UsageError
from mmc.files import Folder

STUDY = "study.yaml"
SCHEMA = "study.schema.json"
"""A copy of the language's schema. The study's first lines name it, so editors find it wherever mmc is installed."""

_YAML_WORDS = ("null", "true", "false")
"""Names with another meaning in YAML without quotes."""


def new_study(folder: str) -> dict[str, str]:
    """The files of a new study, by name; the study gets the name of its ``folder`` if this is a valid name."""
    study = (resources.files("mmc.templates") / "init" / STUDY).read_text(encoding="utf-8")
    return {STUDY: study.replace("name: my-study ", f"name: {study_name(folder)} ", 1), SCHEMA: schema_text()}


def study_name(folder: str) -> str:
    """The name of a study in a folder of that name.

    >>> study_name("vbf-higgs"), study_name("2024 été"), study_name("null")
    ('vbf-higgs', 'my-study', 'my-study')
    """
    rule = load_schema()["definitions"]["name"]
    fits = re.fullmatch(rule["pattern"], folder) and len(folder) <= rule["maxLength"]
    return folder if fits and folder == folder.strip() and folder.lower() not in _YAML_WORDS else "my-study"


def write_new(folder: Path, files: Mapping[str, str]) -> None:
    """Write the files, given by their paths in a folder; the folder is made if it does not exist.

    :raises UsageError: when one of them exists, or is a link; then none is written
    """
    for path in (folder / name for name in files):
        if path.exists() or path.is_symlink():
            raise UsageError(f"{path} exists already; nothing was written")
    for name, text in files.items():
        with Folder(folder).create(name) as file:
            file.write(text.encode())
