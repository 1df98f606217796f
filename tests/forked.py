"""Programs that are forked off one process which has imported what takes seconds to import, such as torch.

What runs is the program's own code, with its words, folder, environment and files, in a process of its own.
"""

import fcntl
import gc
import os
import runpy
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from ast import literal_eval
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from multiprocessing.util import _exit_function
from pathlib import Path
from typing import IO, Any

CLIENT = """#!{python} -IS
import os, sys
from _socket import AF_UNIX, SCM_RIGHTS, SHUT_WR, SOL_SOCKET, SOCK_STREAM, socket  # json and socket take longer

server = socket(AF_UNIX, SOCK_STREAM)
server.connect({address!r})
files = b"".join(number.to_bytes(4, sys.byteorder) for number in range(3))
server.sendmsg([b"."], [(SOL_SOCKET, SCM_RIGHTS, files)])
server.sendall(repr((sys.argv[1:], os.getcwd(), dict(os.environ))).encode())
server.shutdown(SHUT_WR)
code = server.recv(10)
sys.exit(int(code) if code else "the program {name} died")
"""
PYTHON = """#!/bin/sh
[ "$1 $2" = "-m {name}" ] && shift 2 && exec {program} "$@"
exec {python} "$@"
"""
STREAMS = ("stdin", "stdout", "stderr")
Python = Callable[..., subprocess.CompletedProcess[str]]
"""Runs a program, given as text, with arguments; the options are those of ``subprocess.run``."""


@contextmanager
def forking_python(imported: Sequence[str], shared: Path | None = None, **environment: str) -> Iterator[Python]:
    """`python -c` in processes that are forked off one which has imported these modules in this environment.

    :param shared: as in :func:`forking`
    """
    with forking("python-c", "tests.given_program", imported, {**os.environ, **environment}, shared=shared) as programs:
        yield python_of(programs)


def python_of(programs: Path) -> Python:
    """That of the folder of a program `python-c`."""

    def run(program: str, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        command = [programs / "python-c", program, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
        assert done.returncode == 0, done.stderr
        return done

    return run


@contextmanager
def forking(
    name: str,
    module: str,
    imported: Sequence[str],
    environment: dict[str, str],
    python: Path = Path(sys.executable),
    shared: Path | None = None,
    starts_itself: bool = False,
) -> Iterator[Path]:
    """A folder with a program of that name, which runs a module as `python -m` does, or a file.

    :param module: a module, or the path of a file, which is also run once under another name than `__main__`
    :param imported: modules that are imported before the first run
    :param python: of the environment that has them
    :param shared: a file by which all processes that name it share one server; the first makes it
    :param starts_itself: whether the program starts itself with `python -m NAME`, which is then forked too
    """
    with ExitStack() as held:
        if shared is None:
            yield _started(name, module, imported, environment, python, held, starts_itself)
        else:
            with shared.open("a+") as known:
                fcntl.flock(known, fcntl.LOCK_EX)
                known.seek(0)
                folder = known.read()
                if not (folder and _joined(folder, held)):
                    folder = str(_started(name, module, imported, environment, python, held, starts_itself))
                    known.truncate(0)
                    known.write(folder)
            yield Path(folder)


def _joined(programs: str, held: ExitStack) -> bool:
    """Whether the server of this folder is there; it is kept until ``held`` ends."""
    line = held.enter_context(socket.socket(socket.AF_UNIX))
    try:
        line.connect(str(Path(programs).with_name("socket")))
        line.sendall(b"+")
        return line.recv(1) == b"+"
    except OSError:
        return False


def _started(
    name: str,
    module: str,
    imported: Sequence[str],
    environment: dict[str, str],
    python: Path,
    held: ExitStack,
    starts_itself: bool,
) -> Path:
    """The folder with the program of a new server, which is kept until ``held`` ends."""
    folder = Path(tempfile.mkdtemp(prefix="forking-"))  # as the name of a socket has to be short
    program = folder / "bin" / name
    address = str(folder / "socket")
    program.parent.mkdir()
    program.write_text(CLIENT.format(python=sys.executable, address=address, name=name))
    program.chmod(0o755)
    if starts_itself:
        again = program.with_name("python3")
        places = {"program": shlex.quote(str(program)), "python": shlex.quote(str(python))}
        again.write_text(PYTHON.format(name=name, **places))
        again.chmod(0o755)
    words = [python, "-W", "ignore", "-m", __name__, address, module, *imported]
    server = subprocess.Popen(
        words, cwd=Path(__file__).parents[1], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert server.stdin is not None and server.stdout is not None
    held.callback(_let_go, server)
    assert server.stdout.readline() == b"ready\n"
    return program.parent


def _let_go(server: subprocess.Popen[bytes]) -> None:
    """Close the pipes to a server, which ends unless others use it."""
    for pipe in (server.stdin, server.stdout):
        assert pipe is not None
        pipe.close()
    server.returncode = 0  # so that Popen does not complain of a process that others may still use


def serve(address: str, module: str, imported: Sequence[str]) -> None:
    """Run the module for each who asks, until nobody is there who holds a line to this process.

    The first line is the standard input, the others are connections that begin with a plus. A line ends with the
    process that holds it, however that ends.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C also ends the tests, and with them the lines
    owner = os.getpid()
    try:
        _import(module, imported)
        if (again := Path(address).with_name("bin") / "python3").exists():
            sys.executable = str(again)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(address)
            server.listen(64)
            sys.stdout.write("ready\n")
            sys.stdout.flush()
            _answer(server, module)
    finally:
        if os.getpid() == owner:
            shutil.rmtree(Path(address).parent)


def _import(module: str, imported: Sequence[str]) -> None:
    gc.disable()
    if os.sep in module:
        runpy.run_path(module, run_name="imported")
    for name in imported:
        import_module(name)
    gc.freeze()  # otherwise each child examines all this, and so copies it
    gc.set_threshold(20_000)  # as in tests/conftest.py
    gc.enable()


def _answer(server: socket.socket, module: str) -> None:
    """Take lines and run the module, until there is no line."""
    lines: list[IO[bytes] | socket.socket] = [os.fdopen(os.dup(0), "rb", 0)]
    while lines:
        for ready in select.select([server, *lines], [], [])[0]:
            if ready is not server:
                lines.remove(ready)  # nothing is said on a line, so this is its end
                ready.close()
                continue
            client, _ = server.accept()
            try:
                said, files, _, _ = socket.recv_fds(client, 1, len(STREAMS))
                if said == b"+":
                    client.sendall(said)
                    lines.append(client)
                    continue
            except OSError:  # the client is gone
                files = []
            if files and os.fork() == 0:
                server.close()
                _run(client, files, module)
            for file in [*files, client.detach()]:
                os.close(file)


def _run(client: socket.socket, files: Sequence[int], module: str) -> None:
    """Run the module for this client, with its files as standard streams, in this process, and end it."""
    for number in (signal.SIGCHLD, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    code = 1
    try:
        with client.makefile("rb") as request:
            words, folder, environment = literal_eval(request.read().decode())
        for number, (file, name, mode) in enumerate(zip(files, STREAMS, "rww", strict=True)):
            os.dup2(file, number)
            os.close(file)
            # a new object, as the old one knows whether the server's file could be sought
            setattr(sys, name, os.fdopen(number, mode, 1, errors="backslashreplace", closefd=False))
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv[1:] = words
        if os.sep in module:
            runpy.run_path(module, run_name="__main__")
        else:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            _exit_function()  # that of multiprocessing, which ends the processes of a pool
            sys.stdout.flush()
            sys.stderr.flush()
            client.sendall(str(code).encode())
        finally:
            os._exit(code)


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2], sys.argv[3:])
