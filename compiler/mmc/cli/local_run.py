"""For ``mmc run``: runs a study's bundle for the target ``script`` on this machine and shows its progress.

The folder of a run contains ``study.yaml`` as it was run, ``bundle/``, the outputs of all jobs in ``out/``, and
``run.log``.
"""

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mmc.cli.progress import Progress
from mmc.cli.study_file import StudyFile
from mmc.compiler.catalogue.stages import REPORT, TRACK
from mmc.compiler.plan.model import Plan
from mmc.compiler.plan.needs import needs_optuna
from mmc.compiler.targets.bundle import write
from mmc.compiler.targets.options import Options
from mmc.compiler.targets.script import emit
from mmc.errors import MissingExtraError, MmcError
from mmc.printing import say
from mmc.tables import duration, table

POLL_S = 0.2
LOCK_WAIT_S = 5.0
"""The time in which a stopping run must release the folder."""
WARNINGS = 3
"""At most this many warnings of the results are shown; failed closure tests come first."""

Process = subprocess.Popen[bytes]


class StoppedError(MmcError):
    """A signal has stopped the run."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + number


def run_study(study: StudyFile, plan: Plan, folder: Path, jobs: int | None) -> int:
    """Compile the study into ``folder/bundle``, run the unfinished jobs into ``folder/out``, and show the results.

    :raises MmcError: when a job fails, a signal arrives, or another run uses the folder
    """
    _check_optuna(plan)
    folder.mkdir(parents=True, exist_ok=True)
    _wait_for(folder / "out" / "run.lock")
    write(emit(plan, Options()), folder / "bundle", study.sources(plan))
    (folder / "study.yaml").write_text(study.document.text, encoding="utf-8")
    say(f"{plan.study}: {plan.n_jobs:,} jobs, running in {folder}")
    progress = Progress({stage.name: len(stage.jobs) for stage in plan.stages})
    started = time.monotonic()
    with _script(folder, jobs) as process, _signals_passed_to(process) as received:
        _watch(process, folder / "out" / "events.log", progress)
    if process.returncode != 0:
        raise _failure(folder, progress, received)
    before = f", {progress.before:,} of {plan.n_jobs:,} jobs were done before" if progress.before else ""
    say(f"done in {duration(time.monotonic() - started)}{before}")
    say(*_outcome(folder / "out", plan))
    return 0


def _check_optuna(plan: Plan) -> None:
    """Check for Optuna before the run: only the search needs it, after events and samples are made.

    :raises MissingExtraError: when it is not installed
    """
    here = [stage for stage in plan.stages if stage.image is None]
    if any(map(needs_optuna, here)) and find_spec("optuna") is None:
        raise MissingExtraError("optuna", "optuna")


def _outcome(out: Path, plan: Plan) -> list[str]:
    """The results of the run and where to find more."""
    last = plan.stages[-1]
    place = out / last.name
    if last.name != REPORT.name:
        return [f"outputs: {place}"]
    place /= last.jobs[0].name
    results = json.loads((place / REPORT.record).read_text(encoding="utf-8"))
    limits = results["baselines"] + results["methods"]
    lines = ["", *limits_table(limits), ""] if limits else []
    lines += [f"warning: {warning}" for warning in results["warnings"][:WARNINGS]]
    if len(results["warnings"]) > WARNINGS:
        lines.append(f"… and {len(results['warnings']) - WARNINGS} more warnings, in the report")
    return [*lines, f"results: {place / REPORT.record}", f"report:  {place / 'index.html'}", *_tracked(out, plan)]


def _tracked(out: Path, plan: Plan) -> list[str]:
    """Where the MLflow runs are, or why there are none."""
    if not any(stage.name == TRACK.name for stage in plan.stages):
        return []
    place = out / TRACK.name / TRACK.name
    record = json.loads((place / TRACK.record).read_text(encoding="utf-8"))
    if record["warning"]:
        return [f"warning: nothing was tracked: {record['warning']}"]
    return [f"tracked: {record['uri'] or place / 'mlflow.db'}, experiment {record['experiment']}"]


def limits_table(limits: Sequence[Mapping[str, Any]]) -> list[str]:
    """The part of the grid that each method allows, and the verdict of its closure tests."""
    levels = sorted({level for entry in limits for level in entry["allowed_fraction"]}, key=float)
    rows = [("method", *(f"allowed at {100 * float(level):g} %" for level in levels), "closure", "")]
    for entry in limits:
        shares = (f"{100 * entry['allowed_fraction'][level]:.1f} %" for level in levels)
        rows.append((entry["name"], *shares, entry["verdict"], "reaches the edge" if entry["touches_edge"] else ""))
    return table(rows, right=range(1, len(levels) + 1))


def _wait_for(lock: Path) -> None:
    """Wait until the run that holds the lock is gone."""
    deadline = time.monotonic() + LOCK_WAIT_S
    while (holder := _holder(lock)) is not None:
        if time.monotonic() > deadline:
            raise MmcError(f"process {holder} is running the jobs in {lock.parent}; if it is not, remove {lock}")
        time.sleep(POLL_S)


def _holder(lock: Path) -> int | None:
    """The process that holds the lock; None without a lock or if the process has ended."""
    try:
        holder = int(lock.read_text(encoding="ascii"))
        os.kill(holder, 0)
    except (OSError, ValueError, OverflowError):
        return None
    return holder


@contextmanager
def _script(folder: Path, jobs: int | None) -> Iterator[Process]:
    """``run.sh`` as a running process. It ends before the block ends, and also if this process is killed."""
    events = folder / "out" / "events.log"
    events.unlink(missing_ok=True)  # of an earlier run
    command = ["bash", str(folder / "bundle" / "run.sh"), "--out", str(events.parent.absolute())]
    command += [] if jobs is None else ["--jobs", str(jobs)]
    with (folder / "run.log").open("wb") as log:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PATH": _path_with_mmc()},
                start_new_session=True,  # only this process gets Ctrl-C, and passes it on once
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - there are no threads
            )
        except FileNotFoundError as error:
            raise MmcError("mmc run needs bash") from error
        with process:
            try:
                yield process
            except BaseException:
                process.terminate()
                raise


def _end_with_parent() -> None:
    """Ask Linux to stop this process when its parent ends."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def _path_with_mmc() -> str:
    """A search path on which jobs find the running ``mmc``."""
    path = os.environ.get("PATH", os.defpath)
    for folder in (Path(sys.argv[0]).absolute().parent, Path(sys.executable).parent):
        if shutil.which("mmc", path=str(folder)):
            return f"{folder}{os.pathsep}{path}"
    if shutil.which("mmc", path=path):
        return path
    raise MmcError("the program `mmc` is not on the PATH, where jobs look for it")


@contextmanager
def _signals_passed_to(process: Process) -> Iterator[list[int]]:
    """Pass SIGINT, SIGTERM and SIGHUP on instead of ending; yields the list of received signals."""
    received: list[int] = []

    def pass_on(number: int, _frame: object) -> None:
        received.append(number)
        process.send_signal(number)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    heard = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]  # nohup ignores SIGHUP
    previous = {number: signal.signal(number, pass_on) for number in heard}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _watch(process: Process, events: Path, progress: Progress) -> None:
    """Follow the events until the process ends; on a terminal, show the state in a line."""
    terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    started, seen, shown, running = time.monotonic(), 0, "", True
    while running:
        with suppress(subprocess.TimeoutExpired):
            process.wait(POLL_S)
        running = process.returncode is None
        seen += _take_new(events, seen, progress)
        width = shutil.get_terminal_size().columns - 1
        line = progress.line(time.monotonic() - started, width) if running else ""
        if terminal and line != shown:
            sys.stdout.write(f"\r{line}\x1b[K")
            sys.stdout.flush()
            shown = line


def _take_new(events: Path, start: int, progress: Progress) -> int:
    """Pass the complete lines from byte ``start`` on to the progress; returns their number of bytes."""
    try:
        with events.open("rb") as file:
            file.seek(start)
            text = file.read()
    except FileNotFoundError:
        return 0
    whole = text[: text.rfind(b"\n") + 1]
    for line in whole.decode().splitlines():
        progress.take(line)
    return len(whole)


def _failure(folder: Path, progress: Progress, received: list[int]) -> MmcError:
    """The reason why the script failed."""
    if received:
        state = f"{progress.n_done:,} of {progress.n_jobs:,} jobs are done"
        return StoppedError(f"stopped; {state}; the same command continues from there", received[0])
    if not progress.failed:
        return MmcError(_last_line(folder / "run.log").removeprefix("run.sh: ") or "run.sh failed")
    stage, job = progress.failed[0]
    printed = folder / "out" / stage / f"{job}.out"
    last = _last_line(printed)
    others = f"; {len(progress.failed) - 1} more failed" if len(progress.failed) > 1 else ""
    for prefix in (f"mmc step {stage}[{job}]: ", "mmc: "):
        if last.startswith(prefix):
            return MmcError(f"{stage}[{job}]: {last.removeprefix(prefix)}{others}")
    return MmcError(f"{stage}[{job}] failed (log: {printed}){others}")


def _last_line(file: Path) -> str:
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return ""
    return next((line for line in reversed(lines) if line.strip()), "")
