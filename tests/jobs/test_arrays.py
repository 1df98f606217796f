"""Arrays of earlier jobs: numbers alone, as large as their files, never packed or pickled."""

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmc.errors import StepError
from mmc.jobs.arrays import MOST_ARRAYS, read_npy, read_npz


def _npy(value: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, value, allow_pickle=True)
    return file.getvalue()


def _claiming(shape: tuple[int, ...]) -> bytes:
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(80)


@pytest.mark.parametrize("value", [np.arange(6.0).reshape(2, 3), np.array(3), np.zeros((0, 2)), np.array([True])])
def test_arrays_are_read_as_numpy_reads_them(tmp_path: Path, value: Any) -> None:
    np.save(tmp_path / "x.npy", value)
    np.savez(tmp_path / "x.npz", a=value, b=value.T)
    packed = read_npz(tmp_path / "x.npz")
    for found in (read_npy(tmp_path / "x.npy"), packed["a"], packed["b"].T):
        np.testing.assert_array_equal(found, value)
        assert found.dtype == value.dtype and found.shape == value.shape


ARRAYS = {
    "pickle": (_npy(np.array([{}], dtype=object)), "it holds values of the type"),
    "fields": (_npy(np.zeros(3, dtype=[("a", "f8")])), "it holds values of the type"),
    "texts": (_npy(np.array(["a"])), "it holds values of the type"),
    "claims": (_claiming((10**12,)), r"it claims the shape \(1000000000000,\), and has 208 bytes"),
    "claims that overflow": (_claiming((2**40, 2**40)), "it claims the shape"),
    "negative": (_claiming((-1,)), "it claims the shape"),
    "cut": (_npy(np.zeros(100))[:500], "it claims the shape"),
    "more": (_npy(np.zeros(100)) + b"x", "it claims the shape"),
    "text": (b"hello", "magic string"),
    "empty": (b"", "EOF"),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_that_are_refused(tmp_path: Path, name: str) -> None:
    content, reason = ARRAYS[name]
    (tmp_path / "x.npy").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("x.npy", content)
    for read in (lambda: read_npy(tmp_path / "x.npy"), lambda: read_npz(tmp_path / "x.npz")):
        with pytest.raises(StepError, match=rf"is damaged: .*{reason}") as raised:
            read()
        assert "\n" not in str(raised.value)


def _many(archive: zipfile.ZipFile) -> None:
    for number in range(MOST_ARRAYS + 1):
        archive.writestr(f"{number}.npy", _npy(np.zeros(1)))


ARCHIVES: dict[str, tuple[Callable[[zipfile.ZipFile], Any], str]] = {
    "bomb": (
        lambda archive: archive.writestr("x.npy", _npy(np.zeros(10**7)), zipfile.ZIP_DEFLATED),
        "it claims more than it holds",
    ),
    "packed": (lambda archive: archive.writestr("x.npy", b"random", zipfile.ZIP_DEFLATED), "'x' is packed"),
    "no array": (lambda archive: archive.writestr("../x.txt", "x"), "it holds '../x.txt', which is not an array"),
    "a path": (lambda archive: archive.writestr("../x.npy", "x"), "it holds '../x.npy', which is not an array"),
    "many": (_many, "it holds too many arrays, or two with the same name"),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_archives_that_are_refused(tmp_path: Path, name: str) -> None:
    make, reason = ARCHIVES[name]
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        make(archive)
    with pytest.raises(StepError, match=rf"x\.npz is damaged: {reason}$"):
        read_npz(tmp_path / "x.npz")


def test_what_is_not_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "text").write_text("hello")
    for read in (read_npy, read_npz):
        with pytest.raises(StepError, match="pipe cannot be read: not a regular file"):
            read(tmp_path / "pipe")
        with pytest.raises(StepError, match="text is damaged: "):
            read(tmp_path / "text")
