"""Copies of the repository as it stands, for tests that build or install it."""

import subprocess
from pathlib import Path

from tests.support import ROOT


def copy_checkout(to: Path) -> Path:
    """Copy what git tracks, or would track, so that nothing that an earlier build left behind comes along."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            (to / name).write_bytes((ROOT / name).read_bytes())
            (to / name).chmod((ROOT / name).stat().st_mode)
    return to
