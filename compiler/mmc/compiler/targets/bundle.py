"""A bundle: the files that a target makes from a plan. Only :func:`write` and :func:`differences` touch the disk."""

import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from mmc.compiler.plan.model import Plan
from mmc.compiler.targets.dataflow import config_path
from mmc.errors import MmcError
from mmc.files import Folder
from mmc.packing import packed
from mmc.version import __version__

MANIFEST = "manifest.json"
PARTIAL = "manifest.partial.json"
"""Replaces the manifest while a bundle is being written; it names all files of the old and the new bundle."""


@dataclass(frozen=True)
class Bundle:
    """The files of a compiled study: texts by POSIX path, and the digests of the files that are copied into it."""

    texts: Mapping[str, str]
    copies: Mapping[str, str]
    """SHA-256 of each file beside the study that the bundle carries, by its path within the bundle."""
    executables: frozenset[str] = frozenset()


def make_bundle(plan: Plan, target: str, texts: Mapping[str, str], executables: frozenset[str] = frozenset()) -> Bundle:
    """A target's texts with the files that every bundle holds: configurations, the resolved study, the manifest."""
    every = dict(texts)
    every["study.resolved.json"] = json.dumps(plan.resolved_study, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    every |= {config_path(stage): _configuration(stage.configuration()) for stage in plan.stages}
    copies = {str(file.path): file.sha256 for file in plan.files}
    digests = {path: hashlib.sha256(text.encode()).hexdigest() for path, text in every.items()} | copies
    manifest = {
        "study": plan.study,
        "digest": plan.digest,
        "mmc": __version__,
        **({"set": list(plan.changes)} if plan.changes else {}),
        "target": target,
        "stages": {
            stage.name: {
                "group": stage.group,
                "summary": stage.summary,
                "reads": list(dict.fromkeys(item.stage for item in stage.inputs)),
            }
            for stage in plan.stages
        },
        "files": dict(sorted(digests.items())),
    }
    every[MANIFEST] = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    return Bundle(dict(sorted(every.items())), copies, executables)


def _configuration(configuration: Mapping[str, Any]) -> str:
    """JSON with one job per line, so that a changed job is a changed line. Keeps the order of keys."""

    compact = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
    rest = {key: value for key, value in configuration.items() if key not in ("settings", "jobs", "reads")}
    head = json.dumps(rest, indent=2, ensure_ascii=False, allow_nan=False).removesuffix("\n}")
    settings = ",\n".join(map(compact, configuration["settings"]))
    jobs = ",\n".join(
        f'{compact(name)}: [{number}, {seed}, "{fingerprint}"]'
        for name, (number, seed, fingerprint) in configuration["jobs"].items()
    )
    reads = ",\n".join(f"{compact(name)}: {compact(read)}" for name, read in configuration.get("reads", {}).items())
    last = f',\n  "reads": {{\n{reads}\n  }}' if reads else ""
    return f'{head},\n  "settings": [\n{settings}\n  ],\n  "jobs": {{\n{jobs}\n  }}{last}\n}}\n'


def write(bundle: Bundle, directory: Path, sources: Mapping[str, Path]) -> None:
    """Write the bundle into the directory. ``sources`` has the source of each file of ``bundle.copies``; a folder is
    packed.

    Each file appears complete, the manifest last. Obsolete files of an earlier bundle are removed unless they were
    changed; other files are not touched. Nothing is written when nothing differs.

    :raises MmcError: when a file that no bundle wrote is in the way, a source has changed since the study was read,
        or the disk refuses
    """
    folder = Folder(directory)
    with _as_mmc_error(directory):
        before = _known_digests(folder)
        if not list(_differences(bundle, folder, before)) and folder.digest(PARTIAL) is None:
            return
        digests = _digests(bundle)
        foreign = [path for path in digests if path not in before and folder.digest(path) not in (None, digests[path])]
        if foreign:
            raise MmcError(f"{directory / foreign[0]} was not written by mmc: move it away or choose another directory")
        merged = {path: sorted(before.get(path, set()) | {digests[path]}) for path in digests}
        kept = {path: sorted(known) for path, known in before.items() if path not in merged}
        folder.write(PARTIAL, json.dumps({"files": merged | kept}) + "\n")
        folder.remove(MANIFEST)
        for path, text in bundle.texts.items():
            if path != MANIFEST:
                folder.write(path, text, executable=path in bundle.executables)
        for path, sha256 in bundle.copies.items():
            _copy(sources[path], folder, path, sha256)
        for path, known in kept.items():
            _remove_ours(folder, path, known)
        folder.write(MANIFEST, bundle.texts[MANIFEST])
        folder.remove(PARTIAL)


def differences(bundle: Bundle, directory: Path) -> list[str]:
    """The differences between directory and bundle, one line per file; empty when the directory has the bundle.

    :raises MmcError: when a file cannot be read
    """
    folder = Folder(directory)
    with _as_mmc_error(directory):
        return list(_differences(bundle, folder, _known_digests(folder)))


def _differences(bundle: Bundle, folder: Folder, known: Mapping[str, set[str]]) -> Iterator[str]:
    for path, sha256 in _digests(bundle).items():
        found = folder.digest(path)
        if found is None:
            yield f"{path} is missing"
        elif found != sha256:
            yield f"{path} differs"
        elif path in bundle.executables and not os.access(folder.path / path, os.X_OK):
            yield f"{path} is not executable"
    for path in known:
        if path not in bundle.texts and path not in bundle.copies and folder.digest(path) is not None:
            yield f"{path} is left over from an earlier study"


def _digests(bundle: Bundle) -> dict[str, str]:
    return {path: hashlib.sha256(text.encode()).hexdigest() for path, text in bundle.texts.items()} | dict(
        bundle.copies
    )


def _known_digests(folder: Folder) -> dict[str, set[str]]:
    """The digests of each file of a folder, from the manifest and from the list of an interrupted write.

    :raises MmcError: when a path in a list leads out of the folder
    """
    known: dict[str, set[str]] = {}
    for name in (MANIFEST, PARTIAL):
        with suppress(ValueError, TypeError, AttributeError, KeyError):
            files = json.loads(folder.read(name) or b"")["files"]
            for path, sha256 in files.items():
                known.setdefault(path, set()).update([sha256] if isinstance(sha256, str) else sha256)
            known.setdefault(name, set())
    known.pop(PARTIAL, None)
    for path in known:
        folder.place(path)
    return known


def _copy(source: Path, folder: Folder, path: str, sha256: str) -> None:
    if folder.digest(path) == sha256:
        return
    digest = hashlib.sha256()
    with (
        io.BytesIO(packed(source)) if source.is_dir() else source.open("rb") as original,
        folder.appearing(path) as stream,
    ):
        while chunk := original.read(1 << 20):
            digest.update(chunk)
            stream.write(chunk)
        if digest.hexdigest() != sha256:
            raise MmcError(f"{source} changed while the study was being compiled; compile again")


def _remove_ours(folder: Folder, path: str, known: list[str]) -> None:
    """Remove an unchanged file of an earlier bundle, and the folders that become empty."""
    if folder.digest(path) in known:
        folder.remove(path)
        for parent in PurePosixPath(path).parents[:-1]:
            folder.remove_empty(str(parent))


@contextmanager
def _as_mmc_error(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise MmcError(f"{error.filename or directory}: {error.strerror}") from error
