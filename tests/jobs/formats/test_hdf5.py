"""HDF5 files that refer to other files, to themselves or to programs, or claim what they do not hold."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from mmc.errors import StepError
from mmc.jobs.formats import hdf5
from mmc.jobs.formats.hdf5 import Declared

SECRET = "root:x:0:0"


def _cycle(file: Any) -> None:
    file.create_group("a/b")
    file["a/b/c"] = file["a"]


def _virtual(file: Any) -> None:
    layout = h5py.VirtualLayout((3,), dtype="f8")
    layout[:] = h5py.VirtualSource("other.h5", "x", shape=(3,))
    file.create_virtual_dataset("v", layout)


def _twice(file: Any) -> None:
    file["x"] = np.zeros(3)
    file["y"] = file["x"]


def _many(file: Any) -> None:
    for number in range(hdf5.MOST_OBJECTS):
        file.create_group(f"g{number}")


HOSTILE: dict[str, tuple[Callable[[Any], Any], str]] = {
    "external link": (
        lambda f: f.__setitem__("s", h5py.ExternalLink("other.h5", "/x")),
        "'s' of x.h5 is a link, which",
    ),
    "soft link": (lambda f: f.__setitem__("s", h5py.SoftLink("/x")), "'s' of x.h5 is a link, which"),
    "external storage": (
        lambda f: f.create_dataset("x", (10,), dtype="i1", external=[("secret", 0, 10)]),
        "the values of 'x' of x.h5 are in another file",
    ),
    "virtual": (_virtual, "'v' of x.h5 is a virtual dataset"),
    "cycle": (_cycle, "'a/b/c' of x.h5 has a second name in the file"),
    "second name": (_twice, "'y' of x.h5 has a second name in the file"),
    "many objects": (_many, "x.h5 has more than 1,000 groups and datasets"),
    "deep": (lambda f: f.create_group("/".join("a" * 20)), "x.h5 has groups more than 8 deep"),
    "named type": (lambda f: f.__setitem__("t", np.dtype("f8")), "'t' of x.h5 is neither a group nor a dataset"),
    "texts of any length": (lambda f: f.create_dataset("x", data=["a", "b"]), "holds neither numbers nor texts"),
    "compound": (lambda f: f.create_dataset("x", data=np.zeros(3, [("a", "f8")])), "holds neither numbers nor texts"),
    "references": (lambda f: f.create_dataset("x", data=[f.ref], dtype=h5py.ref_dtype), "holds neither numbers nor"),
    "long numbers": (lambda f: f.create_dataset("x", data=np.zeros(3, "f16")), "has values of 16 bytes each"),
    "long texts": (lambda f: f.create_dataset("x", data=[b"a"], dtype="S70000"), "has values of 70,000 bytes each"),
    "no values": (lambda f: f.create_dataset("x", data=h5py.Empty("f8")), "'x' of x.h5 has no values"),
    "a filter": (lambda f: f.create_dataset("x", data=np.arange(9), scaleoffset=3), "is packed with the filter 6"),
    "claimed chunks": (
        lambda f: f.create_dataset("x", (300_000_000,), dtype="f8", chunks=(1000,)),
        "'x' of x.h5 claims 2,400,000,000 bytes of values that are not in the file",
    ),
    "claimed block": (lambda f: f.create_dataset("x", (300_000_000,), dtype="f8"), "claims 2,400,000,000 bytes"),
    "large chunk": (
        lambda f: f.create_dataset("x", data=np.zeros(1), compression="gzip", chunks=(10_000_000,), maxshape=(None,)),
        "and claims 80,000,000 bytes of values",
    ),
    "long name": (lambda f: f.__setitem__("n" * 500, h5py.SoftLink("/x")), f"'{'n' * 60}…' of x.h5 is a link"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_leads_elsewhere_or_claims_too_much(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text(SECRET)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = np.full(3, 271828.0)
    make, reason = HOSTILE[name]
    with h5py.File(tmp_path / "x.h5", "w") as file:
        make(file)
    with pytest.raises(StepError) as raised, hdf5.opened(tmp_path / "x.h5") as opened:
        hdf5.look(opened, "x.h5")
    assert reason in str(raised.value) and "\n" not in str(raised.value)
    assert SECRET not in str(raised.value) and "271828" not in str(raised.value)


def test_honest_datasets(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("a/packed", data=np.zeros((1000, 3)), compression="gzip", shuffle=True, chunks=(300, 2))
        file.create_dataset("a/lzf", data=np.arange(10, dtype="f4"), compression="lzf")
        file.create_dataset("texts", data=[b"x", b"y"], dtype="S256")
        file.create_dataset("one", data=3)
        file.create_dataset("none", data=np.zeros((0, 3)))
    with hdf5.opened(tmp_path / "x.h5") as file:
        assert hdf5.look(file, "x.h5") == {
            "a/packed": Declared("numbers", (1000, 3), 8 * 1200 * 4),
            "a/lzf": Declared("numbers", (10,), 40),
            "texts": Declared("texts", (2,), 512),
            "one": Declared("integers", (), 8),
            "none": Declared("numbers", (0, 3), 0),
        }


def test_what_is_not_hdf5(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    (tmp_path / "empty").touch()
    os.mkfifo(tmp_path / "pipe")
    reasons = {
        "text": "text is not an HDF5 file",
        "empty": "empty is empty",
        "pipe": "pipe cannot be read: not a regular file",
        "none": "none cannot be read: No such file or directory",
    }
    for name, reason in reasons.items():
        with pytest.raises(StepError, match=f"^{reason}$"), hdf5.opened(tmp_path / name):
            pass


def test_a_file_that_was_cut(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = np.zeros(1000)
    content = (tmp_path / "x.h5").read_bytes()
    for length in range(1, len(content), 97):
        (tmp_path / "x.h5").write_bytes(content[:length])
        with pytest.raises(StepError, match=r"^x\.h5 "), hdf5.opened(tmp_path / "x.h5") as opened:
            hdf5.look(opened, "x.h5")
