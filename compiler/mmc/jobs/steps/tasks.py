"""``mmc step --jobs``: the jobs of a task, one after the other, for engines that have no tasks of several jobs."""

import os
import subprocess
from collections.abc import Iterator, Sequence

from mmc.jobs.steps import runner
from mmc.jobs.steps.limits import ENGINE, end_with_engine
from mmc.processes import path_with_mmc


def run_jobs(words: Sequence[str]) -> int:
    """Run those of the jobs that have not been run, each as a process with the words that it has on every engine. One
    that fails does not stop the others.

    :returns: the exit code of the first job that failed, 0 if none did; 2 when no job is named
    :raises MmcError: when there is no program ``mmc``
    """
    end_with_engine()
    jobs = list(each_job(words))
    if not jobs:
        return runner.wrong_usage("--jobs needs the name of a job")
    environment = {**os.environ, "PATH": path_with_mmc(), ENGINE: str(os.getpid())}
    status = 0
    for argv in jobs:
        if not runner.is_done(argv):
            code = subprocess.run(["mmc", "step", *argv], env=environment, check=False).returncode
            status = status or (code if code >= 0 else 128 - code)
    return status


def each_job(words: Sequence[str]) -> Iterator[list[str]]:
    """The words for each job of a task.

    >>> [" ".join(job) for job in each_job("simulate --jobs a b --setup s --out d".split())]
    ['simulate --job a --setup s --out d/a', 'simulate --job b --setup s --out d/b']
    """
    start = words.index("--jobs")
    end = next((k for k in range(start + 1, len(words)) if words[k].startswith("--")), len(words))
    rest = list(words[end:])
    out = rest.index("--out") + 1 if "--out" in rest else len(rest)
    for name in words[start + 1 : end]:
        place = [f"{rest[out]}/{name}"] if out < len(rest) else []  # without it, the job says what is missing
        yield [*words[:start], "--job", name, *rest[:out], *place, *rest[out + 1 :]]
