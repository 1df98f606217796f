"""Submissions that are killed anywhere, repeated, changed in between; the client acts without a process."""

import json
from pathlib import Path
from typing import Any

import pytest
from mmc.cli.main import main
from mmc.compiler.reana.submit import RECORD, ReanaBundle, fetch, open_bundle, status, submit
from mmc.errors import MmcError, UsageError

from tests.compiler.reana.fake_client import FakeClient, Fate, KilledError, When
from tests.compiler.reana.server import Double
from tests.support import STUDIES

Capture = pytest.CaptureFixture[str]
N_CALLS = len(("list", "create", "ls", "upload", "ls", "status", "start"))


@pytest.fixture
def double() -> Double:
    return Double({})


@pytest.fixture
def bundle(study: Path, capsys: Capture) -> ReanaBundle:
    assert main(["compile", str(study), "-t", "reana"]) == 0
    capsys.readouterr()
    return open_bundle(study.parent / "build" / "drell-yan-tiny" / "reana")


def commands(bundle: ReanaBundle, double: Double, *, again: bool = False) -> list[str]:
    """Submit; the commands that this took."""
    client = FakeClient("reana-client", "https://reana.example", "secret", double=double)
    assert submit(bundle, client, again=again) == 0
    return client.fate.commands


def record(bundle: ReanaBundle) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((bundle.folder / RECORD).read_text())
    return content


def is_there(bundle: ReanaBundle, double: Double, name: str) -> bool:
    run = double.workflows[name]
    whole = {path: (bundle.folder / path).read_bytes() for path in bundle.files}
    return run.status == "running" and run.starts == 1 and run.files == whole


def test_a_submission(bundle: ReanaBundle, double: Double, capsys: Capture) -> None:
    assert commands(bundle, double) == ["list", "create", "ls", "upload", "ls", "status", "start"]
    assert is_there(bundle, double, "drell-yan-tiny.1")
    assert record(bundle)["run"] == "drell-yan-tiny.1"
    assert "secret" not in (bundle.folder / RECORD).read_text() + capsys.readouterr().out


@pytest.mark.parametrize("when", ["before", "amid", "after"])
@pytest.mark.parametrize("call", range(1, N_CALLS + 1))
def test_killed_anywhere_and_repeated(call: int, when: When, bundle: ReanaBundle, double: Double) -> None:
    double.create("drell-yan-tiny", {})  # another run that waits there is left alone
    client = FakeClient("reana-client", "https://reana.example", "secret", double=double, fate=Fate(call, when))
    with pytest.raises(KilledError):
        submit(bundle, client, again=False)
    commands(bundle, double)
    assert list(double.workflows) == ["drell-yan-tiny.1", "drell-yan-tiny.2"]
    assert is_there(bundle, double, "drell-yan-tiny.2")
    assert double.workflows["drell-yan-tiny.1"].starts == 0
    assert commands(bundle, double) == []


def test_only_what_has_not_arrived_is_sent_again(bundle: ReanaBundle, double: Double) -> None:
    client = FakeClient("reana-client", "https://reana.example", "secret", double=double, fate=Fate(4, "amid"))
    with pytest.raises(KilledError):
        submit(bundle, client, again=False)
    arrived = dict(double.workflows["drell-yan-tiny.1"].files)
    seen: list[str] = []
    original = FakeClient.run

    class Watching(FakeClient):
        def run(self, command: str, *words: str, **more: Any) -> Any:
            seen.extend(words[2:] if command == "upload" else ())
            return original(self, command, *words, **more)

    submit(bundle, Watching("reana-client", "https://reana.example", "secret", double=double), again=False)
    assert 0 < len(seen) < len(bundle.files)
    assert not {path for path, data in arrived.items() if data != b"broken off"} & set(seen)


def test_what_was_submitted_is_submitted_once(bundle: ReanaBundle, double: Double, capsys: Capture) -> None:
    commands(bundle, double)
    capsys.readouterr()
    assert commands(bundle, double) == []
    assert "drell-yan-tiny.1 was submitted before" in capsys.readouterr().out
    commands(bundle, double, again=True)
    assert is_there(bundle, double, "drell-yan-tiny.2")


def test_a_changed_bundle_is_another_run(bundle: ReanaBundle, double: Double, capsys: Capture) -> None:
    client = FakeClient("reana-client", "https://reana.example", "secret", double=double, fate=Fate(3))
    with pytest.raises(KilledError):
        submit(bundle, client, again=False)
    (bundle.folder / "config" / "train.json").write_text("{}\n")
    commands(bundle, double)
    assert is_there(bundle, double, "drell-yan-tiny.2")
    assert "drell-yan-tiny.1 was not started; it stays on https://reana.example" in capsys.readouterr().out


def test_a_run_that_is_gone(bundle: ReanaBundle, double: Double) -> None:
    client = FakeClient("reana-client", "https://reana.example", "secret", double=double, fate=Fate(3))
    with pytest.raises(KilledError):
        submit(bundle, client, again=False)
    double.workflows.clear()
    with pytest.raises(MmcError, match=r"tiny\.1 is not on https://reana\.example any more: mmc submit --again"):
        commands(bundle, double)
    commands(bundle, double, again=True)
    assert is_there(bundle, double, "drell-yan-tiny.1")


def test_two_runs_that_appeared_are_not_guessed_at(bundle: ReanaBundle, double: Double) -> None:
    client = FakeClient("reana-client", "https://reana.example", "secret", double=double, fate=Fate(2, "after"))
    with pytest.raises(KilledError):
        submit(bundle, client, again=False)
    double.create("drell-yan-tiny", {})
    with pytest.raises(MmcError, match=r"which run .* is this one \(drell-yan-tiny\.1, drell-yan-tiny\.2\)"):
        commands(bundle, double)


def test_a_file_that_never_arrives(bundle: ReanaBundle, double: Double) -> None:
    class Losing(FakeClient):
        def run(self, command: str, *words: str, **more: Any) -> Any:
            done = super().run(command, *words, **more)
            for run in self.double.workflows.values():
                run.files.pop("steps.yml", None)
            return done

    with pytest.raises(MmcError, match=r"steps\.yml has not arrived whole in the workspace of drell-yan-tiny\.1"):
        submit(bundle, Losing("reana-client", "https://reana.example", "secret", double=double), again=False)
    assert double.workflows["drell-yan-tiny.1"].starts == 0


def test_a_second_submission_at_the_same_time(bundle: ReanaBundle, double: Double) -> None:
    class Nosy(FakeClient):
        def run(self, command: str, *words: str, **more: Any) -> Any:
            with pytest.raises(MmcError, match="another mmc is submitting"):
                commands(bundle, double)
            return super().run(command, *words, **more)

    assert submit(bundle, Nosy("reana-client", "https://reana.example", "secret", double=double), again=False) == 0


def test_a_record_that_cannot_be_read(bundle: ReanaBundle, double: Double) -> None:
    (bundle.folder / RECORD).write_text("{")
    with pytest.raises(MmcError, match=r"submission\.json cannot be read: move it away"):
        commands(bundle, double)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("created", "mmc submit"),
        ("running", "running"),
        ("finished", "mmc fetch"),
        ("failed", "logs: reana-client logs -w drell-yan-tiny.1"),
    ],
)
def test_status(state: str, said: str, bundle: ReanaBundle, double: Double, capsys: Capture) -> None:
    commands(bundle, double)
    capsys.readouterr()
    double.workflows["drell-yan-tiny.1"].status = state
    client = FakeClient("reana-client", "https://reana.example", "secret", double=double)
    assert status(bundle, client) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"drell-yan-tiny.1: {state}")
    assert said in out


def test_what_was_not_submitted_has_no_status(bundle: ReanaBundle, double: Double) -> None:
    client = FakeClient("reana-client", "https://reana.example", "secret", double=double)
    with pytest.raises(UsageError, match="was not submitted yet"):
        status(bundle, client)
    commands(bundle, double)
    elsewhere = FakeClient("reana-client", "https://other.example", "secret", double=double)
    with pytest.raises(
        UsageError, match=r"is on https://reana\.example, and REANA_SERVER_URL is https://other\.example"
    ):
        fetch(bundle, elsewhere, None)


@pytest.mark.parametrize(
    ("state", "way_out"), [("running", "fetch once it has finished"), ("failed", "reana-client logs")]
)
def test_a_run_that_has_not_finished_is_not_fetched(
    state: str, way_out: str, bundle: ReanaBundle, double: Double
) -> None:
    commands(bundle, double)
    double.workflows["drell-yan-tiny.1"].status = state
    with pytest.raises(MmcError, match=f"{state}; {way_out}"):
        fetch(bundle, FakeClient("reana-client", "https://reana.example", "secret", double=double), None)


def test_a_folder_that_is_no_bundle(tmp_path: Path, capsys: Capture) -> None:
    assert main(["submit", str(tmp_path)]) == 2
    assert "does not hold a bundle of the target reana" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["compile", "STUDY", "-t", "cwl", "--engine", "serial"], 2, "--engine is for the target reana"),
        (["submit", "BUNDLE", "--engine", "serial"], 2, "is already compiled: --engine is for studies only"),
        (["compile", "STUDY", "-t", "reana", "--local"], 2, "REANA runs every job in a container"),
        (["compile", "PLAIN", "-t", "reana"], 3, "the stage configure has no image"),
        (["compile", "STUDY", "-t", "reana", "--engine", "snakemake"], 2, "invalid choice"),
    ],
)
def test_the_command_line(words: list[str], code: int, message: str, bundle: ReanaBundle, capsys: Capture) -> None:
    study = bundle.folder.parents[2] / "study.yaml"
    places = {"STUDY": str(study), "BUNDLE": str(bundle.folder), "PLAIN": str(STUDIES / "drell-yan" / "tiny.yaml")}
    assert main([places.get(word, word) for word in words]) == code
    assert message in capsys.readouterr().err


def test_a_wrong_study_is_not_submitted(study: Path, capsys: Capture) -> None:
    study.write_text(study.read_text().replace("cvmfs: [sft.cern.ch]", "cvmfs: sft.cern.ch"))
    for command in ("submit", "status", "fetch"):
        assert main([command, str(study)]) == 1
        assert "error[MMC103]" in capsys.readouterr().err


def test_a_bundle_behind_a_link(bundle: ReanaBundle, tmp_path: Path) -> None:
    """The client silently leaves out files that it reaches through a symbolic link."""
    link = tmp_path / "link"
    link.symlink_to(bundle.folder)
    assert open_bundle(link) == bundle
