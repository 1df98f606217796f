"""A step program that does what its settings say; for the tests of the runner."""

import random
import sys
import time

import numpy as np
from mmc.errors import StepError
from mmc.jobs.job import StepJob, write_json


def run(job: StepJob) -> None:
    (job.out / "early.txt").write_text("written before the end")
    if "fail" in job.settings:
        raise {"step": StepError, "other": ValueError, "disk": OSError}[job.settings["fail"]](*job.settings["with"])
    if "import" in job.settings:
        __import__(job.settings["import"])
    if "sleep" in job.settings:
        sys.stderr.write("asleep\n")
        sys.stderr.flush()
        time.sleep(job.settings["sleep"])
    if "bytes" in job.settings:
        (job.out / "large.bin").write_bytes(b"x" * job.settings["bytes"])
    draws = {"random": random.random(), "numpy": float(np.random.random())}
    write_json(job.out / "result.json", {"settings": dict(job.settings), "seed": job.seed, **draws})


if __name__ == "__main__":  # run the real runner with this as the step of a stage
    from mmc.jobs.steps import runner

    sys.modules["mmc.jobs.steps.configure"] = sys.modules["__main__"]
    sys.exit(runner.main(sys.argv[1:]))
