"""A bundle of the target reana before it is sent: what is uploaded is what the manifest names, and nothing else.

A folder of someone else may contain anything. reana-client reads the files that ``reana.yaml`` and the workflow name,
wherever they are on this machine, and sends them to the server. So both may name files of the bundle only. A Snakefile
is a program that reana-client runs, so it must be one that mmc writes.
"""

import hashlib
import importlib.machinery
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mmc.compiler.targets import snakemake
from mmc.compiler.targets.bundle import MANIFEST
from mmc.compiler.targets.reana import FILES, PARAMETERS, SPECIFICATION
from mmc.errors import MmcError, UsageError
from mmc.files import Folder

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_ -]*")
_KEYS = {
    "": {"version", "inputs", "workflow", "outputs", "workspace"},
    "inputs": {"files", "parameters"},
    "workflow": {"type", "file", "resources", "specification"},
    "outputs": {"directories"},
    "workspace": {"retention_days"},
}
"""The keys that mmc writes into ``reana.yaml``."""
_WORKFLOWS = (".yml", ".cwl")
"""The files of workflows, which refer to each other."""


@dataclass(frozen=True)
class ReanaBundle:
    """A folder with a bundle of the target reana."""

    folder: Path
    study: str
    digests: Mapping[str, str]
    """SHA-256 of each file to upload: ``reana.yaml`` and its inputs."""
    outputs: tuple[str, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """The files to upload."""
        return tuple(self.digests)

    @property
    def name(self) -> str:
        """The name of the bundle's runs."""
        return self.study.replace(" ", "_")

    def content(self) -> str:
        """SHA-256 over the names and contents of the files, which are those of the manifest.

        :raises MmcError: when a file is missing or is another one, or when the workflow reads other files or runs
            other programs
        """
        digest, folder = hashlib.sha256(), Folder(self.folder)
        for path, sha256 in self.digests.items():
            if folder.digest(path) != sha256:
                raise MmcError(f"{self.folder / path} is not the file that {MANIFEST} names; compile the study again")
            digest.update(f"{path}\0{sha256}\n".encode())
        for path in self.digests:
            if path.endswith(_WORKFLOWS):
                _check_references(folder, path, self.digests)
        if snakemake.FILE in self.digests:
            _check_programs(folder)
        return digest.hexdigest()

    def sizes(self) -> dict[str, int]:
        """The size of each file in bytes."""
        return {path: (self.folder / path).stat().st_size for path in self.digests}


def open_bundle(folder: Path) -> ReanaBundle:
    """The bundle in a folder.

    :raises UsageError: when the folder has no bundle of the target reana
    :raises MmcError: when the bundle names what mmc does not name
    """
    place = Folder(folder.resolve())  # reana-client silently leaves out what it reaches through a symbolic link
    texts = [place.read(name) for name in (MANIFEST, SPECIFICATION)]
    try:
        manifest, specification = json.loads(texts[0] or b""), yaml.safe_load(texts[1] or b"")
        study, digests = manifest["study"], {**manifest["files"], MANIFEST: hashlib.sha256(texts[0] or b"").hexdigest()}
        listed, outputs = specification["inputs"]["files"], specification["outputs"]["directories"]
        is_one = manifest["target"] == "reana" and {*map(type, (study, *digests.values(), *listed, *outputs))} == {str}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, yaml.YAMLError):
        is_one = False
    if not is_one:
        raise UsageError(f"{folder} does not hold a bundle of the target reana: mmc compile STUDY --target reana")
    for problem in _problems(study, specification, digests):
        raise MmcError(f"{place.path / SPECIFICATION} was not written by mmc: {problem}; compile the study again")
    for path in (*digests, *outputs):
        place.place(path)
    return ReanaBundle(place.path, study, {path: digests[path] for path in (SPECIFICATION, *listed)}, tuple(outputs))


def _problems(study: str, specification: Mapping[str, Any], digests: Mapping[str, str]) -> Iterator[str]:
    """What a bundle of mmc does not have."""
    if not _NAME.fullmatch(study):
        yield f"{study!r} is not the name of a study"
    for part, keys in _KEYS.items():
        entries = specification.get(part, {}) if part else specification
        if not isinstance(entries, dict) or not entries.keys() <= keys:
            yield f"`{part or SPECIFICATION}` has other keys than {', '.join(sorted(keys))}"
            return
    listed = [SPECIFICATION, *specification["inputs"]["files"]]
    options = [path for path in (*listed, *specification["outputs"]["directories"]) if path.startswith("-")]
    if options:
        yield f"{options[0]!r} is not the path of a file"
    if sorted(listed) != sorted(digests):
        other = sorted(set(listed) ^ set(digests)) or ["a file twice"]
        yield f"the files to upload are not those of {MANIFEST}: {other[0]!r}"
    workflow = specification.get("workflow", {})
    engine = workflow.get("type")
    if engine not in FILES:
        yield f"{engine!r} is not one of the engines {', '.join(FILES)}"
    elif (workflow.get("file"), specification["inputs"].get("parameters", {})) != (FILES[engine], PARAMETERS[engine]):
        yield "the workflow has another file or other parameters"
    elif FILES[engine] not in (None, *listed):  # unlisted, it would be read without having been checked
        yield f"the workflow's file {FILES[engine]!r} is not among the files to upload"


def _check_references(folder: Folder, path: str, files: Mapping[str, str]) -> None:
    """Check that a file of a workflow refers to files of the bundle only.

    :raises MmcError: when it does not
    """
    try:
        root = yaml.compose(folder.read(path) or b"", Loader=yaml.CSafeLoader)
        known = {name for name in files if name.endswith(_WORKFLOWS)}
        found = next((key for key in _references(root, path) if key[1] not in known), None)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise MmcError(f"{folder.path / path} cannot be read: compile the study again") from error
    if found is not None:
        raise MmcError(f"{folder.path / path} refers in `{found[0]}` to {found[1]!r}, which is not in the workflow")


def _check_programs(folder: Folder) -> None:
    """Check that reana-client runs nothing of the folder but a Snakefile that mmc writes.

    Snakemake lets Python import modules from the folder of a Snakefile.

    :raises MmcError: when it would run something else
    """
    text = (folder.read(snakemake.FILE) or b"").decode("utf-8", errors="replace")
    if not snakemake.is_for_reana(text):
        raise MmcError(
            f"{folder.path / snakemake.FILE} was not written by this version of mmc, and reana-client would run it: "
            "compile the study again"
        )
    for pattern in ("*", "*/__init__.*"):
        for path in sorted(folder.path.glob(pattern)):
            if path.name.endswith(tuple(importlib.machinery.all_suffixes())):
                raise MmcError(f"{path} is a program that reana-client may run: move it elsewhere")


def _references(root: yaml.Node | None, path: str) -> Iterator[tuple[str, str]]:
    """Keys that make a reader of workflows read another file, with the file that they name."""
    left, seen = [] if root is None else [root], set[int]()
    while left:
        node = left.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            left += node.value
        if not isinstance(node, yaml.MappingNode):
            continue
        for key, value in node.value:
            left += (key, value)
            name = key.value if isinstance(key, yaml.ScalarNode) else ""
            is_run = name == "run" and path.endswith(".cwl") and isinstance(value, yaml.ScalarNode)
            if name.startswith("$") or is_run:
                target = value.value if isinstance(value, yaml.ScalarNode) else ""
                yield name, path if name == "$ref" and target.startswith("#") else target.partition("#")[0]
