"""The real reana-client, and a double of the server for it to talk to."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from mmc.compiler.reana.client import PROGRAM, SERVER, TOKEN

from tests.compiler.reana import server
from tests.forked import forking
from tests.support import place_of_all, reana_study


@pytest.fixture(scope="session")
def reana_client() -> str:
    """The program, from the environment or the PATH."""
    program = shutil.which(os.environ.get(PROGRAM, "reana-client"))
    if program is None:
        pytest.skip(f"reana-client is not installed: set {PROGRAM}")
    return program


@pytest.fixture(scope="session")
def specification(reana_client: str) -> Mapping[str, Any]:
    """The interface of REANA's server, as reana-commons ships it."""
    where = "import reana_commons.openapi_specifications as p, pathlib; print(list(p.__path__)[0])"
    python = Path(reana_client).resolve().parent / "python"
    done = subprocess.run([python, "-W", "ignore", "-c", where], capture_output=True, text=True, check=True)
    content: Mapping[str, Any] = json.loads(Path(done.stdout.strip(), "reana_server.json").read_text())
    return content


@pytest.fixture(scope="session")
def quick_reana_client(reana_client: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """reana-client, forked off a process that has imported it, as a new one takes a second of CPU time each time."""
    from tests.engines import forked

    own = Path(reana_client).resolve().parent
    environment = {**os.environ, SERVER: "http://127.0.0.1"}
    imported = ("reana_client.cli", "requests", "tests.ready_reana_client")
    shared = place_of_all("reana-client.server", tmp_path_factory)
    with forking(
        "reana-client", "tests.given_reana_client", imported, environment, own / "python", shared=shared
    ) as programs:
        link = programs / f"cwltool.{os.getpid()}"
        link.symlink_to(forked(own / "cwltool"))
        link.replace(programs / "cwltool")  # it calls the one beside it; a link of before may lead nowhere
        yield str(programs / "reana-client")


@pytest.fixture
def double(
    quick_reana_client: str, specification: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[server.Double]:
    """The server; whatever is sent to it or answered by it must be as specified."""
    with server.serve(specification) as made:
        monkeypatch.setenv(PROGRAM, quick_reana_client)
        monkeypatch.setenv(SERVER, made.url)
        monkeypatch.setenv(TOKEN, server.TOKEN)
        yield made
    assert made.problems == []


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """The tiny study with images and resources."""
    return reana_study(tmp_path)
