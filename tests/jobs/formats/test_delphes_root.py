"""What is said of Delphes files that cannot be read."""

from pathlib import Path

import numpy as np
import pytest
from mmc.errors import StepError
from mmc.jobs.formats import delphes_root

from tests.jobs.event_files import write_root


@pytest.mark.parametrize("collection", ["Muon", "MissingET"])
def test_missing_branch(tmp_path: Path, collection: str) -> None:
    write_root(tmp_path / "events.root", 20, without=collection)
    with pytest.raises(StepError, match=rf"^events\.root has no {collection}\.\w+: does the Delphes card write the"):
        delphes_root.read(tmp_path / "events.root", False)
    assert delphes_root.read(tmp_path / "events.root", True).n_events == 20


def test_another_root_file(tmp_path: Path) -> None:
    import uproot

    with uproot.recreate(tmp_path / "events.root") as file:
        file.mktree("events", {"x": np.int32}).extend({"x": np.ones(3, dtype=np.int32)})
    with pytest.raises(StepError, match=r"^events\.root is not an output of Delphes: it has no tree Delphes$"):
        delphes_root.read(tmp_path / "events.root", False)


@pytest.mark.parametrize("damage", ["short", "empty", "bytes", "text"])
def test_damaged_file(tmp_path: Path, damage: str) -> None:
    write_root(tmp_path / "whole.root", 200)
    content = (tmp_path / "whole.root").read_bytes()
    middle = len(content) // 2
    broken = {
        "short": content[:middle],
        "empty": b"",
        "bytes": content[:5000] + bytes(len(content) // 2) + content[5000 + len(content) // 2 :],
        "text": b"no ROOT file\n",
    }
    (tmp_path / "events.root").write_bytes(broken[damage])
    with pytest.raises(StepError, match=r"^events\.root is damaged: .+$") as raised:
        delphes_root.read(tmp_path / "events.root", False)
    assert "\n" not in str(raised.value)


def test_claims_and_what_is_not_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    path = tmp_path / "events.root"
    write_root(path, 200)
    monkeypatch.setattr(delphes_root, "RATIO", 0)
    monkeypatch.setattr(delphes_root, "FREE", 1000)
    for read in (lambda: delphes_root.read(path, False), lambda: delphes_root.count(path)):
        with pytest.raises(StepError, match=r"^events\.root has [\d,]+ bytes, and claims [\d,]+ bytes of values$"):
            read()
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(StepError, match=r"^events\.root cannot be read: not a regular file$"):
        delphes_root.count(path)
