"""What stops a job: a signal, its time limit, and the end of the engine that has started it."""

import faulthandler
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from mmc.compiler.catalogue.stages import STAGES
from mmc.errors import StepError
from mmc.processes import end_with_parent

TIME_LIMIT = "MMC_TIME_LIMIT"
"""The environment variable with the time limit of every job in hours, instead of the limits of the stages."""
ENGINE = "MMC_ENGINE"
"""The environment variable with the process that has started the job and must outlive it."""
GRACE_S = 300.0
"""The time in which a job must react to its time limit; after that it is stuck in a library and is ended."""


class StoppedError(BaseException):
    """A signal asks the job to stop. Not an ``Exception``, so no step catches it as an error."""


WAIT = "MMC_WAIT_S"
"""The environment variable with the seconds that a job waits before it starts: it is tried again after a failure."""


def wait() -> None:
    """Wait as long as the engine asks for."""
    given = os.environ.pop(WAIT, "")
    if given.isdecimal():
        time.sleep(int(given))


def time_limit_s(stage: str, asked: float | None = None) -> float:
    """The time limit of a stage's jobs.

    :param asked: the limit in the study, in seconds
    :raises StepError: when the environment variable is not a positive number
    """
    given = os.environ.get(TIME_LIMIT)
    if not given:
        return STAGES[stage].hours * 3600.0 if asked is None else asked
    try:
        hours = float(given)
    except ValueError:
        hours = 0.0
    if not 0.0 < hours < 1e5:
        raise StepError(f"{TIME_LIMIT} is {given!r}, not a number of hours")
    return hours * 3600.0


@contextmanager
def limited(limit_s: float) -> Iterator[None]:
    """Raise :class:`StoppedError` in the block at SIGTERM and after the time limit.

    If the job does not react, because a library never returns, the process ends with a traceback of where it is.
    """

    limit = f"{limit_s / 3600:g} hours" if limit_s >= 3600 else f"{limit_s:g} s"

    def stop(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGALRM:
            raise StoppedError(
                f"stopped: it took longer than its time limit of {limit}; if it did not hang, set more `time` in "
                f"`execution.resources`, or {TIME_LIMIT} to more hours"
            )
        raise StoppedError(f"stopped by {signal.Signals(number).name}")

    previous = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGALRM)}
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    faulthandler.dump_traceback_later(limit_s + GRACE_S, exit=True, file=2)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        for number, handler in previous.items():
            signal.signal(number, handler)


def end_with_engine() -> None:
    """Stop this job when the engine that has started it ends, if it asks for that."""
    engine = os.environ.pop(ENGINE, "")
    if engine.isdecimal():
        end_with_parent(int(engine))
