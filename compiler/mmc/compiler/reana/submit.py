"""``mmc submit``, ``mmc status`` and ``mmc fetch``: bundles of the target reana on a REANA server.

``submission.json`` in the bundle's folder records the state before and after each step. An interrupted submission
continues from there: no second run is created, no file is sent twice, nothing is started twice.
"""

import fcntl
import json
import os
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mmc.compiler.reana.bundle import ReanaBundle
from mmc.compiler.reana.client import ANSWER_S, Client, GoneError
from mmc.compiler.targets.reana import SPECIFICATION
from mmc.errors import MmcError, UsageError
from mmc.files import Folder
from mmc.printing import say

RECORD = "submission.json"
RESULTS = "results"
SLOWEST = 50_000
"""The slowest upload, in bytes per second."""
DOWNLOAD_S = 24 * 3600
"""The time limit for the download of one output, whose size is not known."""
ENDED_BADLY = ("failed", "stopped", "deleted")


@dataclass(frozen=True)
class Submission:
    """The record of a run, from before its creation until its start."""

    server: str
    content: str
    """SHA-256 over the files of the bundle."""
    before: list[str]
    """The runs of that name that existed on the server before this run was created."""
    run: str | None = None
    """The run's name and number, once it was created."""
    uploaded: bool = False
    started: bool = False


def submit(bundle: ReanaBundle, client: Client, *, again: bool) -> int:
    """Create a run of the bundle, upload its files and start it, or continue an interrupted submission.

    :raises MmcError: when a step fails; the finished steps are kept
    """
    with _claimed(bundle.folder):
        content = bundle.content()
        found = _read(bundle)
        if found is not None and (again or (found.server, found.content) != (client.server, content)):
            if found.run is not None and not found.started:
                say(f"{found.run} was not started; it stays on {found.server}")
            found = None
        if found is not None and found.started:
            say(f"{found.run} was submitted before: `mmc status` shows its progress, --again submits another run")
            return 0
        if found is None:
            found = _written(bundle, Submission(client.server, content, [name for name, _ in _runs(bundle, client)]))
            found = _create(bundle, client, found)
        elif found.run is None:
            found = _find_or_create(bundle, client, found)
        if not found.uploaded:
            found = _upload(bundle, client, found)
        _start(bundle, client, found)
    return 0


def status(bundle: ReanaBundle, client: Client) -> int:
    """Print the progress of the bundle's run."""
    found = _submitted(bundle, client)
    row = _status(client, found)
    say(f"{found.run}: {_described(row)}")
    if row["status"] in ENDED_BADLY:
        say(f"logs: reana-client logs -w {found.run}")
    elif row["status"] == "created":
        say("the run has not started yet: `mmc submit` continues")
    elif row["status"] == "finished":
        say("`mmc fetch` gets the results")
    return 0


def fetch(bundle: ReanaBundle, client: Client, folder: Path | None) -> int:
    """Download the outputs of the bundle's finished run into a folder with the run's name; existing ones are kept.

    :raises MmcError: when the run has not finished, or a download fails; earlier downloads are kept
    """
    found = _submitted(bundle, client)
    row = _status(client, found)
    if row["status"] != "finished":
        way_out = f"reana-client logs -w {found.run}" if row["status"] in ENDED_BADLY else "fetch once it has finished"
        raise MmcError(f"{found.run}: {_described(row)}; {way_out}")
    place = Folder(folder or bundle.folder / RESULTS)
    results = place.make(str(found.run))
    for output in bundle.outputs:
        if not place.place(f"{found.run}/{output}").exists():
            _fetch_one(client, str(found.run), output, Folder(results))
    say(f"results: {results}")
    for page in sorted(results.rglob("index.html")):
        say(f"report:  {page}")
    return 0


def _create(bundle: ReanaBundle, client: Client, found: Submission) -> Submission:
    """A new run. The client prints its name before it uploads the specification; the name is valid if that fails."""
    done = client.run("create", "-w", bundle.name, "-f", SPECIFICATION, folder=bundle.folder)
    names = [line for line in done.stdout.splitlines() if _is_run(bundle, line)]
    if not names:
        raise client.failure("create", done.stderr or done.stdout)
    say(f"{names[-1]} is created on {client.server}")
    return _written(bundle, replace(found, run=names[-1]))


def _find_or_create(bundle: ReanaBundle, client: Client, found: Submission) -> Submission:
    """The run that an earlier call created without learning its name, if any; else a new run."""
    new = [(name, state) for name, state in _runs(bundle, client) if name not in found.before]
    if not new:
        return _create(bundle, client, found)
    unknown = [name for name, state in new if state == "created"]
    if len(unknown) != 1:
        names = ", ".join(name for name, _ in new)
        raise MmcError(f"it is not clear which run on {client.server} is this one ({names}): --again submits a new one")
    say(f"{unknown[0]} was created before on {client.server}")
    return _written(bundle, replace(found, run=unknown[0]))


def _upload(bundle: ReanaBundle, client: Client, found: Submission) -> Submission:
    """Upload files that are missing in the run's workspace or differ in size, and check that they arrived."""
    run = str(found.run)
    missing = _missing(bundle, client, found)
    if missing:
        size = sum(bundle.sizes()[path] for path in missing)
        say(f"{run}: uploading {len(missing)} files, {size / 1e6:.1f} MB")
        client.call("upload", "-w", run, *missing, folder=bundle.folder, limit_s=ANSWER_S + size / SLOWEST)
        missing = _missing(bundle, client, found)
    if missing:
        raise MmcError(f"{missing[0]} has not arrived whole in the workspace of {run}; the same command tries again")
    return _written(bundle, replace(found, uploaded=True))


def _missing(bundle: ReanaBundle, client: Client, found: Submission) -> list[str]:
    with _told_when_gone(client, found):
        rows = client.table("ls", "-w", str(found.run), keys=("name", "size"))
    there = {row["name"].lstrip("/"): row["size"] for row in rows}
    return [path for path, size in bundle.sizes().items() if there.get(path) != str(size)]


def _start(bundle: ReanaBundle, client: Client, found: Submission) -> None:
    """Start the run, unless an earlier call started it without getting the answer."""
    state = _status(client, found)["status"]
    if state == "created":
        client.call("start", "-w", str(found.run))
    elif state in ENDED_BADLY:
        raise MmcError(f"{found.run} is {state} on {client.server}: --again submits another run")
    _written(bundle, replace(found, started=True))
    say(f"{found.run} is started: `mmc status` shows its progress")


def _fetch_one(client: Client, run: str, output: str, results: Folder) -> None:
    """Download one output. REANA sends a folder as an archive, and gives archives of the same second the same name."""
    with tempfile.TemporaryDirectory(prefix=".fetching-", dir=results.path) as scratch:
        client.call("download", "-w", run, "-o", scratch, output, limit_s=DOWNLOAD_S)
        try:
            (archive,) = Path(scratch).iterdir()
            with zipfile.ZipFile(archive) as file:
                size, free = sum(item.file_size for item in file.infolist()), shutil.disk_usage(scratch).free
                if size > free:
                    where = f"{free / 1e9:.3g} GB are free in {results.path}"
                    raise MmcError(f"{output} of {run} takes {size / 1e9:.3g} GB, and {where}")
                file.extractall(Path(scratch, "whole"))
        except (ValueError, NotImplementedError, RuntimeError, EOFError, zlib.error, zipfile.BadZipFile) as error:
            raise MmcError(
                f"what {client.server} sent for {output} of {run} is not a whole archive; fetch again"
            ) from error
        name = f"{Path(scratch).name}/whole/{output}"
        if not results.place(name).is_dir():
            raise MmcError(f"what {client.server} sent for {output} of {run} has no such folder; fetch again")
        results.move(name, output)


def _submitted(bundle: ReanaBundle, client: Client) -> Submission:
    """The run that the bundle's record names."""
    found = _read(bundle)
    if found is None or found.run is None:
        raise UsageError(f"{bundle.folder} was not submitted yet: mmc submit {bundle.folder}")
    if found.server != client.server:
        raise UsageError(f"{found.run} is on {found.server}, and REANA_SERVER_URL is {client.server}")
    return found


def _status(client: Client, found: Submission) -> dict[str, str]:
    with _told_when_gone(client, found):
        rows = client.table("status", "-w", str(found.run), keys=("status",))
    if len(rows) != 1:
        raise MmcError(f"{client.server} returned {len(rows)} states of {found.run}; the same command asks again")
    return rows[0]


@contextmanager
def _told_when_gone(client: Client, found: Submission) -> Iterator[None]:
    try:
        yield
    except GoneError as error:
        raise MmcError(
            f"{found.run} is not on {client.server} any more: mmc submit --again submits another run"
        ) from error


def _described(row: Mapping[str, str]) -> str:
    """A row of ``reana-client status`` in words."""
    words = [row["status"]]
    done, slash, total = row.get("progress", "").partition("/")
    if slash:
        words.append(f"{done} of {total} jobs done")
    words += [f"{key} {row[key]}" for key in ("started", "ended") if row.get(key)]
    return ", ".join(words)


def _runs(bundle: ReanaBundle, client: Client) -> list[tuple[str, str]]:
    """The runs of the bundle's name on the server, each with its status."""
    rows = client.table("list", "-w", bundle.name, keys=("name", "run_number", "status"))
    named = [(f"{row['name']}.{row['run_number']}", row["status"]) for row in rows]
    return [(name, state) for name, state in named if _is_run(bundle, name)]


def _is_run(bundle: ReanaBundle, name: str) -> bool:
    """Whether a server may give this name to a run of the bundle: its name and a number."""
    return re.fullmatch(rf"{re.escape(bundle.name)}\.[0-9]+(\.[0-9]+)*", name) is not None


def _read(bundle: ReanaBundle) -> Submission | None:
    content = Folder(bundle.folder).read(RECORD)
    if content is None:
        return None
    try:
        found = Submission(**json.loads(content))
        flags, texts = (found.uploaded, found.started), (found.server, found.content, *found.before)
        if {*map(type, flags)} == {bool} and {*map(type, texts)} == {str} and _is_own(bundle, found.run):
            return found
    except (ValueError, TypeError, RecursionError):
        pass
    raise MmcError(f"{bundle.folder / RECORD} cannot be read: move it away to submit anew")


def _is_own(bundle: ReanaBundle, run: Any) -> bool:
    return run is None or (isinstance(run, str) and _is_run(bundle, run))


def _written(bundle: ReanaBundle, found: Submission) -> Submission:
    Folder(bundle.folder).write(RECORD, json.dumps(asdict(found), indent=2) + "\n")
    return found


@contextmanager
def _claimed(folder: Path) -> Iterator[None]:
    """Keep a second submission out of the folder."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        _lock(handle, folder)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, folder: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise MmcError(f"another mmc is submitting {folder}") from error
    except OSError:  # a file system without locks
        return
