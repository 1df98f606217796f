"""A bundle: the files that a target makes from a plan. Only :func:`write` and :func:`differences` touch the disk."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from mmc.compiler.plan.model import Plan
from mmc.compiler.targets.dataflow import config_path
from mmc.errors import MmcError
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

    def compact(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)

    rest = {key: value for key, value in configuration.items() if key != "jobs"}
    head = json.dumps(rest, indent=2, ensure_ascii=False, allow_nan=False).removesuffix("\n}")
    jobs = ",\n".join(f"    {compact(name)}: {compact(job)}" for name, job in configuration["jobs"].items())
    return f'{head},\n  "jobs": {{\n{jobs}\n  }}\n}}\n'


def write(bundle: Bundle, directory: Path, sources: Mapping[str, Path]) -> None:
    """Write the bundle into the directory. ``sources`` has the source of each file of ``bundle.copies``.

    Each file appears complete, the manifest last. Obsolete files of an earlier bundle are removed unless they were
    changed; other files are not touched. Nothing is written when nothing differs.

    :raises MmcError: when a file that no bundle wrote is in the way, a source has changed since the study was read,
        or the disk refuses
    """
    with _as_mmc_error(directory):
        if not differences(bundle, directory) and not (directory / PARTIAL).exists():
            return
        before = _known_digests(directory)
        digests = _digests(bundle)
        foreign = [path for path in digests if path not in before and _is_other(directory / path, digests[path])]
        if foreign:
            raise MmcError(f"{directory / foreign[0]} was not written by mmc: move it away or choose another directory")
        directory.mkdir(parents=True, exist_ok=True)
        merged = {path: sorted(before.get(path, set()) | {digests[path]}) for path in digests}
        kept = {path: sorted(known) for path, known in before.items() if path not in merged}
        _replace_text(directory / PARTIAL, json.dumps({"files": merged | kept}) + "\n")
        (directory / MANIFEST).unlink(missing_ok=True)
        for path, text in bundle.texts.items():
            if path != MANIFEST:
                _replace_text(directory / path, text, executable=path in bundle.executables)
        for path, sha256 in bundle.copies.items():
            _copy(sources[path], directory / path, sha256)
        for path, known in kept.items():
            _remove_ours(directory, path, known)
        _replace_text(directory / MANIFEST, bundle.texts[MANIFEST])
        (directory / PARTIAL).unlink()


def differences(bundle: Bundle, directory: Path) -> list[str]:
    """The differences between directory and bundle, one line per file; empty when the directory has the bundle.

    :raises MmcError: when a file cannot be read
    """
    with _as_mmc_error(directory):
        return list(_differences(bundle, directory))


def _differences(bundle: Bundle, directory: Path) -> Iterator[str]:
    for path, sha256 in _digests(bundle).items():
        file = directory / path
        if not file.is_file():
            yield f"{path} is missing"
        elif _file_digest(file) != sha256:
            yield f"{path} differs"
        elif path in bundle.executables and not os.access(file, os.X_OK):
            yield f"{path} is not executable"
    for path in _known_digests(directory):
        if path not in bundle.texts and path not in bundle.copies and (directory / path).exists():
            yield f"{path} is left over from an earlier study"


def _digests(bundle: Bundle) -> dict[str, str]:
    return {path: hashlib.sha256(text.encode()).hexdigest() for path, text in bundle.texts.items()} | dict(
        bundle.copies
    )


def _known_digests(directory: Path) -> dict[str, set[str]]:
    """The digests of each file of a directory, from the manifest and from the list of an interrupted write."""
    known: dict[str, set[str]] = {}
    for name in (MANIFEST, PARTIAL):
        with suppress(FileNotFoundError, ValueError, TypeError, AttributeError, KeyError):
            files = json.loads((directory / name).read_text(encoding="utf-8"))["files"]
            for path, sha256 in files.items():
                known.setdefault(path, set()).update([sha256] if isinstance(sha256, str) else sha256)
            known.setdefault(name, set())
    known.pop(PARTIAL, None)
    return known


def _is_other(file: Path, sha256: str) -> bool:
    return (file.exists() or file.is_symlink()) and not (file.is_file() and _file_digest(file) == sha256)


def _file_digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def _appearing(file: Path, mode: int) -> Iterator[BinaryIO]:
    """A binary stream whose content becomes the file when the block ends without an exception."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as stream:
            yield stream
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def _replace_text(file: Path, text: str, *, executable: bool = False) -> None:
    with _appearing(file, 0o777 if executable else 0o666) as stream:
        stream.write(text.encode())


def _copy(source: Path, file: Path, sha256: str) -> None:
    if file.is_file() and _file_digest(file) == sha256:
        return
    digest = hashlib.sha256()
    with source.open("rb") as original, _appearing(file, 0o666) as stream:
        while chunk := original.read(1 << 20):
            digest.update(chunk)
            stream.write(chunk)
        if digest.hexdigest() != sha256:
            raise MmcError(f"{source} changed while the study was being compiled; compile again")


def _remove_ours(directory: Path, path: str, known: list[str]) -> None:
    """Remove an unchanged file of an earlier bundle, and the folders that become empty."""
    file = directory / path
    if not file.is_file() or directory.resolve() not in file.resolve().parents or _file_digest(file) not in known:
        return
    file.unlink()
    for folder in file.relative_to(directory).parents[:-1]:
        with suppress(OSError):  # it is not empty
            (directory / folder).rmdir()


@contextmanager
def _as_mmc_error(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise MmcError(f"{error.filename or directory}: {error.strerror}") from error
