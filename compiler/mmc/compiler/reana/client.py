"""Find and call the command line of reana-client, and turn each failure into one line.

reana-client pins old releases of jsonschema, cwltool and Snakemake, so it lives in an environment of its own, and mmc
calls its program instead of importing it. The access token is in the environment and goes nowhere else.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from mmc.errors import MmcError
from mmc.printing import complain

PROGRAM, SERVER, TOKEN = "MMC_REANA_CLIENT", "REANA_SERVER_URL", "REANA_ACCESS_TOKEN"
"""The environment variables that name the program, the server and the token."""
INSTALL = (
    "python3 -m venv reana && reana/bin/pip install 'reana-client==0.9.6' 'setuptools<81' && "
    f"export {PROGRAM}=$PWD/reana/bin/reana-client"
)
"""reana-client needs packages of setuptools that later releases have dropped."""
AUTHORITY = "REQUESTS_CA_BUNDLE"
"""The environment variable with the file of a private authority for certificates."""
ANSWER_S = 300
"""The time limit for the server, except when files are sent."""
MOST_BYTES = 64_000_000
"""The longest answer that is read."""
MOST_SHOWN = 300
"""The number of characters of an unexpected answer that are shown."""

_POLL_S = 0.05
_CHECKED = "mmc: certificates are checked\n"
_REFUSED = re.compile(r"^mmc: certificate refused: (.*)$", re.MULTILINE)
"""What the module in ``templates/reana/client`` says."""

_ERROR = re.compile(r"^[ \t]*(?:==>|->) ERROR: ", re.MULTILINE)
_NO_ANSWER = re.compile(r"could not connect|timed out|connection|max retries|name or service not known", re.IGNORECASE)
_NO_REANA = re.compile(r"expecting value|failed for an unknown reason|expected status code", re.IGNORECASE)
_NO_ENTRY = re.compile(r"\btoken\b|unauthori[sz]ed|user \S+ is not allowed", re.IGNORECASE)
_AGAIN = "the same command continues from here"


class GoneError(MmcError):
    """The server does not know the run."""


@dataclass(frozen=True)
class Client:
    """reana-client and the server that it talks to."""

    program: str
    server: str
    token: str

    def call(self, command: str, *words: str, folder: Path | None = None, limit_s: float = ANSWER_S) -> str:
        """The standard output of a command.

        :raises GoneError: when the server does not know the run
        :raises MmcError: when the command fails for another reason; the message is one line with a fix
        """
        done = self.run(command, *words, folder=folder, limit_s=limit_s)
        if done.returncode != 0:
            raise self.failure(command, done.stderr or done.stdout)
        return done.stdout

    def run(
        self, command: str, *words: str, folder: Path | None = None, limit_s: float = ANSWER_S
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, successful or not.

        :raises MmcError: when the program cannot be started, the server takes too long, or its answer is too long
        """
        with as_file(files("mmc.templates") / "reana" / "client") as inside, ExitStack() as opened:
            output, errors = (opened.enter_context(tempfile.TemporaryFile()) for _ in range(2))
            try:
                process = subprocess.Popen(
                    [self.program, command, *words],
                    cwd=folder,
                    env=self._environment(inside),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=errors,
                    start_new_session=True,  # so that whatever it starts ends with it
                )
            except OSError as error:
                raise MmcError(
                    f"{self.program} cannot be run ({error.strerror}): set {PROGRAM} to reana-client"
                ) from error
            with process:
                try:
                    self._wait(process, output, limit_s)
                except BaseException:
                    with suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
                    raise
            printed, complaints = (_text(file) for file in (output, errors))
        if self.server.startswith("https://") and _CHECKED not in complaints:
            complain(f"mmc: warning: {self.program} may not have checked the certificate of {self.server}")
        return subprocess.CompletedProcess(process.args, process.returncode, printed, complaints.replace(_CHECKED, ""))

    def _environment(self, inside: Path) -> dict[str, str]:
        """The environment of reana-client.

        :param inside: the folder with the module that Python imports when reana-client starts
        """
        # reana-client calls cwltool by name: the PATH must lead to its own environment first
        path = os.pathsep.join((str(Path(self.program).parent), os.environ.get("PATH", os.defpath)))
        modules = os.pathsep.join([str(inside), *filter(None, [os.environ.get("PYTHONPATH")])])
        own = {"PATH": path, "PYTHONPATH": modules, "PYTHONDONTWRITEBYTECODE": "1", "REANA_WORKON": ""}
        warnings = "ignore::DeprecationWarning,ignore::UserWarning,ignore::SyntaxWarning"  # about old packages
        return {**os.environ, **own, "PYTHONWARNINGS": warnings}

    def _wait(self, process: "subprocess.Popen[bytes]", output: IO[bytes], limit_s: float) -> None:
        deadline = time.monotonic() + limit_s
        while True:
            try:
                process.wait(_POLL_S)
            except subprocess.TimeoutExpired as error:
                if time.monotonic() > deadline:
                    raise MmcError(f"{self.server} has not answered within {limit_s:.0f} s; {_AGAIN}") from error
            if os.fstat(output.fileno()).st_size > MOST_BYTES:
                raise MmcError(f"the answer of {self.server} is longer than {MOST_BYTES / 1e6:.0f} MB")
            if process.returncode is not None:
                return

    def table(self, command: str, *words: str, keys: Sequence[str]) -> list[dict[str, str]]:
        """The rows that a command with ``--json`` prints, as texts without control characters.

        :raises MmcError: when it prints something else, or a row lacks one of the keys
        """
        printed = self.call(command, *words, "--json")
        try:
            rows = [_row(row) for row in json.loads(printed[printed.index("[") :])]
            if all(key in row for row in rows for key in keys):
                return rows
        except (ValueError, TypeError, AttributeError, RecursionError):
            pass
        raise MmcError(f"{self.server} has not answered `{command}` as REANA does: {_shown(printed)}")

    def failure(self, command: str, printed: str) -> MmcError:
        """Why a command failed, in one line without the token."""
        text = printed.replace(self.token, "…")
        if refused := _REFUSED.search(text):
            return MmcError(
                f"{self.server} has a certificate that cannot be trusted ({_shown(refused[1])}): "
                f"check {SERVER}, or set {AUTHORITY} to the file of the server's own authority"
            )
        said = _ERROR.split(text)[1:] or text.strip().splitlines()[-1:]
        whole = _shown(said[0]) if said else ""
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


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read(MOST_BYTES).decode(errors="replace")


def _shown(text: str) -> str:
    """The beginning of a text of a server, in one line without control characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text[:MOST_SHOWN]).split())


def _row(row: Mapping[str, Any]) -> dict[str, str]:
    """The entries of a row that are texts or numbers."""
    plain = {key: str(value) for key, value in row.items() if isinstance(value, (str, int, float))}
    return {key: "".join(c for c in text if c.isprintable()) for key, text in plain.items()}


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
    if server.startswith("http://") and urlsplit(server).hostname not in ("localhost", "127.0.0.1", "::1"):
        complain(f"mmc: warning: the access token travels to {server} unencrypted: use https")
    return Client(str(Path(found).absolute()), server.rstrip("/"), token)
