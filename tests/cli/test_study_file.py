"""The files that a study names are part of it, and lie in its folder."""

from pathlib import Path

import pytest
import yaml
from mmc.cli.main import main

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def with_events(tiny: Path) -> Path:
    """A study of an event file beside it."""
    data = yaml.safe_load(tiny.read_text())
    del data["generation"], data["detector"], data["cuts"], data["morphing"]
    data["observables"] = {name: {} for name in data["observables"]}
    data["parameters"] = {name: {"range": entry["range"]} for name, entry in data["parameters"].items()}
    data["events"] = {"file": "data/events.h5"}
    (tiny.parent / "data").mkdir()
    (tiny.parent / "data" / "events.h5").write_bytes(b"\x89HDF")
    tiny.write_text(yaml.safe_dump(data))
    return tiny


def test_they_are_part_of_the_bundle(with_events: Path, tmp_path: Path) -> None:
    command = ["compile", str(with_events), "-t", "script", "--out", str(tmp_path / "bundle")]
    assert main(command) == 0
    assert (tmp_path / "bundle" / "inputs" / "events.h5").read_bytes() == b"\x89HDF"
    assert main([*command, "--check"]) == 0
    (with_events.parent / "data" / "events.h5").write_bytes(b"\x89HDF, another")
    assert main([*command, "--check"]) == 1


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("data/none.h5", "MMC601"),
        ("../events.h5", "MMC602"),
        ("/etc/passwd", "MMC602"),
        ("link.h5", "MMC602"),
        ("data", "MMC603"),
        (".", "MMC603"),
        ("x" * 5000, "MMC601"),
    ],
)
def test_they_are_files_in_the_folder_of_the_study(path: str, code: str, with_events: Path, capsys: Capture) -> None:
    (with_events.parent / "link.h5").symlink_to("/etc/passwd")
    with_events.write_text(with_events.read_text().replace("data/events.h5", path))
    assert main(["validate", str(with_events)]) == 1
    assert f"error[{code}]" in capsys.readouterr().out
