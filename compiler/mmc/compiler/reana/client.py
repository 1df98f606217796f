"""Find and call the command line of reana-client, and turn each failure into one line.

reana-client pins old releases of jsonschema, cwltool and Snakemake, so it lives in an environment of its own, and mmc
calls its program instead of importing it. The access token is in the environment and goes nowhere else.
"""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmc.errors import MmcError

PROGRAM, SERVER, TOKEN = "MMC_REANA_CLIENT", "REANA_SERVER_URL", "REANA_ACCESS_TOKEN"
"""The environment variables that name the program, the server and the token."""
INSTALL = (
    "python3 -m venv reana && reana/bin/pip install 'reana-client==0.9.6' 'setuptools<81' && "
    f"export {PROGRAM}=$PWD/reana/bin/reana-client"
)
"""reana-client needs packages of setuptools that later releases have dropped."""
ANSWER_S = 300
"""The time limit for the server, except when files are sent."""

_ERROR = re.compile(r"^[ \t]*(?:==>|->) ERROR: ", re.MULTILINE)
_NO_ANSWER = re.compile(r"could not connect|timed out|connection|max retries|name or service not known", re.IGNORECASE)
_NO_REANA = re.compile(r"expecting value|failed for an unknown reason|expected status code", re.IGNORECASE)
_NO_ENTRY = re.compile(r"\btoken\b|unauthori[sz]ed|user \S+ is not allowed", re.IGNORECASE)
_AGAIN = "the same command goes on from here"


class GoneError(MmcError):
    """The server does not know the run."""


@dataclass(frozen=True)
class Client:
    """reana-client and the server that it talks to."""

    program: str
    server: str
    token: str

    def call(self, command: str, *words: str, folder: Path | None = None, sends_files: bool = False) -> str:
        """The standard output of a command.

        :raises GoneError: when the server does not know the run
        :raises MmcError: when the command fails for another reason; the message is one line with a fix
        """
        done = self.run(command, *words, folder=folder, sends_files=sends_files)
        if done.returncode != 0:
            raise self.failure(command, done.stderr or done.stdout)
        return done.stdout

    def run(
        self, command: str, *words: str, folder: Path | None = None, sends_files: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, successful or not.

        :raises MmcError: when the program cannot be started or the server takes too long
        """
        # reana-client calls cwltool by name: the PATH must lead to its own environment first
        path = os.pathsep.join((str(Path(self.program).parent), os.environ.get("PATH", os.defpath)))
        try:
            return subprocess.run(
                [self.program, command, *words],
                cwd=folder,
                env={**os.environ, "PATH": path, "PYTHONWARNINGS": "ignore", "REANA_WORKON": ""},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=None if sends_files else ANSWER_S,
                check=False,
            )
        except OSError as error:
            raise MmcError(f"{self.program} cannot be run ({error.strerror}): set {PROGRAM} to reana-client") from error
        except subprocess.TimeoutExpired as error:
            raise MmcError(f"{self.server} has not answered within {ANSWER_S} s; {_AGAIN}") from error

    def table(self, command: str, *words: str) -> list[dict[str, Any]]:
        """The rows that a command with ``--json`` prints."""
        printed = self.call(command, *words, "--json")
        try:
            rows: list[dict[str, Any]] = json.loads(printed[printed.index("[") :])
        except ValueError as error:
            raise MmcError(f"reana-client {command} printed no table: {' '.join(printed.split())[:200]}") from error
        return rows

    def failure(self, command: str, printed: str) -> MmcError:
        """Why a command failed, in one line without the token."""
        text = printed.replace(self.token, "…")
        said = _ERROR.split(text)[1:] or text.strip().splitlines()[-1:]
        whole = " ".join(said[0].split()) if said else ""
        what, colon, rest = whole.partition(":")  # "Cannot create workflow NAME: REASON", empty without a connection
        reason = rest if colon else what
        if not reason.strip() or _NO_ANSWER.search(reason):
            return MmcError(f"{self.server} cannot be reached: check {SERVER} and the network; {_AGAIN}")
        if "does not exist" in reason:
            return GoneError(f"reana-client {command}: {whole}")
        if _NO_ENTRY.search(reason):
            return MmcError(
                f"{self.server} refuses the access token, which may have expired: set {TOKEN} to a new one from "
                f"{self.server}/profile; {_AGAIN}"
            )
        if _NO_REANA.search(reason):
            return MmcError(
                f"{self.server} does not answer as a REANA server: it is down, or {SERVER} is wrong; {_AGAIN}"
            )
        return MmcError(f"reana-client {command}: {whole}")


def find_client() -> Client:
    """The client that the environment variables name.

    :raises MmcError: when the program, the server or the token is missing
    """
    program = os.environ.get(PROGRAM) or shutil.which("reana-client")
    if program is None:
        raise MmcError(f"reana-client is not on the PATH; it needs an environment of its own: {INSTALL}")
    found = shutil.which(program)
    if found is None:
        raise MmcError(f"{PROGRAM} is {program}, which is not a program")
    server, token = (os.environ.get(name, "").strip() for name in (SERVER, TOKEN))
    if not server.startswith(("http://", "https://")):
        raise MmcError(f"set {SERVER} to the address of a REANA server, such as https://reana.cern.ch")
    if not token:
        raise MmcError(f"set {TOKEN} to your access token, from {server.rstrip('/')}/profile")
    return Client(str(Path(found).absolute()), server.rstrip("/"), token)
