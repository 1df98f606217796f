"""Paths on the command line: home folders, links, and files that mmc did not write."""

import json
import os
import shutil
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path

import pytest
from mmc.cli import local_run
from mmc.cli.command import Command, path
from mmc.cli.main import COMMANDS, main

from tests.cli.test_run import Capture, fake, mmc_run, study
from tests.support import STUDIES

__all__ = ["fake", "mmc_run", "study"]

PATHS = {"FILE", "DIR", "RUN", "BUNDLE|STUDY"}


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.name != "step"], ids=lambda command: command.name)
def test_every_path_may_start_with_a_tilde(command: Command) -> None:
    parser = ArgumentParser()
    command.add_arguments(parser)
    found = [action for action in parser._actions if action.metavar in PATHS]
    assert all(action.type is path for action in found)
    assert found or command.name == "explain"


def test_a_tilde_is_the_home_folder(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(tiny, home)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path)
    assert main(["compile", "~/study.yaml", "-t", "script", "--out=~/bundle"]) == 0
    assert main(["plan", "~/study.yaml", "--format=json", "--output=~/plan.json"]) == 0
    assert main(["init", "~/new"]) == 0
    assert (home / "bundle" / "run.sh").is_file() and (home / "plan.json").is_file()
    assert (home / "new" / "study.yaml").is_file() and not (tmp_path / "~").exists()
    assert capsys.readouterr().out.splitlines()[0] == str(home / "bundle")


def test_a_home_that_is_not_known(tiny: Path, capsys: Capture) -> None:
    assert main(["compile", str(tiny), "-t", "script", "--out=~no-such-user/x"]) == 2
    assert "the home folder in ~no-such-user/x is not known: give the whole path" in capsys.readouterr().err


def test_a_missing_file_hides_no_problem(tiny: Path, wrong: Path, tmp_path: Path, capsys: Capture) -> None:
    for command in (["validate"], ["compile", "-t", "script"]):
        assert main([*command, str(wrong), str(tmp_path / "no"), str(tiny), str(tmp_path / "neither")]) == 2
        captured = capsys.readouterr()
        assert "MMC" in captured.out + captured.err and "wrong.yaml:3:1" in captured.out + captured.err
        last = captured.err.splitlines()[-1]
        assert last == "mmc: " + "; ".join(
            f"{tmp_path / name}: No such file or directory" for name in ("no", "neither")
        )


def test_the_plan_does_not_replace_the_study(tiny: Path, capsys: Capture) -> None:
    before = tiny.read_text()
    assert main(["plan", str(tiny), "--format", "json", "-o", f"{tiny.parent}/./study.yaml"]) == 2
    assert "is the study: name another file with --output" in capsys.readouterr().err
    assert tiny.read_text() == before


def test_the_plan_goes_through_no_link_but_to_devices(
    tiny: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "plan.json").symlink_to("mine")
    words = ["plan", str(tiny), "--format", "json", "-o"]
    assert main([*words, str(tmp_path / "plan.json")]) == 3
    assert "plan.json is a link to mine" in capfd.readouterr().err
    assert (tmp_path / "mine").read_text() == "mine"
    assert main([*words, "/dev/stdout"]) == 0
    assert json.loads(capfd.readouterr().out)
    assert main([*words, "/dev/null"]) == 0


@pytest.mark.parametrize("name", ["study.yaml", "study.schema.json"])
def test_a_new_study_goes_through_no_link(name: str, tmp_path: Path, capsys: Capture) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / name).symlink_to(tmp_path / "mine")
    assert main(["init", str(folder)]) == 2
    assert f"{name} exists already" in capsys.readouterr().err
    assert not (tmp_path / "mine").exists() and [entry.name for entry in folder.iterdir()] == [name]


@pytest.mark.parametrize("link", ["drell-yan-tiny", "drell-yan-tiny/script", "drell-yan-tiny/script/run.sh"])
def test_bundles_go_through_no_link_of_a_repository(link: str, tiny: Path, tmp_path: Path, capsys: Capture) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / ".bashrc").write_text("mine")
    place = tmp_path / "build" / link
    place.parent.mkdir(parents=True)
    (place.parent / "manifest.json").write_text(json.dumps({"files": {"run.sh": "0" * 64}}))
    place.symlink_to(mine / ".bashrc" if link.endswith("run.sh") else mine)
    assert main(["compile", str(tiny), "-t", "script"]) == 3
    assert f"{link} is a link to {mine}" in capsys.readouterr().err
    assert (mine / ".bashrc").read_text() == "mine" and [entry.name for entry in mine.iterdir()] == [".bashrc"]


def test_builds_may_be_on_another_disk(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "build").symlink_to("scratch")
    assert main(["compile", str(tiny), "-t", "script"]) == 0
    assert (tmp_path / "scratch" / "drell-yan-tiny" / "script" / "run.sh").is_file()


@pytest.mark.parametrize("link", ["runs", "runs/drell-yan-tiny", "runs/drell-yan-tiny/out"])
def test_runs_may_be_on_another_disk(mmc_run: Callable[[], int], link: str, tmp_path: Path, capsys: Capture) -> None:
    place = tmp_path / link
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(tmp_path / "scratch")
    assert mmc_run() == 2
    expected = (
        f"mmc: {place} is a link to {tmp_path / 'scratch'}, which does not exist: make that folder, or remove the link"
    )
    assert capsys.readouterr().err == f"{expected}\n"
    (tmp_path / "scratch").mkdir()
    assert mmc_run() == 0
    assert list((tmp_path / "scratch").rglob("job.json"))


@pytest.mark.parametrize(
    "link", ["bundle", "run.log", "study.yaml", ".mmc.json", "out/report", "out/report/report", "out/events.log"]
)
def test_a_run_goes_through_no_link(mmc_run: Callable[[], int], link: str, tmp_path: Path, capsys: Capture) -> None:
    mine = tmp_path / "mine"
    (mine / "report").mkdir(parents=True)
    (mine / "report" / "file").write_text("mine")
    place = tmp_path / "runs" / "drell-yan-tiny" / link
    place.parent.mkdir(parents=True)
    is_file = place.suffix in (".log", ".yaml", ".json")
    place.symlink_to(mine / "report" / "file" if is_file else mine)
    code = mmc_run()
    if link == "out/events.log":  # of an earlier run
        assert code == 0 and not place.is_symlink()
    else:
        assert code == 3 and f"{link} is a link to {mine}" in capsys.readouterr().err
    assert [str(entry.relative_to(mine)) for entry in sorted(mine.rglob("*"))] == ["report", "report/file"]
    assert (mine / "report" / "file").read_text() == "mine"


@pytest.mark.parametrize("name", ["study.yaml", "run.log"])
def test_a_run_does_not_replace_a_file_of_the_user(
    fake: Path, tiny: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr(local_run, "path_with_mmc", lambda: f"{fake}:{os.environ['PATH']}")
    place = tmp_path / "place"
    place.mkdir()
    (place / name).write_text("mine")
    words = ["run", str(tiny), "-o", str(place)]
    assert main(words) == 2
    assert f"{place / name} was not written by mmc run, or was changed since" in capsys.readouterr().err
    assert (place / name).read_text() == "mine" and not (place / "bundle").exists()
    (place / name).unlink()
    assert main(words) == 0
    tiny.write_text(tiny.read_text() + "# changed\n")
    assert main(words) == 0
    assert (place / "study.yaml").read_text() == tiny.read_text()
    assert main(["run", str(place / "study.yaml"), "-o", str(place)]) == 0
    (place / "study.yaml").write_text(tiny.read_text() + "# edited\n")
    assert main(words) == 2


def test_a_study_runs_in_its_own_folder(fake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a variant beside it does not replace it."""
    monkeypatch.setattr(local_run, "path_with_mmc", lambda: f"{fake}:{os.environ['PATH']}")
    folder = tmp_path / "folder"
    folder.mkdir()
    text = (STUDIES / "drell-yan" / "tiny.yaml").read_text()
    (folder / "study.yaml").write_text(text)
    (folder / "variant.yaml").write_text(text.replace("drell-yan-tiny", "variant"))
    monkeypatch.chdir(folder)
    assert main(["run", "variant.yaml", "-o", "."]) == 2
    assert main(["run", "study.yaml", "-o", "."]) == 0
    assert (folder / "study.yaml").read_text() == text
