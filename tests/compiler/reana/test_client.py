"""``mmc submit``, ``status`` and ``fetch`` with the real reana-client against a double of the server.

The double checks every request against the published specification; see the fixture.
"""

import json
import re
from pathlib import Path

import pytest
from mmc.cli.main import main
from mmc.compiler.catalogue.reana import ENGINES
from mmc.compiler.reana.client import PROGRAM, SERVER, TOKEN

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
    assert capsys.readouterr().out.splitlines() == [
        f"{RUN} is created on {double.url}",
        f"{RUN}: uploading {len(sent) - 1} files, {sum(map(len, run.files.values())) / 1e6:.1f} MB",
        f"{RUN} is started: `mmc status` shows its progress",
    ]
    assert not any(server.TOKEN.encode() in f.read_bytes() for f in study.parent.rglob("*") if f.is_file())


def test_results_come_back(double: server.Double, study: Path, capsys: Capture) -> None:
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
    assert re.search(r"http://127\.0\.0\.1:9 cannot be reached: .*; the same command goes on", one_line(capsys))
    assert double.calls == []


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
