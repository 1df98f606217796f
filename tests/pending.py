"""`mmc pending` for `run.sh`, which calls it before and after all jobs, and `mmc step --jobs` of fake jobs."""

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
    """A program :mod:`tests.mmc_as` that is forked off one process for all tests of this worker."""
    imported = ("mmc.cli.main", "mmc.jobs.resume.decision", "mmc.jobs.steps.tasks")
    return _servers.enter_context(forking("mmc", "tests.mmc_as", imported, ENVIRONMENT)) / "mmc"
