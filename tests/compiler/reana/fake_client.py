"""A client that acts on the double of the server at once, without a process and a network."""

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml
from mmc.compiler.reana.client import Client

from tests.compiler.reana.server import Double, Workflow

When = Literal["before", "amid", "after"]


class KilledError(BaseException):
    """What mmc sees of being killed: nothing."""


@dataclass
class Fate:
    """The call during which mmc is killed, counted from 1, and how far the server got with it."""

    call: int = 0
    when: When = "before"
    commands: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class FakeClient(Client):
    """Prints what reana-client prints."""

    double: Double = field(kw_only=True)
    fate: Fate = field(default_factory=Fate, kw_only=True)

    def run(
        self, command: str, *words: str, folder: Path | None = None, limit_s: float = 0.0
    ) -> subprocess.CompletedProcess[str]:
        self.fate.commands.append(command)
        killed = len(self.fate.commands) == self.fate.call
        if killed and self.fate.when == "before":
            raise KilledError
        name = words[words.index("-w") + 1]
        run = self.double.workflows.get(name)
        if run is None and command not in ("create", "list"):
            error = f"==> ERROR: Cannot do that: \nREANA_WORKON is set to {name}, but that workflow does not exist.\n"
            return subprocess.CompletedProcess([], 1, "", error)
        half = killed and self.fate.when == "amid"
        printed = self._do(command, name, words, folder or Path(), run or Workflow("", {}), half=half)
        if killed:
            raise KilledError
        return subprocess.CompletedProcess([], 0, printed, "")

    def _do(self, command: str, name: str, words: tuple[str, ...], folder: Path, run: Workflow, *, half: bool) -> str:
        if command == "list":
            return _table(self.double.rows(name))
        if command == "create":
            made = self.double.create(name, yaml.safe_load((folder / "reana.yaml").read_text()))
            if not half:  # it goes on with the specification
                made.files["reana.yaml"] = (folder / "reana.yaml").read_bytes()
            return f"==> Verifying REANA specification file... {folder}\n{made.name}\n"
        if command == "upload":
            paths = words[2:]
            for path in paths[: len(paths) // 2] if half else paths:
                run.files[path] = (folder / path).read_bytes()
            if half:
                run.files[paths[-1]] = b"broken off"
            return ""
        if command == "ls":
            return _table([{"name": path, "size": str(len(data))} for path, data in run.files.items()])
        if command == "start":
            run.status, run.starts = "running", run.starts + 1
            return f"==> SUCCESS: {run.name} is running\n"
        assert command == "status"
        return _table(self.double.rows(run.name.rpartition(".")[0], run.name))


def _table(rows: list[dict[str, Any]]) -> str:
    return json.dumps(rows) + "\n"
