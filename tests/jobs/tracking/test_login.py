"""Credentials of the user go to servers that the user has named, and to no other."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from mmc.errors import StepError
from mmc.jobs.tracking.login import is_chosen, require_served, without_login
from mmc.jobs.tracking.store import Store, asked_store, same_store

SECRETS = {"USERNAME": "me", "PASSWORD": "secret-1", "TOKEN": "secret-2"}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    credentials = pytest.importorskip("mlflow.utils.credentials")
    monkeypatch.setattr(credentials, "read_mlflow_creds", credentials.read_mlflow_creds)  # replaced by mmc
    for name in ("MLFLOW_TRACKING_URI", "MMC_TRACKING_HOSTS", "NETRC", "MLFLOW_TRACKING_AUTH"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    for name, value in SECRETS.items():
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", value)
    (tmp_path / ".mlflow").mkdir()
    lines = ["[mlflow]", "mlflow_tracking_username = me", "mlflow_tracking_password = secret-3"]
    (tmp_path / ".mlflow" / "credentials").write_text("\n".join(lines))
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def listener() -> Iterator[tuple[str, list[str]]]:
    """A server on this machine, and the headers that it was sent."""
    sent: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sent.extend(f"{name}: {value}" for name, value in self.headers.items())
            body = json.dumps({"experiment": {"experiment_id": "1", "name": "x"}}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", sent
        server.shutdown()


def identified(uri: str, sent: list[str]) -> list[str]:
    """The headers with credentials after a request."""
    Store(uri).client.get_experiment_by_name("x")
    assert sent
    return [header for header in sent if header.lower().startswith("authorization")]


def test_a_server_of_the_study_gets_no_credentials(
    listener: tuple[str, list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    uri, sent = listener
    assert identified(str(asked_store(uri)), sent) == []
    assert "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD and MLFLOW_TRACKING_TOKEN not sent" in caplog.text
    assert not any(secret in "".join(sent) for secret in SECRETS.values())


@pytest.mark.parametrize("variable", ["MLFLOW_TRACKING_URI", "MMC_TRACKING_HOSTS"])
def test_a_server_of_the_user_gets_them(
    listener: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    uri, sent = listener
    monkeypatch.setenv(variable, uri if variable == "MLFLOW_TRACKING_URI" else f"other.example, {uri[7:]}")
    login = base64.b64encode(b"me:secret-1").decode()
    assert identified(str(asked_store(uri)), sent) == [f"Authorization: Basic {login}"]


@pytest.mark.parametrize(
    ("given", "hosts", "uri", "kept"),
    [
        ("https://a.example", "", "https://a.example/x", True),
        ("https://a.example", "", "https://b.example", False),
        ("https://a.example", "", "https://a.example:8443", False),
        ("https://a.example", "", "https://a.example.evil.example", False),
        ("https://a.example", "", "https://a.example@evil.example", False),
        ("https://a.example", "", "http://a.example", False),
        ("http://a.example", "", "http://a.example", False),
        ("http://localhost:5000", "", "http://localhost:5000", True),
        ("", "a.example", "https://A.example:5000", True),
        ("", "a.example:5000", "https://a.example", False),
        ("", "", "https://a.example", False),
    ],
)
def test_which_servers(monkeypatch: pytest.MonkeyPatch, given: str, hosts: str, uri: str, kept: bool) -> None:
    from mlflow.utils.credentials import get_default_host_creds

    monkeypatch.setenv("MLFLOW_TRACKING_URI", given)
    monkeypatch.setenv("MMC_TRACKING_HOSTS", hosts)
    plain = without_login(uri)
    found = get_default_host_creds(plain)
    assert "@" not in plain and (found.password is not None, found.token is not None) == (kept, kept)


def test_a_login_in_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.utils.credentials import get_default_host_creds

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me%40home:a/b@c@host.example:5000/x")
    uri = asked_store(None)
    assert uri is not None and without_login(uri) == "https://host.example:5000/x"
    found = get_default_host_creds("https://host.example:5000/x")
    assert (found.username, found.password) == ("me@home", "a/b@c")


@pytest.mark.parametrize("uri", ["sqlite:////tmp/any.db", "file:///tmp/x", "/tmp/x", "postgresql://a/b", "databricks"])
def test_only_the_environment_names_files_and_databases(monkeypatch: pytest.MonkeyPatch, uri: str) -> None:
    with pytest.raises(StepError, match="is not the address of a server"):
        asked_store(uri)
    with pytest.raises(StepError, match="is not the address of a server"):
        same_store(uri)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert asked_store("https://a.example") == uri == same_store(uri)


def test_a_server_of_the_study_does_not_choose_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    uri = "https://a.example"
    require_served(uri, lambda: "mlflow-artifacts:/1/x")
    for place in ("file:///home/me/.ssh", "/home/me", "s3://bucket/x"):
        with pytest.raises(StepError, match="the server wants files at"):
            require_served(uri, lambda place=place: place)  # type: ignore[misc]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert is_chosen(uri)
    require_served(uri, lambda: "file:///shared/mlflow")
