"""What ``mmc run`` writes into the folder of a run beside ``bundle`` and ``out``: the study and the log."""

import hashlib
import json
from collections.abc import Iterable
from contextlib import suppress

from mmc.errors import UsageError
from mmc.files import Folder

STUDY, LOG = "study.yaml", "run.log"
WRITTEN = ".mmc.json"
"""The SHA-256 of each text that mmc wrote as ``study.yaml``: a study of the user with this name is not replaced."""


def check_place(folder: Folder, study: str) -> None:
    """Check that a run of the study replaces nothing in the folder but what an earlier run wrote.

    :raises UsageError: when a file in the way was not written by mmc, or was changed since
    """
    written, found = _written(folder), folder.digest(STUDY)
    foreign = STUDY if found not in (None, _digest(study), *written) else LOG
    if foreign == STUDY or (folder.digest(LOG) is not None and not written):
        raise UsageError(
            f"{folder.path / foreign} was not written by mmc run, or was changed since: move it away, or choose "
            "another folder with --out"
        )


def write_study(folder: Folder, study: str) -> None:
    """Write the study as it is run."""
    found = folder.digest(STUDY)
    if found == _digest(study) and found in _written(folder):
        return
    kept = [] if found is None else [found]
    folder.write(WRITTEN, json.dumps({STUDY: sorted({*kept, _digest(study)})}) + "\n")
    if found != _digest(study):
        folder.write(STUDY, study)


def check_links(out: Folder, stages: Iterable[str]) -> None:
    """Check that there is no link among the outputs of a run; only their whole folder may be elsewhere.

    :raises MmcError: when there is one
    """
    for stage in stages:
        place = out.place(stage)
        if place.is_dir():
            for path in place.iterdir():
                out.place(f"{stage}/{path.name}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _written(folder: Folder) -> list[str]:
    with suppress(ValueError, TypeError, KeyError, RecursionError):
        return [str(digest) for digest in json.loads(folder.read(WRITTEN) or b"")[STUDY]]
    return []
