"""`mmc pending` for the `run.sh` of tests, which calls it before and after all jobs."""

import atexit
import os
from contextlib import ExitStack
from functools import cache
from pathlib import Path

from tests.forked import forking

ENVIRONMENT = dict(os.environ)
_servers = ExitStack()
atexit.register(_servers.close)


@cache
def quick_mmc() -> Path:
    """A program `mmc` that is forked off one process for all tests of this worker."""
    imported = ("mmc.cli.main", "mmc.jobs.resume.decision")
    return _servers.enter_context(forking("mmc", "mmc", imported, ENVIRONMENT)) / "mmc"
