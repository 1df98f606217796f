"""``mmc step``: run one job; its output appears complete or not at all.

A step writes into ``.NAME.part`` beside its output directory; this directory is renamed when the step returns. A job
that fails or is stopped leaves only its log, ``NAME.log``. A job that is killed (SIGKILL) also leaves the ``.part``,
which the next run removes, and its lock ``.NAME.lock``, which is held until the last program that it started has ended.
"""

import importlib
import logging
import math
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path

from mmc import reading
from mmc.compiler.catalogue.stages import STAGES
from mmc.compiler.settings.configuration import JobEntry, job_entry
from mmc.errors import MmcError, StepError
from mmc.files import Folder
from mmc.jobs.job import KEPT, StepJob, read_record, write_json
from mmc.jobs.record import RECORD, Record
from mmc.jobs.seeds import seed_generators
from mmc.jobs.steps.limits import StoppedError, end_with_engine, limited, time_limit_s, wait
from mmc.jobs.steps.reasons import full_disk, reason
from mmc.jobs.tracking.tracker import Tracker, tracker
from mmc.jobs.versions import versions
from mmc.locks import held
from mmc.printing import complain, plain
from mmc.version import __version__

THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
"""Environment variables that numerical libraries read when they are imported."""

FINGERPRINT = "MMC_FINGERPRINT"
"""The environment variable with the fingerprint of the job that the engine means."""
RESUME = "MMC_RESUME"
"""The environment variable that, as 1, has a job end at once whose output is there, made of the same inputs: the engine
cannot tell what is done."""
USAGE = "usage: mmc step STAGE --config FILE (--job NAME | --jobs NAME ...) [--INPUT PATH ...]... --out DIR"
EXIT_USAGE = 2

log = logging.getLogger("mmc.step")


@dataclass(frozen=True)
class _Command:
    stage: str
    config: Path
    job: str
    inputs: dict[str, tuple[Path, ...]]
    out: Path


class _UsageError(Exception):
    """The command line is wrong."""


def main(argv: Sequence[str]) -> int:
    """Run the job given by the arguments of ``mmc step``.

    :returns: 0; 2 when the command line is wrong; 3 when the job failed (with one line on standard error), 4 when it
        failed because the disk is full
    """
    end_with_engine()
    wait()
    try:
        command = _parse(argv)
    except _UsageError as error:
        return wrong_usage(str(error))
    out = command.out
    log_path = out.with_name(out.name + ".log")
    try:
        _check_ours(out, log_path)
        if not (_resumes() and is_done(argv)):
            with _logging_to(log_path):
                _run(command)
    except (Exception, KeyboardInterrupt, StoppedError) as error:
        hint = f" (log: {log_path})" if log_path.is_file() else ""
        full = full_disk(error, out.parent)
        with suppress(OSError):  # a full disk
            complain(f"mmc step {command.stage}[{command.job}]: {reason(full or error)}{hint}")
        return MmcError.exit_code if full is None else full.exit_code
    return 0


def wrong_usage(reason: str) -> int:
    """Say what is wrong with the command line.

    :returns: the exit code
    """
    complain(f"mmc step: {reason}", USAGE)
    return EXIT_USAGE


def is_done(argv: Sequence[str]) -> bool:
    """Whether the job given by the arguments of ``mmc step`` has made its output already."""
    try:
        command = _parse(argv)
        entry, _, _ = _configuration(command)
    except (_UsageError, StepError):
        return False  # running it reports what is wrong
    return _is_finished(command, entry)


def _parse(argv: Sequence[str]) -> _Command:
    if not argv or argv[0] not in STAGES:
        raise _UsageError(f"the first word must be a stage: {', '.join(STAGES)}")
    options: dict[str, list[str]] = {}
    name = ""
    for word in argv[1:]:
        if word.startswith("--") and len(word) > 2:
            name = word[2:]
            if name in options:
                raise _UsageError(f"--{name} is given twice")
            options[name] = []
        elif name:
            options[name].append(word)
        else:
            raise _UsageError(f"unexpected {word!r}")
    single = {}
    for name in ("config", "job", "out"):
        words = options.pop(name, [])
        if len(words) != 1 or not words[0]:
            raise _UsageError(f"--{name} needs one value")
        single[name] = words[0]
    inputs = {name: tuple(Path(word).absolute() for word in words) for name, words in options.items()}
    out = Path(single["out"]).absolute()
    return _Command(argv[0], Path(single["config"]).absolute(), single["job"], inputs, out)


def _run(command: _Command) -> None:
    """Run the job and give its output the final name.

    :raises Exception: the step's exception; the output is removed
    """
    entry, threads, limit = _configuration(command)
    for variable in THREAD_LIMITS:
        os.environ[variable] = str(threads)
    lock = command.out.with_name(f".{command.out.name}.lock")
    claimed = held(lock, "mmc step", wait_s=math.inf, waiting=log.info, unlocked=log.warning)
    with limited(time_limit_s(command.stage, limit)), claimed as claim:
        if (claim.waited or _resumes()) and _is_finished(command, entry):
            log.info("%s[%s] was done by another process", command.stage, command.job)
            return
        place, name = _beside(command.out), f".{command.out.name}.part"
        place.place(name)  # refuses a link
        part = place.empty(name)
        try:
            _make(command, entry, threads, part)
        except BaseException as error:
            log.debug("%s[%s] failed", command.stage, command.job, exc_info=True)
            full = full_disk(error, part)
            _beside(part).remove(part.name)
            if full is None:
                raise
            raise full from error


def _make(command: _Command, entry: JobEntry, threads: int, part: Path) -> None:
    """Make the output in the part and give it the final name."""
    started = time.monotonic()
    log.info("%s[%s] starts, seed %d, %d thread(s)", command.stage, command.job, entry.seed, threads)
    step = importlib.import_module(STAGES[command.stage].step)
    job = StepJob(
        command.stage,
        command.job,
        entry.settings,
        entry.seed,
        command.inputs,
        part,
        command.out,
        entry.fingerprint,
        reads=entry.reads,
    )
    with tracker(job) as track:
        seed_generators(entry.seed)  # last, because MLflow draws random numbers too
        step.run(job)
    seconds = round(time.monotonic() - started, 3)
    write_json(part / RECORD, _record(job, seconds, track).to_json())
    _replace(command.out, part, STAGES[command.stage].changing)
    _beside(part).remove(part.name + KEPT)
    log.info("%s[%s] done in %.1f s", command.stage, command.job, seconds)


def _record(job: StepJob, seconds: float, track: Tracker) -> Record:
    """The record of a job whose step has returned."""
    declared = STAGES[job.stage]
    imported = [package for package in declared.packages if package in sys.modules]
    record = Record(
        stage=job.stage,
        job=job.name,
        fingerprint=job.fingerprint,
        seed=job.seed,
        seconds=seconds,
        mmc=__version__,
        made_with={**versions(imported), **{name: text for name, text in job.programs.items() if text}},
        inputs=job.read_outputs,
        tracked=None if track.outcome is None else track.outcome.entry(),
    )
    return record.with_outputs(job.out, declared.changing)


def _is_finished(command: _Command, entry: JobEntry) -> bool:
    """Whether the output is there already, undamaged, and made of the inputs that are there now."""
    try:
        record = read_record(command.out)
        changed = record.changed_inputs(_records_of_inputs(command, entry))
        return (
            record.fingerprint == entry.fingerprint
            and record.damage(command.out, whole=False) is None
            and next(changed, None) is None
        )
    except (MmcError, OSError):
        return False


def _records_of_inputs(command: _Command, entry: JobEntry) -> Iterator[Record]:
    """The records of the outputs that the job is given and that are there."""
    folders = {name: tuple(path for path in paths if path.is_dir()) for name, paths in command.inputs.items()}
    job = StepJob(command.stage, command.job, {}, entry.seed, folders, command.out, reads=entry.reads)
    for name in folders:
        with suppress(StepError):
            for folder in job.outputs(name):
                with suppress(StepError):
                    yield read_record(folder)


def _resumes() -> bool:
    return os.environ.get(RESUME) == "1"


def _configuration(command: _Command) -> tuple[JobEntry, int, float | None]:
    """The job's entry, and the number of threads and the time limit of the stage, of a configuration file."""
    try:
        config = reading.read_json(command.config)
        if config["stage"] != command.stage:
            raise StepError(f"{command.config} configures the stage {config['stage']!r}")
        if command.job not in config["jobs"]:
            raise StepError(f"{command.config} has no job {command.job!r}")
        entry = job_entry(config, command.job)
        if os.environ.get(FINGERPRINT, entry.fingerprint) != entry.fingerprint:
            raise StepError(f"{command.config} has changed since the engine started: start it again")
        return entry, int(config["threads"]), config.get("time_s")
    except OSError as error:
        raise StepError(f"cannot read the configuration {command.config}: {error.strerror}") from error
    except (ValueError, TypeError, LookupError) as error:
        raise StepError(f"{command.config} is not a stage's configuration: {error!r}") from error


def _replace(out: Path, part: Path, changing: tuple[str, ...]) -> None:
    """Give the finished directory its final name, in place of an earlier output.

    Where later jobs change an output, the earlier one stays, and only the files that the job writes are replaced: the
    record is removed first and comes last.
    """
    place, old = _beside(out), f".{out.name}.old"
    place.remove(old)
    if changing and out.exists():
        names = sorted((path.name for path in part.iterdir()), key=lambda name: name == RECORD)
        place.remove(f"{out.name}/{RECORD}")
        for name in names:
            place.remove(f"{out.name}/{name}")
            place.move(f"{part.name}/{name}", f"{out.name}/{name}")
        place.remove(part.name)
        return
    if out.exists():
        place.move(out.name, old)
    place.move(part.name, out.name)
    place.remove(old)


def _beside(path: Path) -> Folder:
    """The folder of a stage, with the outputs of its jobs."""
    return Folder(path.parent)


def _check_ours(out: Path, log_path: Path) -> None:
    """Check that the output will not replace anything but an earlier output.

    :raises StepError: when a folder is there that no job wrote: it has no record, and no log is beside it
    """
    place = _beside(out)
    place.make()
    if not place.place(out.name).exists():
        return
    if not out.is_dir() or (any(out.iterdir()) and not (out / RECORD).is_file() and not log_path.is_file()):
        raise StepError(f"{out} was not written by mmc: move it away, or choose another folder")


class _Formatter(logging.Formatter):
    """Lines of a log that text from outside cannot break or hide."""

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(plain(line) for line in super().format(record).splitlines())


@contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    """Log from INFO on to a file, and mmc's own messages also to standard error."""
    formatter = _Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    console = logging.StreamHandler(sys.stderr)
    console.setLevel(logging.INFO)
    console.addFilter(lambda record: record.levelno >= logging.ERROR or record.name.startswith("mmc"))
    file = TextIOWrapper(_beside(path).restart(path.name), encoding="utf-8", errors="backslashreplace")
    handlers = (logging.StreamHandler(file), console)
    root, level = logging.getLogger(), logging.getLogger().level
    root.setLevel(logging.INFO)
    log.setLevel(logging.DEBUG)  # tracebacks of failures go only to the file
    logging.raiseExceptions = False  # with a full disk, logging itself fails: no tracebacks of that on standard error
    logging.captureWarnings(True)
    for handler in handlers:
        handler.setFormatter(formatter)
        root.addHandler(handler)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        root.setLevel(level)
        for handler in handlers:
            root.removeHandler(handler)
            handler.close()
        with suppress(OSError):  # a full disk
            file.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
