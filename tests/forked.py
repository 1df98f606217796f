"""Programs that are forked off one process which has imported what takes seconds to import, such as torch.

What runs is the program's own code, with its words, folder, environment and files, in a process of its own.
"""

import gc
import json
import os
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

CLIENT = """#!{python} -IS
import json, os, socket, sys

with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    socket.send_fds(server, [b"."], [0, 1, 2])
    server.sendall(json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode())
    server.shutdown(socket.SHUT_WR)
    code = server.recv(10)
sys.exit(int(code) if code else "the program {name} died")
"""
STREAMS = ("stdin", "stdout", "stderr")
Python = Callable[..., subprocess.CompletedProcess[str]]
"""Runs a program, given as text, with arguments; the options are those of ``subprocess.run``."""


@contextmanager
def forking_python(imported: Sequence[str], **environment: str) -> Iterator[Python]:
    """`python -c` in processes that are forked off one which has imported these modules in this environment."""
    with forking("python-c", "tests.given_program", imported, {**os.environ, **environment}) as programs:
        yield python_of(programs)


def python_of(programs: Path) -> Python:
    """`python -c` in processes that are forked off the one that has put the program into this folder."""

    def run(program: str, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        command = [programs / "python-c", program, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
        assert done.returncode == 0, done.stderr
        return done

    return run


@contextmanager
def forking(
    name: str, module: str, imported: Sequence[str], environment: dict[str, str], python: Path = Path(sys.executable)
) -> Iterator[Path]:
    """A folder with a program of that name, which runs a module as `python -m` does.

    :param imported: modules that are imported before the first run
    :param python: of the environment that has them
    """
    folder = Path(tempfile.mkdtemp(prefix="forking-"))  # as the name of a socket has to be short
    server = start(folder, name, module, imported, environment, python, os.getpid())
    try:
        yield folder / "bin"
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(folder)


def start(
    folder: Path,
    name: str,
    module: str,
    imported: Sequence[str],
    environment: dict[str, str],
    python: Path,
    owner: int,
) -> subprocess.Popen[bytes]:
    """The process that forks the program, which it puts into `bin` of a folder, until it or its owner ends."""
    program, address = folder / "bin" / name, str(folder / "socket")
    program.parent.mkdir()
    program.write_text(CLIENT.format(python=sys.executable, address=address, name=name))
    program.chmod(0o755)
    words = [python, "-W", "ignore", "-m", __name__, address, str(owner), module, *imported]
    server = subprocess.Popen(
        words, cwd=Path(__file__).parents[1], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    assert server.stdout is not None
    with server.stdout as told:
        is_ready = told.readline() == b"ready\n"
    if not is_ready:
        raise AssertionError(f"the process that forks {name} ended with {server.wait()}")
    return server


def serve(address: str, owner: int, module: str, imported: Sequence[str]) -> None:
    """Run the module for each who asks, until this process is killed or its owner is gone, the process of a number."""
    gc.disable()
    for name in imported:
        import_module(name)
    gc.freeze()  # otherwise each child looks at all this, and so copies it
    gc.enable()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen(64)
        server.settimeout(2.0)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            try:
                client, _ = server.accept()
            except TimeoutError:
                try:
                    os.kill(owner, 0)
                except ProcessLookupError:
                    shutil.rmtree(Path(address).parent)
                    return
                continue
            client.setblocking(True)
            if os.fork() == 0:
                server.close()
                _run(client, module)
            client.close()


def _run(client: socket.socket, module: str) -> None:
    """Run the module for this client, in this process, and end it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    code = 1
    try:
        _, files, _, _ = socket.recv_fds(client, 1, 3)
        with client.makefile("rb") as request:
            words, folder, environment = json.load(request)
        for number, (file, name, mode) in enumerate(zip(files, STREAMS, "rww", strict=True)):
            os.dup2(file, number)
            os.close(file)
            # a new object, as the old one knows whether the server's file could be sought
            setattr(sys, name, os.fdopen(number, mode, 1, errors="backslashreplace", closefd=False))
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv[1:] = words
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        client.sendall(str(code).encode())
        os._exit(code)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4:])
