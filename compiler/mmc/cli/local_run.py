"""For ``mmc run``: runs a study's bundle, on this machine or elsewhere, and shows its progress.

The folder of a run contains ``study.yaml`` as it was run, ``bundle/``, the outputs of all jobs in ``out/``,
``run.log``, and ``ro-crate-metadata.json``, which describes the run for archives.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

from mmc.cli.job_server import served, serving
from mmc.cli.places import Place
from mmc.cli.progress import Progress
from mmc.cli.run_place import LOG, check_links, check_place, write_study
from mmc.cli.study_file import StudyFile
from mmc.cli.whole_study import study_text
from mmc.compiler.catalogue.stages import REPORT, STAGES, TRACK, VARIANTS
from mmc.compiler.plan.model import Plan
from mmc.compiler.plan.needs import needs_optuna, needs_ufoamp
from mmc.compiler.targets.bundle import write
from mmc.errors import MissingExtraError, MmcError
from mmc.files import Folder
from mmc.locks import BUNDLE, RUN, Lock, held
from mmc.printing import say
from mmc.processes import EXIT_FULL, end_with_parent, killed_by, path_with_mmc, stopping_signals
from mmc.tables import critical_values, duration, interval_ends, region_size, table, toys_in_words

POLL_S = 0.2
CLEAR = "\x1b[K"
"""Clears the rest of the line of a terminal."""
LOCK_WAIT_S = 5.0
"""The time in which a stopping run must release the folder."""
FULL_DISK = 1 << 20
"""With fewer bytes than this, a disk is full."""
SHELL_OPTIONS = ("SHELLOPTS", "BASHOPTS", "POSIXLY_CORRECT")
"""With these, a shell hands its own options down to the scripts that it starts."""
MISSING, AGAIN = 5, 5
"""At most this many jobs without an output, and jobs that run again, are named."""
TASK_END = "task.sh: exit code "
"""How the line begins that a task of a batch system adds to what a failed job has printed."""
SHOWN_VARIANTS = 20
"""At most the results of this many variants are shown."""
WARNINGS = 3
"""At most this many warnings of the results are shown; failed closure tests come first."""

Process = subprocess.Popen[bytes]


class StoppedError(MmcError):
    """A signal has stopped the run."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + number


def run_study(
    study: StudyFile, plan: Plan, folder: Path, on: Place, jobs: int | None, *, mixed_versions: bool = False
) -> int:
    """Compile the study into ``folder/bundle``, run the unfinished jobs into ``folder/out``, and show the results.

    :param on: where the jobs run
    :param mixed_versions: go on although finished jobs were made with other versions of MadMiner, torch or a generator
    :raises MmcError: when a job fails, a signal arrives, or another run uses the folder
    """
    _check_packages(plan)
    place, out = Folder(folder), Folder(folder / "out")
    text = study_text(study)
    check_place(place, text)  # before anything is made, and again once nobody else writes
    with _locked(place, out) as lock:
        check_place(place, text)
        on.check(folder, plan, jobs)
        check_links(out, (stage.name for stage in plan.stages))
        write(on.bundle(plan), place.place("bundle"), study.sources(plan))
        write_study(place, text)
        _take_events(study, plan, out)
        _take_variants(plan, out)
        say(f"{plan.study}: {plan.n_jobs:,} jobs, running in {folder}{on.title}")
        progress = Progress({stage.name: len(stage.jobs) for stage in plan.stages})
        started = time.monotonic()
        forked = served(plan) if on.target == "script" else []
        script = _script(folder, on, jobs, forked, lock, mixed_versions=mixed_versions)
        with script as process, stopping_signals(process.send_signal) as received:
            _watch(process, folder / "out" / "events.log", progress)
        if process.returncode != 0:
            raise _failure(folder, on, progress, received, process.returncode)
        _check_finished(folder / "out", plan)
        before = f", {progress.before:,} of {plan.n_jobs:,} jobs were done before" if progress.before else ""
        say(f"done in {duration(time.monotonic() - started)}{before}")
        say(*_outcome(folder / "out", plan))
        from mmc.jobs.report.crate import write_crate  # here, as a run starts sooner without it

        write_crate(folder)
    return 0


@contextmanager
def _locked(place: Folder, out: Folder) -> Iterator[Lock]:
    """Keep other runs and compilations out of the folder of a run. Yields the lock on the outputs.

    :raises LockedError: when another process uses the folder and does not stop soon
    :raises MmcError: when this user may not write there
    """
    run, bundle = out.make() / RUN, place.make("bundle") / BUNDLE
    for folder in (place.path, run.parent, bundle.parent):
        if not os.access(folder, os.W_OK):
            raise MmcError(f"you may not write into {folder}: copy the folder of the run, or choose another with --out")
    with held(run, "mmc run", wait_s=LOCK_WAIT_S) as lock, held(bundle, "mmc run", wait_s=LOCK_WAIT_S):
        yield lock


def _take_events(study: StudyFile, plan: Plan, out: Folder) -> None:
    """Take the outputs that the study wants from another run.

    :raises MmcError: when that run has other events
    """
    if plan.from_run is None:
        return
    from mmc.jobs.resume.taking import take

    run = study.folder / plan.from_run
    jobs = [(name, job.name, job.fingerprint) for name in plan.taken for job in plan.stage(name).jobs]
    say(f"{take(jobs, plan.taken[-1], run, out):,} outputs are taken from {run}")


def _take_variants(plan: Plan, out: Folder) -> None:
    """Find the outputs of variants that have other numbers than in an earlier run."""
    if plan.variants:
        from mmc.jobs.resume.taking import take_renamed

        jobs = [(stage.name, job.name, job.fingerprint) for stage in plan.stages for job in stage.jobs]
        if n := take_renamed(jobs, out):
            say(f"{n:,} outputs are of variants that have another number now")


def _check_packages(plan: Plan) -> None:
    """Check before the run for packages that only some studies need: Optuna after events and samples are made.

    :raises MissingExtraError: when one is not installed
    """
    here = [stage for stage in plan.stages if stage.image is None]
    for package, extra, is_needed in (("ufoamp", "ufo", needs_ufoamp), ("optuna", "optuna", needs_optuna)):
        if any(map(is_needed, here)) and find_spec(package) is None:
            raise MissingExtraError(package, extra)


def _check_finished(out: Path, plan: Plan) -> None:
    """:raises MmcError: unless every job of the plan has its output, with its current fingerprint"""
    from mmc.jobs.job import fingerprint_in

    jobs = [(stage.name, job) for stage in plan.stages for job in stage.jobs]
    missing = [
        f"{stage}[{job.name}]" for stage, job in jobs if fingerprint_in(out / stage / job.name) != job.fingerprint
    ]
    if missing:
        named = ", ".join(missing[:MISSING]) + (", …" if len(missing) > MISSING else "")
        raise MmcError(f"{len(missing):,} of {len(jobs):,} jobs have no output of this study: {named}; run it again")


def _outcome(out: Path, plan: Plan) -> list[str]:
    """The results of the run and where to find more."""
    from mmc.jobs.job import read_json

    last = plan.stages[-1]
    place = out / last.name
    if last.name == VARIANTS.name:
        from mmc.jobs.report.variants import text_table

        place /= last.jobs[0].name
        found = read_json(place / VARIANTS.record)["variants"]
        shown = dict(islice(found.items(), SHOWN_VARIANTS))
        more = [f"… and {len(found) - len(shown):,} more variants"] if len(found) > len(shown) else []
        return [
            "",
            *text_table(shown),
            *more,
            "",
            f"results: {place / VARIANTS.record}",
            f"report:  {place / 'index.html'}",
        ]
    if last.name != REPORT.name:
        return [f"outputs: {place}", *_tracked(out, plan)]
    place /= last.jobs[0].name
    results = read_json(place / REPORT.record)
    combined = [entry for entry in results.get("combinations", ()) if "grid" in entry]
    limits = results["baselines"] + results["methods"] + combined
    lines = ["", *limits_table(limits), ""] if limits else []
    lines += [f"warning: {warning}" for warning in results["warnings"][:WARNINGS]]
    if len(results["warnings"]) > WARNINGS:
        lines.append(f"… and {len(results['warnings']) - WARNINGS} more warnings, in the report")
    return [*lines, f"results: {place / REPORT.record}", f"report:  {place / 'index.html'}", *_tracked(out, plan)]


def _tracked(out: Path, plan: Plan) -> list[str]:
    """What was tracked in the end, and where, or why nothing was."""
    from mmc.jobs.job import read_json
    from mmc.jobs.record import RECORD
    from mmc.jobs.tracking.outcome import Outcome
    from mmc.jobs.tracking.sqlite_file import STORE

    if not any(stage.name == TRACK.name for stage in plan.stages):
        return []
    place = out / TRACK.name / TRACK.name
    begun = read_json(place / TRACK.record)
    found = {}
    for stage in plan.stages:
        if STAGES[stage.name].tracked_as is not None:
            for job in stage.jobs:
                record = read_json(out / stage.name / job.name / RECORD)
                found[f"{stage.name}[{job.name}]"] = Outcome.of(record, begun["key"])
    last = found[next(reversed(found))]  # the report knows which jobs it has logged itself
    outcome = last if last.jobs else Outcome(begun["key"], logged=True, reason=begun["warning"] or "").of_all(found)
    return [outcome.line(f"{begun['uri'] or place / STORE}, experiment {begun['experiment']}")]


def limits_table(limits: Sequence[Mapping[str, Any]]) -> list[str]:
    """The part of the grid that each method allows, the verdict of its closure tests, and critical values from toys."""
    levels = sorted({level for entry in limits for level in entry["allowed_fraction"]}, key=float)
    if not levels:
        return _intervals_table(limits)
    rows = [("method", *(f"allowed at {100 * float(level):g} %" for level in levels), "closure", "")]
    for entry in limits:
        shares = (region_size(entry, level) for level in levels)
        rows.append((entry["name"], *shares, entry["verdict"], "reaches the edge" if entry["touches_edge"] else ""))
    lines = table(rows, right=range(1, len(levels) + 1))
    return lines + [
        f"{entry['name']}: critical values {', '.join(critical_values(entry['toys']))}, "
        f"from {toys_in_words(entry['toys'])}"
        for entry in limits
        if "toys" in entry
    ]


def _intervals_table(limits: Sequence[Mapping[str, Any]]) -> list[str]:
    """Without a grid: the interval of each parameter at the highest level, with the others profiled."""
    level = max(limits[0]["confidence_levels"])
    rows = [(f"at {100 * level:g} %", *(entry["name"] for entry in limits))]
    for name in limits[0]["best_fit"]:
        rows.append((name, *(interval_ends(entry, name, str(level)) for entry in limits)))
    return table([*rows, ("closure", *(entry["verdict"] for entry in limits))])


@contextmanager
def _script(
    folder: Path, on: Place, jobs: int | None, forked: Sequence[str], lock: Lock, *, mixed_versions: bool
) -> Iterator[Process]:
    """What runs the jobs as a running process. It ends before the block ends, and also if this process is killed.

    :param forked: the stages whose jobs are forked off one process
    """
    events = folder / "out" / "events.log"
    Folder(events.parent).remove(events.name)  # of an earlier run
    command = on.words(folder.absolute())
    command += [] if jobs is None else ["--jobs", str(jobs)]
    command += ["--mixed-versions"] if mixed_versions else []
    environment = {**os.environ, "PATH": path_with_mmc(), "MMC_RUN_LOCK": str(lock.descriptor)}
    for name in SHELL_OPTIONS:
        environment.pop(name, None)
    parent = os.getpid()
    with Folder(folder).restart(LOG) as log, serving(forked, folder / "bundle", log) as server:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment | server,
                close_fds=False,  # the locks are inherited: they are held until the last job has ended
                start_new_session=True,  # only this process gets Ctrl-C, and passes it on once
                preexec_fn=lambda: end_with_parent(parent),  # noqa: PLW1509 - there are no threads
            )
        except FileNotFoundError as error:
            raise MmcError("mmc run needs bash") from error
        with process:
            try:
                yield process
            except BaseException:
                process.terminate()
                raise


def _watch(process: Process, events: Path, progress: Progress) -> None:
    """Follow the events until the process ends; on a terminal, show the state in a line."""
    terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    started, seen, shown, running, told = time.monotonic(), 0, "", True, 0
    while running:
        with suppress(subprocess.TimeoutExpired):
            process.wait(POLL_S)
        running = process.returncode is None
        seen += _take_new(events, seen, progress)
        for text in progress.again[told:AGAIN]:
            if terminal:
                sys.stdout.write(f"\r{CLEAR}")
            say(text)
            shown = ""
        told = len(progress.again)
        width = shutil.get_terminal_size().columns - 1
        line = progress.line(time.monotonic() - started, width) if running else ""
        if terminal and line != shown:
            sys.stdout.write(f"\r{line}{CLEAR}")
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
    for line in whole.decode(errors="replace").split("\n"):
        progress.take(line)
    return len(whole)


def _failure(folder: Path, on: Place, progress: Progress, received: list[int], code: int) -> MmcError:
    """The reason why the script failed."""
    if received:
        state = f"{progress.n_done:,} of {progress.n_jobs:,} jobs are done"
        goes_on = on.left if received[0] != signal.SIGINT else ""
        return StoppedError(f"stopped; {state}; {goes_on or 'the same command continues from there'}", received[0])
    full = "cannot write: the disk is full" if shutil.disk_usage(folder).free < FULL_DISK else ""
    if not progress.failed:
        if code < 0:
            return MmcError(f"{_program(on)} was {killed_by(-code)}; the same command continues from there")
        said = _last_line(folder / LOG).removeprefix("run.sh: ").removeprefix("mmc: ")
        return MmcError(said or full or f"{_program(on)} failed with exit code {code}")
    stage, job, code = progress.failed[0]
    printed = folder / "out" / stage / f"{job}.out"
    last = _last_line(printed)
    others = f"; {len(progress.failed) - 1} more failed" if len(progress.failed) > 1 else ""
    for prefix in (f"mmc step {stage}[{job}]: ", "mmc: "):
        if last.startswith(prefix):
            return MmcError(f"{stage}[{job}]: {last.removeprefix(prefix)}{others}")
    system = folder / "out" / on.target / f"{stage}.out"  # of a batch system, which may have ended the job
    logs = f"{printed}, {system}" if code > 128 and system.is_file() else printed
    return MmcError(f"{stage}[{job}] {full or _ended(code)} (log: {logs}){others}")


def _program(on: Place) -> str:
    return "run.sh" if on.target == "script" else f"mmc{on.title}"


def _ended(code: int) -> str:
    """How a job without a message of its own has ended."""
    if code == 0:
        return "ended without its output"
    if code == EXIT_FULL:
        return "cannot write: the disk is full"
    if code > 128:
        return f"was {killed_by(code - 128)}"
    return f"failed with exit code {code}"


def _last_line(file: Path) -> str:
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return ""
    return next((line for line in reversed(lines) if line.strip() and not line.startswith(TASK_END)), "")
