"""Submissions that are killed anywhere, repeated, changed in between; the client acts without a process."""

import hashlib
import json
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from mmc.cli.main import main
from mmc.compiler.reana.bundle import ReanaBundle, open_bundle
from mmc.compiler.reana.client import MOST_BYTES, Client
from mmc.compiler.reana.submit import RECORD, fetch, status, submit
from mmc.errors import MmcError, UsageError

from tests.cli.test_run import is_running
from tests.compiler.reana.fake_client import FakeClient, Fate, KilledError, When
from tests.compiler.reana.server import Double
from tests.support import STUDIES, reana_study

Capture = pytest.CaptureFixture[str]
Compiled = Callable[..., ReanaBundle]
N_CALLS = len(("list", "create", "ls", "upload", "ls", "status", "start"))


@pytest.fixture
def double() -> Double:
    return Double({})


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Compiles the study of all tests with some words, once for all of them."""

    @cache
    def compiled(*words: str) -> Path:
        folder = tmp_path_factory.mktemp("compiled")
        assert main(["compile", str(reana_study(folder)), "-t", "reana", *words]) == 0
        return folder / "build"

    return compiled


@pytest.fixture
def compiled(build: Callable[..., Path], study: Path, capsys: Capture) -> Compiled:
    """The bundle for an engine, beside the study."""

    def copied(*engine: str) -> ReanaBundle:
        shutil.copytree(build(*(word for name in engine for word in ("--engine", name))), study.parent / "build")
        capsys.readouterr()
        return open_bundle(study.parent / "build" / "drell-yan-tiny" / "reana")

    return copied


@pytest.fixture
def bundle(compiled: Compiled) -> ReanaBundle:
    return compiled()


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


def rewrite(folder: Path, path: str, text: str) -> None:
    """Change a file of a bundle, and its digest in the manifest, as who makes a bundle can."""
    (folder / path).write_text(text)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][path] = hashlib.sha256(text.encode()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def refusal(bundle: ReanaBundle, double: Double) -> str:
    """The line with which a bundle is refused; the server hears nothing of it."""
    client = FakeClient("reana-client", "https://reana.example", "secret", double=double)
    with pytest.raises(MmcError) as caught:
        submit(open_bundle(bundle.folder), client, again=False)
    assert client.fate.commands == [] and not double.workflows
    return str(caught.value)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("    - README.md\n", "    - README.md\n    - ../../../secret\n", "'../../../secret'"),
        ("    - README.md\n", "    - README.md\n    - /etc/hostname\n", "'/etc/hostname'"),
        ("    - README.md\n", "    - README.md\n    - README.md\n", "a file twice"),
        ("    - README.md\n", "", "'README.md'"),
        ("inputs:\n", "inputs:\n  directories: [..]\n", "`inputs` has other keys than files, parameters"),
        ("inputs:\n", "extra: 1\ninputs:\n", "`reana.yaml` has other keys"),
        ("bundle:", "other:", "the workflow has another file or other parameters"),
        ("file: workflow.yml", "file: ../workflow.yml", "the workflow has another file or other parameters"),
        ("type: yadage", "type: nextflow", "'nextflow' is not one of the engines yadage, cwl, serial, snakemake"),
        ("type: yadage", "type: snakemake", "the workflow has another file or other parameters"),
        ("  directories:\n", "  directories:\n    - ../..\n", "'../..' is not the path of a file inside"),
        ("  directories:\n", "  directories:\n    - --help\n", "'--help' is not the path of a file"),
    ],
)
def test_only_the_bundle_is_uploaded(
    before: str, after: str, message: str, bundle: ReanaBundle, double: Double
) -> None:
    text = (bundle.folder / "reana.yaml").read_text()
    assert before in text
    rewrite(bundle.folder, "reana.yaml", text.replace(before, after, 1))
    assert message in refusal(bundle, double)


@pytest.mark.parametrize("path", ["../secret", "/etc/hostname", "-o"])
def test_a_manifest_that_names_files_elsewhere(path: str, bundle: ReanaBundle, double: Double) -> None:
    (bundle.folder.parent / "secret").write_text("secret")
    text = (bundle.folder / "reana.yaml").read_text().replace("    - README.md\n", f"    - README.md\n    - {path}\n")
    rewrite(bundle.folder, "reana.yaml", text)
    manifest = json.loads((bundle.folder / "manifest.json").read_text())
    manifest["files"][path] = hashlib.sha256(b"secret").hexdigest()
    (bundle.folder / "manifest.json").write_text(json.dumps(manifest))
    assert f"{path!r} is not the path of a file" in refusal(bundle, double)


@pytest.mark.parametrize("path", ["README.md", "config", "workflow.yml", "reana.yaml", "manifest.json"])
def test_a_link_in_a_bundle_is_not_uploaded(path: str, bundle: ReanaBundle, double: Double) -> None:
    moved = bundle.folder.parent / "moved"
    (bundle.folder / path).rename(moved)
    (bundle.folder / path).symlink_to(moved)
    assert f"{path} is a link to {moved}" in refusal(bundle, double)


def test_a_file_that_the_manifest_does_not_know(bundle: ReanaBundle, double: Double) -> None:
    (bundle.folder / "config" / "train.json").write_text("{}\n")
    message = "config/train.json is not the file that manifest.json names; compile the study again"
    assert message in refusal(bundle, double)


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        ("workflow.yml", "a: {$ref: ../secret.yml}", "workflow.yml refers in `$ref` to '../secret.yml'"),
        ("workflow.yml", '{"a": [&x {"\\u0024ref": "/etc/passwd#/a"}, *x]}', "refers in `$ref` to '/etc/passwd'"),
        ("steps.yml", "a: {$ref: 'http://127.0.0.1/x.yml'}", "refers in `$ref` to 'http://127.0.0.1/x.yml'"),
        ("steps.yml", "a: {$ref: config/train.json}", "refers in `$ref` to 'config/train.json'"),
        ("steps.yml", "a: {$include: x}", "refers in `$include` to 'x'"),
        ("steps.yml", "a: [", "cannot be read"),
        ("steps.yml", "[" * 3000, "cannot be read"),
    ],
)
def test_a_workflow_reads_only_the_bundle(
    path: str, text: str, message: str, bundle: ReanaBundle, double: Double
) -> None:
    """reana-client sends the whole workflow, with whatever it refers to."""
    rewrite(bundle.folder, path, text)
    assert message in refusal(bundle, double)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("# The", "import os  # The"),
        ("The Drell-Yan", "The\rimport os#Drell-Yan"),
        ("JOBS = Table()\n", "JOBS = Table()\nimport os\n"),
        ("threads: 1", "threads: print(1)"),
        ("kubernetes_uid=500", "kubernetes_uid=print(500)"),
        ("kubernetes_uid=500,", "kubernetes_uid=500,\n        extra=[print(500)],"),
        ("'docker://", "print() or 'docker://"),
        ("{params[0]}", "{params[0]}; curl example.org"),
        ("task.sh t", "task.sh $(curl example.org) t"),
        ("rule configure:\n", "rule configure:\n    run:\n        print()\n"),
        ("jobs.tsv", "/etc/hostname"),
    ],
)
def test_a_snakefile_is_that_of_mmc(before: str, after: str, compiled: Compiled, double: Double) -> None:
    """reana-client runs a Snakefile on this machine."""
    bundle = compiled("snakemake")
    text = (bundle.folder / "Snakefile").read_text()
    assert before in text
    rewrite(bundle.folder, "Snakefile", text.replace(before, after, 1))
    assert "Snakefile was not written by this version of mmc" in refusal(bundle, double)


@pytest.mark.parametrize(
    ("engine", "file"), [("yadage", "workflow.yml"), ("cwl", "workflow.cwl"), ("snakemake", "Snakefile")]
)
def test_the_file_of_the_workflow_is_uploaded(engine: str, file: str, compiled: Compiled) -> None:
    """Unlisted, it would be read here without having been checked."""
    folder = compiled(engine).folder
    specification = (folder / "reana.yaml").read_text()
    listed = [line for line in specification.splitlines() if line.strip().removeprefix("- ").strip("\"'") == file]
    assert len(listed) == 1
    rewrite(folder, "reana.yaml", specification.replace(f"{listed[0]}\n", ""))
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["files"][file]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(MmcError, match=f"the workflow's file '{file}' is not among the files to upload"):
        open_bundle(folder)


@pytest.mark.parametrize("path", ["tabulate.py", "tabulate/__init__.py"])
def test_a_snakefile_does_not_import_from_its_folder(path: str, compiled: Compiled, double: Double) -> None:
    bundle = compiled("snakemake")
    place = bundle.folder / path
    place.parent.mkdir(exist_ok=True)
    place.touch()
    assert f"{place} is a program that reana-client may run" in refusal(bundle, double)
    place.rename(place.with_suffix(".txt"))
    assert commands(bundle, double)[-1] == "start"


def test_a_cwl_workflow_runs_only_the_bundle(compiled: Compiled, double: Double) -> None:
    bundle = compiled("cwl")
    text = (bundle.folder / "workflow.cwl").read_text()
    rewrite(bundle.folder, "workflow.cwl", text.replace("run: physics.cwl", "run: ../../secret.cwl"))
    assert "workflow.cwl refers in `run` to '../../secret.cwl', which is not in the workflow" in refusal(bundle, double)


@pytest.mark.parametrize("engine", ["yadage", "cwl", "serial"])
def test_the_bundles_of_all_engines_are_accepted(engine: str, compiled: Compiled, double: Double) -> None:
    bundle = compiled(engine)
    commands(bundle, double)
    assert is_there(bundle, double, "drell-yan-tiny.1")


RUNS = ["../../elsewhere", "/tmp/x", "drell-yan-tiny", "other.1", "drell-yan-tiny.1/..", "drell-yan-tiny.1\n", 5, ["x"]]


@pytest.mark.parametrize("run", RUNS)
def test_a_record_names_a_run_of_the_bundle(run: object, bundle: ReanaBundle, double: Double) -> None:
    commands(bundle, double)
    (bundle.folder / RECORD).write_text(json.dumps({**record(bundle), "run": run}))
    with pytest.raises(MmcError, match=r"submission\.json cannot be read: move it away"):
        fetch(bundle, FakeClient("reana-client", "https://reana.example", "secret", double=double), None)


@dataclass(frozen=True)
class SaysClient(FakeClient):
    """Prints a given answer to one command."""

    command: str = field(default="", kw_only=True)
    said: str = field(default="", kw_only=True)

    def run(self, command: str, *words: str, **more: Any) -> Any:
        if command != self.command:
            return super().run(command, *words, **more)
        return subprocess.CompletedProcess([], 0, self.said, "")


SAID = [
    *("", "[", "null", "[null]", "[[]]", "[1]", "{}", "[{}]", '[{"name": null}]', "[" * 100_000, "[1e999999]"),
    *("\x1b[31m", "../x.1\n", f"[{'9' * 5000}]", '[{"size": "1", "name": 5}, "x"]'),
    '[{"name": {"a": 1}, "run_number": [], "status": {}, "size": {}}]',
    '[{"name": "../../x", "run_number": "1", "status": "created", "size": 7}]',
    '[{"name": "drell-yan-tiny", "run_number": "1", "status": "\\u001b[31m", "size": 7}]',
]


@pytest.mark.parametrize("command", ["list", "ls", "status", "create"])
@pytest.mark.parametrize("said", SAID)
def test_answers_of_other_shapes(command: str, said: str, bundle: ReanaBundle, double: Double, capsys: Capture) -> None:
    client = SaysClient("reana-client", "https://reana.example", "secret", double=double, command=command, said=said)
    try:
        submit(bundle, client, again=False)
    except MmcError as error:
        assert str(error).isprintable() and len(str(error)) < 500
    assert "\x1b" not in capsys.readouterr().out
    assert all(name.startswith("drell-yan-tiny.") for name in double.workflows)


def test_an_answer_has_an_end(tmp_path: Path) -> None:
    (tmp_path / "endless").write_text("#!/bin/sh\nyes &\necho $! >pid\nwait\n")
    (tmp_path / "silent").write_text("#!/bin/sh\nsleep 100\n")
    for name in ("endless", "silent"):
        (tmp_path / name).chmod(0o755)
    with pytest.raises(MmcError, match=f"the answer of http://127.0.0.1 is longer than {MOST_BYTES / 1e6:.0f} MB"):
        Client(str(tmp_path / "endless"), "http://127.0.0.1", "secret").call("list", folder=tmp_path)
    deadline = time.monotonic() + 10
    while is_running(int((tmp_path / "pid").read_text())):  # whatever it has started ends with it
        assert time.monotonic() < deadline
    with pytest.raises(MmcError, match=r"http://127\.0\.0\.1 has not answered within 0 s"):
        Client(str(tmp_path / "silent"), "http://127.0.0.1", "secret").call("list", limit_s=0.1)


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
    rewrite(bundle.folder, "config/train.json", "{}\n")
    changed = open_bundle(bundle.folder)
    commands(changed, double)
    assert is_there(changed, double, "drell-yan-tiny.2")
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


@pytest.mark.parametrize("words", [["submit"], ["status"]])
def test_a_bundle_that_mmc_does_not_submit(words: list[str], tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "manifest.json").write_text('{"target": "htcondor"}')
    assert main([*words, str(tmp_path)]) == 2
    told = (
        "is a bundle of the target htcondor: its README.md says how to run it; mmc submits those of slurm, hyperqueue"
    )
    assert told in capsys.readouterr().err


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
        (["compile", "STUDY", "-t", "reana", "--engine", "nextflow"], 2, "invalid choice"),
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
