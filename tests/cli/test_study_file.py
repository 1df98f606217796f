"""The files that a study names are part of it, and lie in its folder."""

import os
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


def fails(name: object, capsys: Capture) -> str:
    """The one line of a command line that is wrong."""
    assert main(["validate", str(name)]) in (2, 3)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


def test_only_regular_files_are_read(tmp_path: Path, capsys: Capture) -> None:
    """A FIFO would wait for ever, and a device never end."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to(tmp_path / "link")
    assert fails(tmp_path / "fifo", capsys) == f"mmc: {tmp_path / 'fifo'}: not a regular file\n"
    assert fails("/dev/zero", capsys) == "mmc: /dev/zero: not a regular file\n"
    assert "Is a directory" in fails(tmp_path, capsys)
    assert "Too many levels" in fails(tmp_path / "link", capsys)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, capsys: Capture) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1 << 40)
    assert main(["validate", str(tmp_path / "large")]) == 1
    assert "MMC002" in capsys.readouterr().out


SECRET = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n"


@pytest.mark.parametrize("text", [SECRET, "password: c2VjcmV0\n", "[c2VjcmV0", "a: 'c2VjcmV0\n", "c2VjcmV0: [c2VjcmV0"])
@pytest.mark.parametrize("command", ["validate", "plan"])
def test_a_link_out_of_the_folder_quotes_nothing(text: str, command: str, tmp_path: Path, capsys: Capture) -> None:
    """In a cloned repository a study may be a link to a private key."""
    (tmp_path / "secret").write_text(text)
    (tmp_path / "clone").mkdir()
    link = tmp_path / "clone" / "study.yaml"
    link.symlink_to(tmp_path / "secret")
    assert main([command, str(link)]) == 2
    out, err = capsys.readouterr()
    assert out + err == f"mmc: {link}: a link out of its folder, to a file that is not a study\n"


def test_a_link_to_a_study_elsewhere_is_checked_without_excerpts(wrong: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "clone").mkdir()
    link = tmp_path / "clone" / "study.yaml"
    link.symlink_to(wrong)
    assert main(["validate", str(link)]) == 1
    out = capsys.readouterr().out
    assert f"{link}:" in out
    assert " | " not in out
    (tmp_path / "clone" / "other.yaml").symlink_to("study.yaml")
    beside = wrong.with_name("beside.yaml")
    beside.symlink_to(wrong)
    assert main(["validate", str(beside)]) == 1
    assert " | " in capsys.readouterr().out
