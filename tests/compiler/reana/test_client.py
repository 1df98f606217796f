"""``mmc submit``, ``status`` and ``fetch`` with the real reana-client against a double of the server.

The double checks every request against the published specification; see the fixture.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mmc.cli.main import main
from mmc.compiler.catalogue.reana import ENGINES
from mmc.compiler.reana.client import PROGRAM, SERVER, TOKEN, Client, find_client

from tests.compiler.reana import server

pytestmark = pytest.mark.engine

Capture = pytest.CaptureFixture[str]
RUN = "drell-yan-tiny.1"


def folder(study: Path) -> Path:
    return study.parent / "build" / "drell-yan-tiny" / "reana"


def one_line(capsys: Capture) -> str:
    """What mmc complains of, which is one line without the token."""
    out, err = capsys.readouterr()
    assert err.count("\n") == 1
    assert err.startswith("mmc: ")
    assert server.TOKEN not in out + err
    return err


@pytest.mark.parametrize("engine", ENGINES)
def test_a_bundle_is_sent_whole_and_started(engine: str, double: server.Double, study: Path, capsys: Capture) -> None:
    assert main(["submit", str(study), "--engine", engine]) == 0
    run = double.workflows[RUN]
    assert (run.status, run.starts) == ("running", 1)
    assert run.specification["workflow"]["type"] == engine
    sent = {str(f.relative_to(folder(study))) for f in folder(study).rglob("*") if f.is_file()} - {"submission.json"}
    assert run.files.keys() == sent
    assert all(run.files[path] == (folder(study) / path).read_bytes() for path in sent)
    size = sum(len(content) for path, content in run.files.items() if path != "reana.yaml")  # which came with the run
    assert capsys.readouterr().out.splitlines() == [
        f"{RUN} is created on {double.url}",
        f"{RUN}: uploading {len(sent) - 1} files, {size / 1e6:.1f} MB",
        f"{RUN} is started: `mmc status` shows its progress",
    ]
    assert not any(server.TOKEN.encode() in f.read_bytes() for f in study.parent.rglob("*") if f.is_file())


def test_results_come_back(
    double: server.Double, study: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["submit", str(study), "--engine", "serial"]) == 0
    capsys.readouterr()
    run = double.workflows[RUN]
    sent = set(run.files)
    run.n_jobs, run.n_done = 35, 12
    assert main(["status", str(study)]) == 0
    assert capsys.readouterr().out == f"{RUN}: running, 12 of 35 jobs done, started {server.CREATED}\n"
    assert main(["fetch", str(folder(study))]) == 3
    assert "12 of 35 jobs done" in one_line(capsys)

    run.status = "finished"
    outputs = run.specification["outputs"]["directories"]
    run.files |= {
        f"{path}/{name}": f"{path} {name}".encode() for path in outputs for name in ("job.json", "index.html")
    }
    assert main(["fetch", str(study)]) == 0
    results = folder(study) / "results" / RUN
    assert {str(f.relative_to(results)) for f in results.rglob("*") if f.is_file()} == run.files.keys() - sent
    assert (results / outputs[-1] / "index.html").read_text() == f"{outputs[-1]} index.html"
    assert f"results: {results}\n" in capsys.readouterr().out
    n_calls = double.calls.count("download_file")
    assert n_calls == len(outputs)
    shutil.rmtree(results)
    with monkeypatch.context() as full:
        full.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=3))
        assert main(["fetch", str(study)]) == 3
    assert "GB, and 3e-09 GB are free in" in one_line(capsys) and not any(results.iterdir())
    assert main(["fetch", str(study)]) == 0
    capsys.readouterr()
    n_calls = double.calls.count("download_file")
    assert main(["fetch", str(study)]) == 0
    assert double.calls.count("download_file") == n_calls


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (server.Failure("create_workflow", done=True), "cannot be reached"),
        (server.Failure("upload_file", after=5, status=500, message="No space left."), "No space left."),
        (server.Failure("start_workflow", done=True), "cannot be reached"),
    ],
    ids=lambda value: getattr(value, "operation", ""),
)
def test_broken_and_repeated(
    failure: server.Failure, message: str, double: server.Double, study: Path, capsys: Capture
) -> None:
    double.failure = failure
    assert main(["submit", str(study)]) == 3
    assert message in one_line(capsys)
    double.failure = None
    assert main(["submit", str(study)]) == 0
    (run,) = double.workflows.values()
    assert (run.status, run.starts) == ("running", 1)
    assert run.files.keys() == {"reana.yaml", *run.specification["inputs"]["files"]}


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (server.Failure("*"), "cannot be reached: check REANA_SERVER_URL and the network"),
        (server.Failure("*", status=502, html=True), "does not answer as a REANA server: it is down"),
        (
            server.Failure("*", status=403, message="Token is not valid."),
            "refuses the access token, which may have expired",
        ),
        (server.Failure("*", status=404, message=f"{RUN} does not exist."), f"{RUN} is not on"),
        (server.Failure("*", status=500, message="Out of luck."), "reana-client status: "),
    ],
    ids=["lost", "gateway", "token", "gone", "error"],
)
def test_a_server_that_does_not_answer(
    failure: server.Failure, message: str, double: server.Double, study: Path, capsys: Capture
) -> None:
    assert main(["compile", str(study), "-t", "reana"]) == 0
    record = {"server": double.url, "content": "", "before": [], "run": RUN, "uploaded": True, "started": True}
    (folder(study) / "submission.json").write_text(json.dumps(record))
    capsys.readouterr()
    double.failure = failure
    assert main(["status", str(study)]) == 3
    assert message in one_line(capsys)


def test_a_server_that_is_not_there(
    double: server.Double, study: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SERVER, "http://127.0.0.1:9")  # the port of `discard`, where nobody listens
    assert main(["submit", str(study)]) == 3
    assert re.search(r"http://127\.0\.0\.1:9 cannot be reached: .*; the same command continues", one_line(capsys))
    assert double.calls == []


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for this machine with its key, signed by itself."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    file = tmp_path_factory.mktemp("certificate") / "both.pem"
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(file), "-out", f"{file}.crt"]
    subprocess.run(["openssl", *words, *names], check=True, capture_output=True)
    file.write_text(file.read_text() + Path(f"{file}.crt").read_text())
    return file


def test_certificates_are_checked(
    certificate: Path,
    reana_client: str,
    specification: Mapping[str, Any],
    study: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """reana-client alone accepts every certificate; here it starts as users start it."""
    with server.serve(specification, certificate) as double:
        for name, value in ((PROGRAM, reana_client), (SERVER, double.url), (TOKEN, server.TOKEN)):
            monkeypatch.setenv(name, value)
        assert main(["submit", str(study)]) == 3
        assert f"{double.url} has a certificate that cannot be trusted (" in one_line(capsys)
        assert double.calls == []
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", f"{certificate}.crt")
        assert main(["submit", str(study)]) == 0
        assert capsys.readouterr().err == ""
        assert double.workflows[RUN].starts == 1
        assert main(["status", str(study)]) == 0
        told = capsys.readouterr()
        assert told.err == "" and told.out.startswith(f"{RUN}: running, ")
    assert double.problems == []


def test_a_client_that_does_not_check_is_reported(tmp_path: Path, capsys: Capture) -> None:
    program = tmp_path / "reana-client"
    program.write_text("#!/bin/sh\necho '[]'\n")
    program.chmod(0o755)
    assert Client(str(program), "https://reana.example", "secret").table("list", keys=()) == []
    message = f"mmc: warning: {program} may not have checked the certificate of https://reana.example\n"
    assert capsys.readouterr().err == message
    assert Client(str(program), "http://127.0.0.1", "secret").table("list", keys=()) == []
    assert capsys.readouterr().err == ""


def test_a_token_is_not_sent_in_the_clear_unnoticed(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ((PROGRAM, "/bin/true"), (SERVER, "http://reana.example"), (TOKEN, "secret")):
        monkeypatch.setenv(name, value)
    find_client()
    message = "mmc: warning: the access token travels to http://reana.example unencrypted: use https\n"
    assert capsys.readouterr().err == message


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        (TOKEN, "", "set REANA_ACCESS_TOKEN to your access token"),
        (SERVER, "", "set REANA_SERVER_URL to the address of a REANA server"),
        (SERVER, "reana.cern.ch", "set REANA_SERVER_URL to the address of a REANA server, such as https://"),
        (PROGRAM, "/nowhere/reana-client", "MMC_REANA_CLIENT is /nowhere/reana-client, which is not a program"),
    ],
)
def test_what_is_missing_is_said_first(
    variable: str,
    value: str,
    message: str,
    double: server.Double,
    study: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(variable, value)
    assert main(["submit", str(study)]) == 3
    assert message in one_line(capsys)
    assert double.calls == []
