"""How processes end, and with whom."""

import ctypes
import errno
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mmc.errors import MmcError

EXIT_FULL = 4
"""The exit code of a job that fails because the disk is full: its message may not find room there either."""
FULL = frozenset({errno.ENOSPC, errno.EFBIG, errno.EDQUOT})
"""The error numbers of a write that finds no room: the disk, the largest file or the user's quota."""

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals with which a run and its jobs are stopped."""

_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15


def killed_by(number: int) -> str:
    """The end of a process by a signal, in words.

    >>> killed_by(15)
    'killed by SIGTERM'
    """
    try:
        name = signal.Signals(number).name
    except ValueError:  # a real-time signal
        name = f"signal {number}"
    memory = ", as the kernel does when memory runs out" if number == signal.SIGKILL else ""
    return f"killed by {name}{memory}"


@contextmanager
def stopping_signals(pass_on: Callable[[int], object]) -> Iterator[list[int]]:
    """During the block, pass the signals of :data:`STOPPING` on instead of ending; yields those received so far."""
    received: list[int] = []

    def handle(number: int, _frame: object) -> None:
        received.append(number)
        pass_on(number)

    handled = [number for number in STOPPING if signal.getsignal(number) is not signal.SIG_IGN]  # nohup ignores SIGHUP
    previous = {number: signal.signal(number, handle) for number in handled}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def end_with_parent(parent: int) -> None:
    """Ask Linux to stop this process when its parent ends. If the parent has ended already, stop at once."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    try:
        os.kill(parent, 0)
    except ProcessLookupError:
        os.kill(os.getpid(), signal.SIGTERM)
    except OSError:
        pass


def name_process(name: str) -> None:
    """Let Linux show this process as ``name``, of which it keeps 15 bytes, in ``top`` and ``ps -e``."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_NAME, name.encode())


def memory_of_machine() -> int:
    """The memory of this machine, or of this container, in bytes."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, ValueError):  # `max` without a limit
        memory = min(memory, int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    return memory


def path_with_mmc() -> str:
    """A search path on which jobs find the running ``mmc``.

    :raises MmcError: when there is none
    """
    path = os.environ.get("PATH", os.defpath)
    for folder in (Path(sys.argv[0]).absolute().parent, Path(sys.executable).parent):
        if shutil.which("mmc", path=str(folder)):
            return f"{folder}{os.pathsep}{path}"
    if shutil.which("mmc", path=path):
        return path
    raise MmcError("the program `mmc` is not on the PATH, where jobs look for it")
