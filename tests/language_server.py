"""A client of yaml-language-server, the program that checks YAML in VS Code and other editors."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from threading import Timer
from typing import Any, Self

PROGRAM = os.environ.get("MMC_YAML_LANGUAGE_SERVER") or shutil.which("yaml-language-server")
"""The program, if there is one: ``npm install --prefix FOLDER yaml-language-server@1.25.0`` puts it into
FOLDER/node_modules/.bin."""
LONGEST = 600
"""Seconds after which a server is stopped, so that none is waited for in vain."""
_SETTINGS = {"yaml": {"schemaStore": {"enable": False}, "kubernetesCRDStore": {"enable": False}}}
"""An editor's default settings, but for what asks the network."""


class LanguageServer:
    """A running server, as an editor uses it."""

    def __init__(self, program: str) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen([program, "--stdio"], stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
        self._timer = Timer(LONGEST, self._process.kill)
        self._requests = 0

    def __enter__(self) -> Self:
        self._timer.start()
        capabilities = {"workspace": {"configuration": True}, "textDocument": {"publishDiagnostics": {}}}
        self._ask("initialize", {"processId": os.getpid(), "rootUri": None, "capabilities": capabilities})
        self._send({"method": "initialized", "params": {}})
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._process.kill()
        self._process.communicate()

    def diagnostics(self, file: Path) -> list[str]:
        """What the server says of a file that is opened, each as ``LINE: MESSAGE``."""
        uri = file.resolve().as_uri()
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": file.read_text(encoding="utf-8")}
        self._send({"method": "textDocument/didOpen", "params": {"textDocument": document}})
        while True:
            message = self._receive()
            if message.get("method") == "textDocument/publishDiagnostics" and message["params"]["uri"] == uri:
                found = message["params"]["diagnostics"]
                return [f"{item['range']['start']['line'] + 1}: {item['message']}" for item in found]

    def hover(self, file: Path, line: int, column: int) -> str:
        """What the server shows at a place of an open file; lines and columns count from 1."""
        position = {"line": line - 1, "character": column - 1}
        document = {"uri": file.resolve().as_uri()}
        return str(self._ask("textDocument/hover", {"textDocument": document, "position": position}))

    def _ask(self, method: str, parameters: dict[str, Any]) -> Any:
        self._requests += 1
        self._send({"id": self._requests, "method": method, "params": parameters})
        while True:
            message = self._receive()
            if message.get("id") == self._requests and "method" not in message:
                return message["result"]

    def _send(self, message: dict[str, Any]) -> None:
        data = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(data), data))
        self._process.stdin.flush()

    def _receive(self) -> dict[str, Any]:
        """The next message. A request of the server's own is answered."""
        assert self._process.stdout is not None
        length = 0
        while line := self._process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        assert length, f"the language server has ended, or was stopped after {LONGEST} s"
        message: dict[str, Any] = json.loads(self._process.stdout.read(length))
        if "id" in message and "method" in message:
            asked = message["params"]["items"] if message["method"] == "workspace/configuration" else []
            self._send({"id": message["id"], "result": [_SETTINGS.get(item.get("section")) for item in asked]})
        return message
