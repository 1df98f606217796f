"""Servers that are slow, endless or not of MLflow: they cost a job a warning, never minutes or its memory."""

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from mmc.jobs.tracking import patience
from mmc.jobs.tracking.patience import OutOfPatienceError, Patience, limit_answers
from mmc.jobs.tracking.store import Store

from tests.jobs.physics import Folder
from tests.jobs.tracking.test_tracker import log_of, record, track

pytest.importorskip("mlflow")
pytestmark = pytest.mark.filterwarnings("default")  # those of MLflow and of what it imports

EXPERIMENT = {"experiment_id": "7", "name": "toys", "lifecycle_stage": "active"}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "PATIENCE_S", 2.0)


@contextmanager
def server(answer: Any) -> Iterator[str]:
    """The address of a server that answers every request by calling ``answer`` with the handler."""
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def reply(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.close_connection = True
            with suppress(OSError):  # the client has gone away
                answer(self, ended)

        do_GET = do_POST = do_PATCH = do_PUT = reply

        def log_message(self, *_: Any) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.server_port}"
    finally:
        ended.set()
        listening.shutdown()
        listening.server_close()


def send(handler: BaseHTTPRequestHandler, content: bytes, **headers: str) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    if "Content_Length" not in headers:
        handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


def endless(handler: BaseHTTPRequestHandler, ended: threading.Event) -> None:
    send(handler, b"{", Content_Length=str(10**12))
    while not ended.is_set():
        handler.wfile.write(b" " * 2**20)


def trickling(handler: BaseHTTPRequestHandler, ended: threading.Event) -> None:
    send(handler, b"{", Content_Length="100000")
    while not ended.wait(0.2):
        handler.wfile.write(b" ")


def trickling_head(handler: BaseHTTPRequestHandler, ended: threading.Event) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
    while not ended.wait(0.2):
        handler.wfile.write(b"x")


def silent(_: BaseHTTPRequestHandler, ended: threading.Event) -> None:
    ended.wait()


def empty(handler: BaseHTTPRequestHandler, _: threading.Event) -> None:
    send(handler, b"{}")


def a_list(handler: BaseHTTPRequestHandler, _: threading.Event) -> None:
    send(handler, b"[1, 2]")


def not_json(handler: BaseHTTPRequestHandler, _: threading.Event) -> None:
    send(handler, b"<html>welcome</html>")


def compressed(handler: BaseHTTPRequestHandler, _: threading.Event) -> None:
    send(handler, b"\x1f\x8b", Content_Encoding="gzip")


def no_run(handler: BaseHTTPRequestHandler, _: threading.Event) -> None:
    """An experiment, but every run without an identifier."""
    found = {"experiment": EXPERIMENT} if "get-by-name" in handler.path else {}
    send(handler, json.dumps(found).encode())


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (endless, "larger than 32 MB"),
        (trickling, "has not answered for"),
        (trickling_head, "has not answered for"),
        (silent, "has not answered for"),
        (empty, "names no experiment"),
        (a_list, ""),
        (not_json, ""),
        (compressed, "is compressed"),
        (no_run, "names no run"),
    ],
)
def test_a_server_costs_a_warning_and_seconds(tmp_path: Path, answer: Any, told: str) -> None:
    folder = Folder(tmp_path)
    with server(answer) as address:
        started = time.monotonic()
        tracking = track(folder, uri=address)
        assert time.monotonic() - started < 15
    warning = record(tracking)["warning"]
    assert warning and told in warning and len(warning) <= 500
    assert record(tracking)["run"] is None
    assert f"nothing is tracked: {warning}" in log_of(tracking)


@pytest.mark.parametrize("answer", [silent, empty, endless])
def test_a_job_ends_beside_a_server_that_has_become_strange(tmp_path: Path, answer: Any) -> None:
    folder = Folder(tmp_path)
    tracking = folder.out("track", "track")
    tracking.mkdir(parents=True)
    begun = {
        "study": "toy",
        "digest": "d",
        "seed": 1,
        "key": "k",
        "experiment": "toys",
        "experiment_id": "7",
        "run": "r",
    }
    with server(answer) as address:
        (tracking / "tracking.json").write_text(json.dumps({**begun, "uri": address, "warning": None}))
        started = time.monotonic()
        out = folder.run("configure", "job", {}, tracking=tracking)
        assert time.monotonic() - started < 15
    outcome = json.loads((out / "job.json").read_text())["tracked"]
    assert outcome["logged"] is False and outcome["reason"]
    assert log_of(out).count("not tracked from now on") == 1


def test_patience_is_used_up_by_slow_calls_only() -> None:
    calls = Patience()
    assert calls.call(1.0, lambda: 1) == 1 and calls.left == pytest.approx(2.0)
    calls.call(0.0, time.sleep, 0.3)
    assert calls.left == pytest.approx(1.7, abs=0.2)
    started = time.monotonic()
    with pytest.raises(OutOfPatienceError):
        calls.call(0.0, time.sleep, 60)
    assert time.monotonic() - started < 5 and calls.left == 0.0
    with pytest.raises(ValueError, match="own"):
        calls.call(1.0, _fail, ValueError("own"))
    with pytest.raises(TimeoutError, match="own"):
        calls.call(1.0, _fail, TimeoutError("own"))


def _fail(error: Exception) -> None:
    raise error


def test_a_job_that_is_asked_to_stop_does_not_wait() -> None:
    with server(silent) as address:
        store = Store(address)
        store.hurry()
        started = time.monotonic()
        assert store.ask(store.experiment, "toys") is None and store.lost
        assert time.monotonic() - started < 3


def test_answers_of_any_length_are_read_whole() -> None:
    import requests

    limit_answers()
    text = json.dumps({"n": "x" * 10**6}).encode()
    with server(lambda handler, _: send(handler, text)) as address:
        assert requests.get(address, timeout=5).content == text
    assert os.environ.get("MLFLOW_DISABLE_TELEMETRY") in (None, "true")
