"""``python -m mmc.jobs.steps.server``: forks jobs off one process that has imported what they need.

A job takes half a second to two seconds to import numpy, scipy, matplotlib or torch. ``mmc run`` starts this server
beside ``run.sh``, and ``mmc step`` asks it (:mod:`mmc.jobs.steps.asking`). A job is a process of its own with the
words, the folder, the environment and the files of ``mmc step``. It is killed when ``mmc step`` ends, and stopped when
the server does; then ``mmc step`` runs the job itself.
"""

import atexit
import gc
import json
import os
import selectors
import shutil
import signal
import socket
import sys
import traceback
import weakref
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import NoReturn

from mmc.compiler.catalogue.stages import STAGES
from mmc.errors import MmcError
from mmc.jobs.steps import runner
from mmc.jobs.steps.asking import FILES, NUMBER_BYTES
from mmc.jobs.steps.limits import ENGINE
from mmc.processes import STOPPING, end_with_parent, name_process


def main(argv: Sequence[str]) -> int:
    """Run jobs of some stages, all of one thread, until nobody can ask any more and the last one has ended.

    :param argv: the number of the file on which it is asked, and the stages
    """
    os.environ |= dict.fromkeys(runner.THREAD_LIMITS, "1")
    with socket.socket(fileno=int(argv[0])) as asked:
        _Server(asked, frozenset(argv[1:])).serve()
    return 0


class _Server:
    def __init__(self, asked: socket.socket, stages: frozenset[str]) -> None:
        self._asked, self._stages = asked, stages
        self._running: dict[int, socket.socket] = {}
        """Where to report how each job has ended."""
        self._selector = selectors.DefaultSelector()
        self._ended, self._ends = socket.socketpair()
        """Readable when a job has ended."""

    def serve(self) -> None:
        self._selector.register(self._asked, selectors.EVENT_READ, self._take)
        self._selector.register(self._ended, selectors.EVENT_READ, self._collect)
        for end in (self._ended, self._ends):
            end.setblocking(False)
        signal.set_wakeup_fd(self._ends.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)  # whoever asks is stopped, and stops its job
        while self._asked.fileno() >= 0 or self._running:
            for key, _ in self._selector.select():
                key.data()

    def _take(self) -> None:
        """Take a request."""
        stage, files, _, _ = socket.recv_fds(self._asked, 1024, FILES, socket.MSG_CMSG_CLOEXEC)
        if len(files) != FILES:
            for file in files:
                os.close(file)
            if not stage:  # nobody is left
                self._forget(self._asked)
            return
        *of_job, last = files
        client = socket.socket(fileno=last)
        job = self._fork(of_job, client) if self._imports(stage.decode(errors="replace")) else 0
        for file in of_job:
            os.close(file)
        _tell(client, job)
        if job:
            self._running[job] = client
            self._selector.register(client, selectors.EVENT_READ, lambda: self._kill(job))
        else:
            client.close()

    def _imports(self, stage: str) -> bool:
        """Import what the jobs of a stage need; False if they are to run elsewhere.

        Steps import MadMiner where they use it, so it is not among these modules: records tell by ``sys.modules`` with
        which packages an output was made, and only the jobs that use MadMiner may name it.
        """
        if stage not in self._stages:
            return False
        try:
            import_module(STAGES[stage].step)
        except Exception:
            return False  # the job reports what is missing
        gc.freeze()  # otherwise each job looks at all this, and so copies it
        return True

    def _fork(self, files: Sequence[int], client: socket.socket) -> int:
        """The process of a job, which runs from here on too; 0 if there cannot be another one."""
        server = os.getpid()
        try:
            job = os.fork()
        except OSError:
            return 0
        if job == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
            self._selector.close()
            for other in (self._asked, self._ended, self._ends, client, *self._running.values()):
                other.close()
            _leave_to_server()
            _run(files, server)
        return job

    def _kill(self, job: int) -> None:
        """The client of a job has ended before the job."""
        if job in self._running:  # it may have ended at the same time
            self._selector.unregister(self._running[job])
            os.kill(job, signal.SIGKILL)

    def _collect(self) -> None:
        """Tell how the jobs have ended that have ended."""
        self._ended.recv(1024)
        while self._running:
            job, status = os.waitpid(-1, os.WNOHANG)
            if not job:
                return
            code = os.waitstatus_to_exitcode(status)
            if client := self._running.pop(job, None):
                _tell(client, code if code >= 0 else 128 - code)
                self._forget(client)

    def _forget(self, connection: socket.socket) -> None:
        with suppress(KeyError):  # its client has ended
            self._selector.unregister(connection)
        connection.close()


def _tell(client: socket.socket, number: int) -> None:
    with suppress(OSError):  # it has ended
        client.send(number.to_bytes(NUMBER_BYTES, "little"))


def _leave_to_server() -> None:
    """Let no job remove what the server removes at its own end, such as the folder of matplotlib's configuration."""
    atexit.unregister(shutil.rmtree)
    for inherited in [*weakref.finalize._registry]:  # type: ignore[attr-defined]
        inherited.atexit = False


def _run(files: Sequence[int], server: int) -> NoReturn:
    """Run the job of a request in this process."""
    code = MmcError.exit_code
    try:
        *streams, request = files
        for number, file in enumerate(streams):
            os.dup2(file, number)
            os.close(file)
        with os.fdopen(request, "rb") as text:
            text.seek(0)
            words, folder, environment = json.load(text)
        name_process(f"mmc {words[0]}")
        end_with_parent(server)
        if os.getppid() != server:  # it has ended before that, and so `mmc step` makes the job
            os._exit(code)
        os.chdir(folder)
        os.environ.clear()
        os.environ |= environment | {ENGINE: str(server)}
        code = runner.main(words)
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(Exception):
            atexit._run_exitfuncs()  # remove temporary folders, as at the end of any program
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
