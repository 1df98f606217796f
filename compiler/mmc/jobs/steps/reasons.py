"""Why a job has failed, in one line."""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from mmc.errors import MissingExtraError, MmcError, StepError
from mmc.jobs.steps.limits import StoppedError
from mmc.processes import EXIT_FULL, FULL

OWN_EXTRAS = {"optuna": "optuna", "pyarrow": "parquet"}
"""Package → extra, for the packages outside the extra ``steps``."""

_HIDDEN_FULL = re.compile(
    rf"No space left on device|Disk quota exceeded|\berrno = (?:{'|'.join(map(str, FULL))})\b|"
    r"\d+ requested and \d+ written"
)
"""HDF5 and torch hide the error number in a text, and numpy says only how much it could write."""
_NO_MEMORY = re.compile(
    r"can't allocate memory|cannot allocate memory|bad_alloc|memory allocation failed|out of memory", re.I
)
_ROOM = 1 << 20
"""With fewer bytes than this, a disk is full."""


class FullDiskError(StepError):
    """The disk is full. The exit code says so, because the message may not have found room."""

    exit_code = EXIT_FULL


def full_disk(error: BaseException, folder: Path) -> FullDiskError | None:
    """The error as that of a full disk, if it is one or if the disk of the folder is full now. It names the place."""
    if isinstance(error, FullDiskError):
        return error
    for cause in _causes(error):
        if (isinstance(cause, OSError) and cause.errno in FULL) or _HIDDEN_FULL.search(str(cause)):
            told = _one_line(cause)
            where = "" if str(folder.parent) in told else f", in {folder.parent}"
            return FullDiskError(f"cannot write: {told}{where}")
    if not isinstance(error, StoppedError | KeyboardInterrupt) and _is_full(folder):
        return FullDiskError(f"cannot write: the disk of {folder.parent} is full ({reason(error)})")
    return None


def reason(error: BaseException) -> str:
    """The error as one line for the user."""
    if isinstance(error, ModuleNotFoundError) and error.name and error.name.split(".")[0] != "mmc":
        package = error.name.split(".")[0]
        error = MissingExtraError(package, OWN_EXTRAS.get(package, "steps"))
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    text = _one_line(error)
    if isinstance(error, MmcError | StoppedError):
        return text
    if any(_is_of_memory(cause) for cause in _causes(error)):
        return f"out of memory: {text or type(error).__name__}"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _one_line(error: BaseException) -> str:
    text = str(error)
    if isinstance(error, shutil.Error) and isinstance(error.args[0], list):  # of each file that was not copied
        text = str(error.args[0][0][-1])
    return " ".join(text.split())


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and the errors that it came from."""
    seen: list[BaseException] = []
    found: BaseException | None = error
    while found is not None and found not in seen:
        seen.append(found)
        yield found
        found = found.__cause__ or found.__context__


def _is_full(folder: Path) -> bool:
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize < _ROOM or (found.f_files > 0 and found.f_favail == 0)


def _is_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    return isinstance(error, RuntimeError | OSError) and _NO_MEMORY.search(str(error)) is not None
