"""Locks are held by all that a process has started, and tell who holds them."""

import errno
import fcntl
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from mmc import locks
from mmc.errors import MmcError
from mmc.locks import LockedError, held

HOLDER = """\
import pathlib, subprocess, sys, time
from mmc.locks import held
with held(pathlib.Path(sys.argv[1]), "mmc run", shared=sys.argv[2] == "shared"):
    if sys.argv[2] == "parent":
        print(subprocess.Popen(["sleep", "60"], close_fds=False, stdout=subprocess.DEVNULL).pid, flush=True)
    else:
        print("holds", flush=True)
    time.sleep(60)
"""


@contextmanager
def holder(lock: Path, kind: str = "alone") -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Another process that holds the lock, and what it printed."""
    words = [sys.executable, "-c", HOLDER, str(lock), kind]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline()
        finally:
            process.kill()


def test_the_refusal_tells_who_holds_it(tmp_path: Path) -> None:
    lock = tmp_path / "run.lock"
    with holder(lock) as (process, _):
        with pytest.raises(LockedError) as refused, held(lock, "mmc compile"):
            pass
        expected = (
            rf"{tmp_path} is in use by mmc run of user \S+ on host \S+, process {process.pid}, since [\d :-]+ UTC"
        )
        assert re.fullmatch(expected, str(refused.value))
    with held(lock, "mmc compile"):  # it was killed
        assert "mmc compile" in lock.read_text()
    assert not lock.exists()


def test_it_waits_and_says_so(tmp_path: Path) -> None:
    lock = tmp_path / "run.lock"
    with held(lock, "mmc run") as found:
        assert not found.waited
    with holder(lock) as (process, _):
        process.kill()
        with held(lock, "mmc run", wait_s=20.0) as found:
            assert isinstance(found.waited, bool)
    with holder(lock) as (process, _):
        started = time.monotonic()
        with pytest.raises(LockedError), held(lock, "mmc run", wait_s=0.3):
            pass
        assert time.monotonic() - started >= 0.3


def test_children_hold_it_when_the_process_is_killed(tmp_path: Path) -> None:
    lock = tmp_path / "run.lock"
    with holder(lock, "parent") as (process, child):
        process.kill()
        process.wait()
        ended = "in use by a program of a command that has ended: mmc run of user"
        with pytest.raises(LockedError, match=ended), held(lock, "mmc run"):
            pass
        os.kill(int(child), 9)
        with held(lock, "mmc run", wait_s=20.0) as found:
            assert found.descriptor is not None


def test_the_process_of_another_host_is_not_said_to_have_ended(tmp_path: Path) -> None:
    """Process numbers mean nothing in another container or on another host."""
    lock = tmp_path / "run.lock"
    with holder(lock):
        line, place = lock.read_text().split("\n")[:2]
        for number, known in (("4194305", place.split(" ", 1)[1]), ("4194305", "another boot pid:[1]")):
            lock.write_text(f"{line}\n{number} {known}\n")
            with pytest.raises(LockedError) as refused, held(lock, "mmc run"):
                pass
            assert ("has ended" in str(refused.value)) == ("another" not in known)


def test_readers_share_it(tmp_path: Path) -> None:
    lock = tmp_path / "run.lock"
    with holder(lock, "shared"):
        with held(lock, "mmc report", shared=True):
            pass
        assert lock.exists()
        with pytest.raises(LockedError, match="mmc report"), held(lock, "mmc run"):
            pass
    with held(lock, "mmc report", shared=True):
        pass
    assert not lock.exists()


def test_a_removed_file_is_not_a_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The holder removes the file between our open and our flock: another process may hold a new one."""
    lock = tmp_path / "run.lock"
    opened, removed = locks._open, []

    def open_and_lose(path: Path) -> int | None:
        descriptor = opened(path)
        if not removed:
            removed.append(path.unlink())
        return descriptor

    monkeypatch.setattr(locks, "_open", open_and_lose)
    with held(lock, "mmc run") as found:
        assert found.descriptor is not None
        assert os.path.samestat(lock.stat(), os.fstat(found.descriptor))


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_refused(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_descriptor: int, _how: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(MmcError, match="has no file locks"), held(tmp_path / "lock", "mmc run"):
        pass
    said: list[str] = []
    with held(tmp_path / "lock", "mmc step", unlocked=said.append) as found:
        assert found.descriptor is None
    assert len(said) == 1


def test_what_is_not_a_lock_is_left_alone(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("one line\nand another\n")
    (tmp_path / "link").symlink_to(precious)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("precious", "link", "folder", "pipe"):
        with pytest.raises(MmcError, match="is not a lock of mmc: move it away"), held(tmp_path / name, "mmc run"):
            pass
    assert precious.read_text() == "one line\nand another\n"


def test_the_number_of_a_running_process_is_a_lock_of_an_older_mmc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / "run.lock"
    lock.write_text(f"{os.getpid()}\n")
    older = rf"process {os.getpid()} of an older mmc; if it is not, remove {lock}"
    with pytest.raises(LockedError, match=older), held(lock, "mmc run"):
        pass

    def belongs_to_another_user(_process: int, _number: int) -> None:
        raise PermissionError

    with monkeypatch.context() as patch, pytest.raises(LockedError):
        patch.setattr(os, "kill", belongs_to_another_user)
        with held(lock, "mmc run"):
            pass
    lock.write_text("4194305\n")  # beyond the largest process number: nobody
    with held(lock, "mmc run"):
        pass


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_a_lock_of_another_user(tmp_path: Path) -> None:
    for folder in tmp_path.parents[:-2]:
        folder.chmod(folder.stat().st_mode | 0o711)
    tmp_path.chmod(0o777)
    lock = tmp_path / "run.lock"
    with holder(lock):
        os.seteuid(65534)
        try:
            with pytest.raises(LockedError, match="of user root"), held(lock, "mmc run"):
                pass
        finally:
            os.seteuid(0)
    os.seteuid(65534)
    try:
        with held(lock, "mmc run", wait_s=10.0) as found:  # its holder was killed
            assert found.descriptor is not None
    finally:
        os.seteuid(0)
    assert not lock.exists()


def test_nothing_is_locked_where_nothing_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = os.open

    def refuse(path: Path, flags: int, *mode: int) -> int:
        if flags & os.O_CREAT:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path, flags, *mode)

    monkeypatch.setattr(os, "open", refuse)
    with held(tmp_path / "lock", "mmc report", shared=True) as found:
        assert found.descriptor is None
    with pytest.raises(OSError), held(tmp_path / "missing" / "lock", "mmc run"):
        pass
