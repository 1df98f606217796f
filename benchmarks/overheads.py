"""What an engine adds to jobs that do next to nothing: a model in the number of jobs, checked outside of the fit.

    python benchmarks/overheads.py [--engines script cwl …] [--pieces 5 25 75] [--check 50]

For each engine and number of pieces of a hand-made plan (each piece is simulated and analysed), the bundle is run with
two jobs at a time and with the fake step program of the tests. Counted is the processor time of the engine and of all
that it starts. The model is a + b·n for n jobs, and + c·n² for engines whose cost grows faster; `bare` are fake jobs
alone. Prints one JSON object: for each engine the seconds at each n, the coefficients, and the prediction and the
measurement at the point that is left out of the fit. `MMC_SNAKEMAKE` names Snakemake.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from mmc.compiler.targets import TARGETS, Options
from mmc.compiler.targets.bundle import write

from tests.compiler.targets.conftest import PROGRAM
from tests.compiler.targets.plans import FILE_CONTENT, make_plan
from tests.engines import YADAGE_RUN
from tests.support import RUN_WITH_PATH

CWL = ["--no-container", "--parallel", "--outdir", "results", "workflow.cwl", "job.yml"]
COMMANDS = {
    "bare": ["bash", "all.sh"],
    "script": ["bash", "run.sh", "-j", "2"],
    "hyperqueue": [sys.executable, "-c", RUN_WITH_PATH, "{path}", "submit", "."],
    "snakemake": [os.environ.get("MMC_SNAKEMAKE", "snakemake"), "--cores", "2"],
    "cwl": ["cwltool", *CWL],
    "yadage": YADAGE_RUN,
}
FASTER_THAN_LINEAR = ("yadage",)


def cpu_s(engine: str, pieces: int, folder: Path, environment: dict[str, str]) -> tuple[int, float]:
    """The number of jobs, and the processor time of a run, which must succeed."""
    plan = make_plan(pieces, [])
    target = "script" if engine == "bare" else engine
    bundle = TARGETS[target](plan, Options())
    (folder / "event file").write_bytes(FILE_CONTENT)
    place = folder / f"{engine}-{pieces}"
    write(bundle, place, dict.fromkeys(bundle.copies, folder / "event file"))
    if engine == "bare":
        listed = subprocess.run(["bash", "run.sh", "-n"], cwd=place, env=environment, capture_output=True, check=True)
        (place / "all.sh").write_bytes(b"mkdir -p out/{configure,generate,simulate,analyse,combine}\n" + listed.stdout)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    words = [word.format(folder=place, path=environment["PATH"]) for word in COMMANDS[engine]]
    done = subprocess.run(words, cwd=place, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{engine}: {done.stderr[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return plan.n_jobs, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def fitted(powers: int, found: list[tuple[int, float]]) -> Any:
    """The coefficients of a polynomial of that degree, with equal relative errors of all points."""
    n, seconds = np.array(found, dtype=float).T
    matrix = np.vander(n, powers + 1, increasing=True) / seconds[:, np.newaxis]
    return np.linalg.lstsq(matrix, np.ones(len(n)), rcond=None)[0]


def main() -> None:
    """Measure, fit and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", nargs="+", default=list(COMMANDS), choices=list(COMMANDS))
    parser.add_argument("--pieces", nargs="+", type=int, default=[5, 25, 75])
    parser.add_argument("--check", type=int, default=50)
    arguments = parser.parse_args()
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="overheads-") as scratch:
        folder = Path(scratch)
        (folder / "bin").mkdir()
        (folder / "bin" / "mmc").write_text(PROGRAM.format(python=sys.executable, content=FILE_CONTENT))
        (folder / "bin" / "mmc").chmod(0o755)
        path = os.pathsep.join([str(folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
        environment = {**os.environ, "PATH": path, "PYTHONWARNINGS": "ignore"}
        for engine in arguments.engines:
            found = [cpu_s(engine, pieces, folder, environment) for pieces in arguments.pieces]
            model = fitted(2 if engine in FASTER_THAN_LINEAR else 1, found)
            n, measured = cpu_s(engine, arguments.check, folder, environment)
            predicted = float(np.polynomial.Polynomial(model)(n))
            result[engine] = {
                "cpu_s": {jobs: round(seconds, 2) for jobs, seconds in found},
                "model": [float(f"{value:.3g}") for value in model],
                "check": {"jobs": n, "predicted": round(predicted, 2), "measured": round(measured, 2)},
            }
            print(engine, result[engine], file=sys.stderr, flush=True)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
