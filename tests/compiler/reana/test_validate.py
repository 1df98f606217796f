"""What REANA's own client says of bundles."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from mmc.cli.main import main
from mmc.compiler.catalogue.reana import ENGINES

pytestmark = pytest.mark.engine

KNOWN = {
    # It takes the keys that a step publishes for parameters.
    "yadage": r'Yadage parameter "\w+" found on steps? "[^"]+" is not defined in input parameters\.',
    # Servers of release 0.95 read them.
    "serial": r"The REANA specification appears valid, but some warnings were found\."
    r"|Unexpected properties found in REANA specification file: "
    r"('(htcondor_request_\w+|kubernetes_uid)' \(at [\w.]+\)[,.] ?)+"
    r"|Please make sure that the REANA specification file is correct\.",
    "cwl": "none",
    "snakemake": "none",
}
"""What the client warns of though nothing is wrong."""


@pytest.mark.parametrize("engine", ENGINES)
def test_the_client_finds_a_bundle_valid(engine: str, quick_reana_client: str, study: Path) -> None:
    assert main(["compile", str(study), "-t", "reana", "--engine", engine]) == 0
    folder = study.parent / "build" / "drell-yan-tiny" / "reana"
    path = f"{Path(quick_reana_client).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [quick_reana_client, "validate"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "REANA specification parameters appear valid." in done.stdout
    assert "Workflow operations appear valid." in done.stdout
    warnings = re.findall(r"WARNING: (.*)", done.stdout)
    assert [line for line in warnings if not re.fullmatch(KNOWN[engine], line)] == []
