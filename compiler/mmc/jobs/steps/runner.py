"""``mmc step``: run one job; its output appears complete or not at all.

A step writes into ``.NAME.part`` beside its output directory; this directory is renamed when the step returns. A job
that fails or is stopped leaves only its log, ``NAME.log``. A job that is killed (SIGKILL) also leaves the ``.part``,
which the next run removes.
"""

import errno
import fcntl
import importlib
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from types import FrameType
from typing import Any

from mmc.compiler.catalogue.stages import STAGES
from mmc.errors import MissingExtraError, MmcError, StepError
from mmc.files import Folder
from mmc.jobs.job import KEPT, StepJob, write_json
from mmc.jobs.record import RECORD, Record
from mmc.jobs.seeds import seed_generators
from mmc.jobs.tracking.tracker import tracker
from mmc.jobs.versions import versions
from mmc.printing import complain, plain
from mmc.version import __version__

THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
"""Environment variables that numerical libraries read when they are imported."""

OWN_EXTRAS = {"optuna": "optuna"}
"""Package → extra, for the packages outside the extra ``steps``."""

USAGE = "usage: mmc step STAGE --config FILE --job NAME [--INPUT PATH ...]... --out DIR"
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


class _StoppedError(BaseException):
    """A signal asks the job to stop. Not an ``Exception``, so no step catches it as an error."""


def main(argv: Sequence[str]) -> int:
    """Run the job given by the arguments of ``mmc step``.

    :returns: 0; 2 when the command line is wrong; 3 when the job failed (with one line on standard error)
    """
    try:
        command = _parse(argv)
    except _UsageError as error:
        complain(f"mmc step: {error}", *USAGE.splitlines())
        return EXIT_USAGE
    out = command.out
    log_path = out.with_name(out.name + ".log")
    try:
        _check_ours(out, log_path)
        with _logging_to(log_path):
            _run(command)
    except (Exception, KeyboardInterrupt, _StoppedError) as error:
        hint = f" (log: {log_path})" if log_path.is_file() else ""
        complain(f"mmc step {command.stage}[{command.job}]: {_reason(error)}{hint}")
        return MmcError.exit_code
    return 0


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
    entry, shared, threads = _configuration(command)
    for variable in THREAD_LIMITS:
        os.environ[variable] = str(threads)
    os.environ["MPLBACKEND"] = "agg"
    part = command.out.with_name(f".{command.out.name}.part")
    claim = _claim(part)
    previous = signal.signal(signal.SIGTERM, _stop)
    try:
        started = time.monotonic()
        log.info("%s[%s] starts, seed %d, %d thread(s)", command.stage, command.job, entry["seed"], threads)
        step = importlib.import_module(STAGES[command.stage].step)
        settings, seed, fingerprint = {**shared, **entry["settings"]}, entry["seed"], entry["fingerprint"]
        job = StepJob(command.stage, command.job, settings, seed, command.inputs, part, command.out, fingerprint)
        with tracker(job):
            seed_generators(seed)  # last, because MLflow draws random numbers too
            step.run(job)
        seconds = round(time.monotonic() - started, 3)
        write_json(part / RECORD, _record(job, seconds).to_json())
        _replace(command.out, part)
        _beside(part).remove(part.name + KEPT)
        log.info("%s[%s] done in %.1f s", command.stage, command.job, seconds)
    except BaseException:
        log.debug("%s[%s] failed", command.stage, command.job, exc_info=True)
        _beside(part).remove(part.name)
        raise
    finally:
        signal.signal(signal.SIGTERM, previous)
        os.close(claim)


def _record(job: StepJob, seconds: float) -> Record:
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
    )
    return record.with_outputs(job.out, declared.changing)


def _claim(part: Path) -> int:
    """Create an empty ``.part`` directory and lock it, once no other process writes into it.

    A job can outlive an engine that is killed; a second run of the job waits for the first to end.

    :returns: a file descriptor, to be closed when the directory is gone
    """
    with suppress(FileNotFoundError):
        os.close(_lock(_beside(part).place(part.name)))
    _beside(part).empty(part.name)
    return _lock(part)


def _lock(folder: Path) -> int:
    descriptor = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW)
    with suppress(OSError):  # a file system without locks
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def _configuration(command: _Command) -> tuple[dict[str, Any], dict[str, Any], int]:
    """The job's own entry, the shared settings and the number of threads of a stage's configuration file."""
    try:
        config = json.loads(command.config.read_text(encoding="utf-8"))
        if config["stage"] != command.stage:
            raise StepError(f"{command.config} configures the stage {config['stage']!r}")
        if command.job not in config["jobs"]:
            raise StepError(f"{command.config} has no job {command.job!r}")
        return config["jobs"][command.job], config["shared"], int(config["threads"])
    except OSError as error:
        raise StepError(f"cannot read the configuration {command.config}: {error.strerror}") from error
    except (ValueError, TypeError, KeyError) as error:
        raise StepError(f"{command.config} is not a stage's configuration: {error!r}") from error


def _replace(out: Path, part: Path) -> None:
    """Give the finished directory its final name, in place of an earlier output."""
    place, old = _beside(out), f".{out.name}.old"
    place.remove(old)
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


def _stop(signum: int, _frame: FrameType | None) -> None:
    raise _StoppedError(f"stopped by {signal.Signals(signum).name}")


def _reason(error: BaseException) -> str:
    """The error as one line for the user."""
    if isinstance(error, ModuleNotFoundError) and error.name and error.name.split(".")[0] != "mmc":
        package = error.name.split(".")[0]
        error = MissingExtraError(package, OWN_EXTRAS.get(package, "steps"))
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    text = " ".join(str(error).split())
    if isinstance(error, (MmcError, _StoppedError)):
        return text
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
        return f"cannot write: {text}"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


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
