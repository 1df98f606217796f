"""What an engine adds to jobs that do next to nothing: a model in the number of jobs, checked outside of the fit.

    python benchmarks/overheads.py [--engines script cwl …] [--pieces 3 48 498] [--check 150] [--together 1]

For each engine and number of pieces of a hand-made plan (each piece is simulated and analysed), the bundle is run with
two jobs at a time, whose step program is a few lines of sh. Counted is the processor time of the engine and of all that
it starts, and the wall time. The model is a + b·n for n jobs, and + c·n² for engines whose cost grows faster; it is for
the processor time, for Slurm, whose daemons are not counted, for the wall time. `bare` are jobs alone. Prints one JSON
object: for each engine the seconds at each n, the coefficients, and the prediction and the measurement at the point
that is left out of the fit. With `--together`, so many jobs are in one task of the engine. `MMC_SNAKEMAKE` names
Snakemake, `MMC_TOIL` Toil.
"""

import argparse
import hashlib
import json
import os
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from mmc.compiler.catalogue.batch import Batch
from mmc.compiler.targets import TARGETS, Options
from mmc.compiler.targets.bundle import write

from tests.compiler.targets.plans import FILE_CONTENT, make_plan
from tests.engines import YADAGE_RUN
from tests.slurm import cluster, wait_until_empty
from tests.support import RUN_WITH_PATH

PROGRAM = """\
#!/bin/sh
[ "$1" = step ] || exec {mmc} "$@"
stage=$2
while [ $# -gt 1 ]; do
  case $1 in --job) job=$2 ;; --out) out=$2 ;; esac
  shift
done
mkdir -p "$out"
: >"$out/result"
cat >"$out/job.json" <<END
{{"stage": "$stage", "job": "$job", "fingerprint": "$MMC_FINGERPRINT", "seed": 1, "seconds": 0.0, "mmc": "0",
"outputs": {{"result": {{"bytes": 0, "sha256": "{empty}", "modified_ns": 0}}}}}}
END
"""

CWL = ["--no-container", "--preserve-entire-environment", "--outdir", "results", "workflow.cwl", "job.yml"]
COMMANDS = {
    "bare": ["bash", "all.sh"],
    "script": ["bash", "run.sh", "-j", "2"],
    "hyperqueue": [sys.executable, "-c", RUN_WITH_PATH, "{path}", "submit", "."],
    "snakemake": [os.environ.get("MMC_SNAKEMAKE", "snakemake"), "--cores", "2"],
    "cwl": ["cwltool", "--parallel", *CWL],
    "toil": [os.environ.get("MMC_TOIL", "toil-cwl-runner"), "--jobStore", "store", "--logLevel", "ERROR", *CWL],
    "slurm": [sys.executable, "-c", RUN_WITH_PATH, "{path}", "submit", "."],
    "yadage": YADAGE_RUN,
}
FASTER_THAN_LINEAR = ("snakemake", "yadage")
AT_ONCE = 1000
"""The most jobs whose outputs one job reads."""


def measured(
    engine: str, pieces: int, together: int, folder: Path, environment: dict[str, str]
) -> tuple[int, float, float]:
    """The number of jobs, the processor time of a run, which must succeed, and its wall time."""
    plan = make_plan(pieces, [], at_once=AT_ONCE if pieces > AT_ONCE else 0)
    plan = replace(plan, batch=Batch(jobs_per_task=together))
    target = {"bare": "script", "toil": "cwl"}.get(engine, engine)
    bundle = TARGETS[target](plan, Options())
    (folder / "event file").write_bytes(FILE_CONTENT)
    place = folder / f"{engine}-{pieces}"
    write(bundle, place, dict.fromkeys(bundle.copies, folder / "event file"))
    if engine == "bare":
        listed = subprocess.run(["bash", "run.sh", "-n"], cwd=place, env=environment, capture_output=True, check=True)
        (place / "all.sh").write_bytes(b"mkdir -p out\n" + listed.stdout)
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    words = [word.format(folder=place, path=environment["PATH"]) for word in COMMANDS[engine]]
    done = subprocess.run(words, cwd=place, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{engine}: {done.stderr[-2000:]}")
    if engine == "slurm":
        wait_until_empty(environment, 3600.0)
        words = ["mmc", "pending", "jobs.tsv", "out"]
        missing = subprocess.run(words, cwd=place, env=environment, capture_output=True, check=True)
        if missing.stdout:
            sys.exit(f"{engine}: not all jobs are done")
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - started
    shutil.rmtree(place)
    return plan.n_jobs, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def fitted(powers: int, found: list[tuple[int, float]]) -> Any:
    """The coefficients of a polynomial of that degree, with equal relative errors of all points."""
    n, seconds = np.array(found, dtype=float).T
    matrix = np.vander(n, powers + 1, increasing=True) / seconds[:, np.newaxis]
    return np.linalg.lstsq(matrix, np.ones(len(n)), rcond=None)[0]


def main() -> None:
    """Measure, fit and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", nargs="+", default=list(COMMANDS), choices=list(COMMANDS))
    parser.add_argument("--pieces", nargs="+", type=int, default=[3, 48, 498])
    parser.add_argument("--check", type=int, default=150)
    parser.add_argument("--together", type=int, default=1)
    arguments = parser.parse_args()
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="overheads-") as scratch:
        folder = Path(scratch)
        (folder / "bin").mkdir()
        mmc, empty = shlex.quote(str(Path(sys.executable).with_name("mmc"))), hashlib.sha256().hexdigest()
        (folder / "bin" / "mmc").write_text(PROGRAM.format(mmc=mmc, empty=empty))
        (folder / "bin" / "mmc").chmod(0o755)
        others = [str(Path(sys.executable).parent), os.environ["PATH"], str(Path(COMMANDS["toil"][0]).parent)]
        path = os.pathsep.join([str(folder / "bin"), *others])
        environment = {**os.environ, "PATH": path, "PYTHONWARNINGS": "ignore"}
        for engine in arguments.engines:
            which = 2 if engine == "slurm" else 1
            with ExitStack() as stack:
                variables = stack.enter_context(cluster(10_001)) if engine == "slurm" else {}
                every = [
                    measured(engine, pieces, arguments.together, folder, environment | variables)
                    for pieces in (*arguments.pieces, arguments.check)
                ]
            *found, (n, check) = [(run[0], run[which]) for run in every]
            model = fitted(2 if engine in FASTER_THAN_LINEAR else 1, found)
            predicted = float(np.polynomial.Polynomial(model)(n))
            result[engine] = {
                "cpu_s": {jobs: round(cpu, 2) for jobs, cpu, _ in every},
                "wall_s": {jobs: round(wall, 2) for jobs, _, wall in every},
                "model": [float(f"{value:.3g}") for value in model],
                "check": {"jobs": n, "predicted": round(predicted, 2), "measured": round(check, 2)},
            }
            print(engine, result[engine], file=sys.stderr, flush=True)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
