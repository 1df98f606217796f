"""A step program that does what its settings say; for the tests of the runner."""

import os
import random
import signal
import sys
import tempfile
import time

import numpy as np
from mmc.errors import StepError
from mmc.jobs.job import StepJob, write_json

ERRORS: dict[str, type[Exception]] = {
    "step": StepError,
    "other": ValueError,
    "disk": OSError,
    "memory": MemoryError,
    "runtime": RuntimeError,
}

held: list[tempfile.TemporaryDirectory[str]] = []


def run(job: StepJob) -> None:
    (job.out / "early.txt").write_text("written before the end")
    if "fail" in job.settings:
        raise ERRORS[job.settings["fail"]](*job.settings["with"])
    for name, file in job.settings.get("read", {}).items():
        job.one(name) if file is None else job.file(name, file)
    if "import" in job.settings:
        __import__(job.settings["import"])
    if "hold" in job.settings:
        held.append(tempfile.TemporaryDirectory(dir=job.settings["hold"]))
    if "sleep" in job.settings:
        sys.stderr.write("asleep\n")
        sys.stderr.flush()
        time.sleep(job.settings["sleep"])
    if "deaf" in job.settings:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])  # as a library that never returns
        time.sleep(job.settings["deaf"])
    if "bytes" in job.settings:
        (job.out / "large.bin").write_bytes(b"x" * job.settings["bytes"])
    draws = {"random": random.random(), "numpy": float(np.random.random())}
    write_json(job.out / "result.json", {"settings": dict(job.settings), "seed": job.seed, **draws})


if __name__ == "__main__":  # run the real runner with this as the step of a stage
    from mmc.jobs.steps import limits, runner

    limits.GRACE_S = float(os.environ.get("FAKE_GRACE_S", limits.GRACE_S))
    sys.modules["mmc.jobs.steps.configure"] = sys.modules["__main__"]
    sys.exit(runner.main(sys.argv[1:]))
