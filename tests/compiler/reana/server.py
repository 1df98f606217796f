"""A local double of REANA's server: it answers as the published OpenAPI specification says, and checks what it gets."""

import fnmatch
import io
import json
import ssl
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.compiler.reana import openapi

TOKEN = "a-secret-token"
CREATED = "2026-01-02T03:04:05"


@dataclass
class Workflow:
    """A run on the server."""

    name: str
    specification: Mapping[str, Any]
    status: str = "created"
    files: dict[str, bytes] = field(default_factory=dict)
    n_jobs: int = 0
    n_done: int = 0
    starts: int = 0


@dataclass
class Failure:
    """How calls of an operation go wrong after some have gone well: a status with a message, or no answer at all."""

    operation: str
    after: int = 0
    status: int = 0
    message: str = ""
    html: bool = False
    done: bool = False
    """Whether what is asked for is done before the answer gets lost."""


class Double:
    """The server's state; ``problems`` are violations of the specification, by either side."""

    def __init__(self, specification: Mapping[str, Any]) -> None:
        self.specification = specification
        self.workflows: dict[str, Workflow] = {}
        self.problems: list[str] = []
        self.calls: list[str] = []
        self.failure: Failure | None = None
        self.url = ""

    def answer(
        self, method: str, target: str, content_type: str, data: bytes
    ) -> tuple[int, Any, dict[str, str]] | None:
        """Status, body (JSON or bytes) and headers; None where there is to be no answer."""
        parts = urlsplit(target)
        operation = openapi.find(self.specification, method, unquote(parts.path))
        if operation is None:
            self.problems.append(f"{method} {parts.path} is no operation")
            return 404, {"message": "Not found."}, {}
        query = parse_qs(parts.query, keep_blank_values=True)
        body: Any = (json.loads(data) if content_type == "application/json" else data) if data else None
        if operation.name == "upload_file" and body is None:
            body = b""
        self.problems += operation.request_problems(query, content_type, body)
        self.calls.append(operation.name)
        failure = self._failure(operation.name)
        if failure is not None and not failure.done:
            return self._failed(failure)
        status, result, headers = self._respond(operation, query, body)
        if (
            not isinstance(result, bytes) and status != 403
        ):  # which the real server also gives where it is not documented
            self.problems += operation.response_problems(status, result)
        return (status, result, headers) if failure is None else self._failed(failure)

    def _failure(self, operation: str) -> Failure | None:
        failure = self.failure
        if failure is None or failure.operation not in (operation, "*"):
            return None
        if failure.after > 0:
            failure.after -= 1
            return None
        return failure

    @staticmethod
    def _failed(failure: Failure) -> tuple[int, Any, dict[str, str]] | None:
        if failure.html:
            return failure.status, b"<html><body>Bad Gateway</body></html>", {"Content-Type": "text/html"}
        return (failure.status, {"message": failure.message}, {}) if failure.status else None

    def _respond(
        self, operation: openapi.Operation, query: Mapping[str, list[str]], body: Any
    ) -> tuple[int, Any, dict[str, str]]:
        if query.get("access_token") != [TOKEN]:
            return 403, {"message": "Token is not valid."}, {}
        given = {**operation.path, **{name: values[-1] for name, values in query.items()}}
        name = given.get("workflow_id_or_name", "")
        if operation.name in ("info", "get_you"):
            return 200, operation.example(200), {}
        if operation.name == "get_workflows":
            return 200, self._list(name), {}
        if operation.name == "create_workflow":
            name = self.create(given["workflow_name"], body).name
            message = "The workflow has been successfully created."
            return 201, {"message": message, "workflow_id": name, "workflow_name": name}, {}
        if name not in self.workflows:
            return 404, {"message": f"REANA_WORKON is set to {name}, but that workflow does not exist."}, {}
        return getattr(self, f"_{operation.name}")(self.workflows[name], given, body)  # type: ignore[no-any-return]

    def _list(self, name: str) -> dict[str, Any]:
        found = [run for run in self.workflows.values() if run.name.rpartition(".")[0] == name]
        size = {"raw": 0, "human_readable": "0 Bytes"}
        return {"items": [{**self._described(run), "size": size} for run in found], "total": len(found)}

    def rows(self, name: str, full_name: str | None = None) -> list[dict[str, Any]]:
        """The runs of a name as the client tabulates them."""
        return [
            {"name": name, "run_number": run.name.rpartition(".")[2], "status": run.status}
            for run in self.workflows.values()
            if run.name.rpartition(".")[0] == name and full_name in (None, run.name)
        ]

    def create(self, name: str, specification: Mapping[str, Any]) -> Workflow:
        """A new run of that name."""
        number = 1 + sum(run.rpartition(".")[0] == name for run in self.workflows)
        run = Workflow(f"{name}.{number}", specification)
        self.workflows[run.name] = run
        return run

    def _upload_file(self, run: Workflow, given: Mapping[str, str], body: bytes) -> tuple[int, Any, dict[str, str]]:
        path = given["file_name"].lstrip("/")
        run.files[path] = body
        return 200, {"message": f"{path} has been successfully uploaded."}, {}

    def _get_workflow_specification(self, run: Workflow, *_: Any) -> tuple[int, Any, dict[str, str]]:
        return 200, {"specification": run.specification, "parameters": {}}, {}

    def _start_workflow(self, run: Workflow, *_: Any) -> tuple[int, Any, dict[str, str]]:
        if run.status != "created":
            return 409, {"message": f"Workflow {run.name} could not be started because it is already {run.status}."}, {}
        run.status, run.starts = "running", run.starts + 1
        result = {
            "workflow_id": run.name,
            "workflow_name": run.name,
            "message": "Workflow submitted",
            "status": "queued",
            "user": "u",
        }
        return 200, result, {}

    def _get_workflow_status(self, run: Workflow, *_: Any) -> tuple[int, Any, dict[str, str]]:
        return 200, {**self._described(run), "logs": ""}, {}

    @staticmethod
    def _described(run: Workflow) -> dict[str, Any]:
        def jobs(n: int) -> dict[str, Any]:
            return {"total": n, "job_ids": []}

        progress = {
            "total": jobs(run.n_jobs),
            "running": jobs(0),
            "finished": jobs(run.n_done),
            "failed": jobs(0),
            "current_command": None,
            "current_step_name": None,
            "run_started_at": None if run.status == "created" else CREATED,
            "run_finished_at": CREATED if run.status in ("finished", "failed") else None,
        }
        described = {"id": run.name, "name": run.name, "status": run.status, "user": "u", "created": CREATED}
        return {**described, "progress": progress}

    def _get_files(self, run: Workflow, *_: Any) -> tuple[int, Any, dict[str, str]]:
        items = [
            {"name": path, "size": {"raw": len(data), "human_readable": f"{len(data)} Bytes"}, "last-modified": CREATED}
            for path, data in run.files.items()
        ]
        return 200, {"items": items, "total": len(items)}, {}

    def _download_file(self, run: Workflow, given: Mapping[str, str], _: Any) -> tuple[int, Any, dict[str, str]]:
        """A file as it is; a folder, or what a pattern matches, as an archive with a name as REANA gives it."""
        path = given["file_name"]
        if path in run.files:
            headers = {
                "Content-Type": "application/octet-stream",
                "Content-Disposition": f"attachment; filename={path}",
            }
            return 200, run.files[path], headers
        found = [name for name in run.files if name.startswith(f"{path}/") or fnmatch.fnmatch(name, path)]
        if not found:
            return 404, {"message": f"{path} does not exist."}, {}
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            for name in found:
                file.writestr(name, run.files[name])
        file_name = f"download_{run.name}_{path.rpartition('/')[2]}_2026-01-02-030405.zip"
        return (
            200,
            archive.getvalue(),
            {"Content-Type": "application/zip", "Content-Disposition": f"attachment; filename={file_name}"},
        )


@contextmanager
def serve(specification: Mapping[str, Any], certificate: Path | None = None) -> Iterator[Double]:
    """The double at a free port of this machine; with a file of a certificate and its key, over TLS."""
    double = Double(specification)

    class Handler(BaseHTTPRequestHandler):
        def _handle(self) -> None:
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer = double.answer(self.command, self.path, self.headers.get("Content-Type", ""), data)
            if answer is None:
                self.close_connection = True
                return
            status, body, headers = answer
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = _handle

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        double.url = f"http{'s' if certificate else ''}://127.0.0.1:{server.server_address[1]}"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
            server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that does not trust it
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield double
        server.shutdown()
        thread.join()
