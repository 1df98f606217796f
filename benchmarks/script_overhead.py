"""What `bash run.sh` adds to its jobs: a bundle whose jobs do nothing but what every job must do.

    python benchmarks/script_overhead.py [--jobs N]

Compiles a study of N pieces to the script target and runs it with one job at a time and with a step program in shell
that writes the output and the record of a finished job in the least time; the same commands are then run by a plain
loop. Prints the time that run.sh adds per job, for a first run and for a run in which every job is finished already.
"""

import argparse
import hashlib
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

from compiler import MMC, study_with

EMPTY = {"done": {"bytes": 0, "sha256": hashlib.sha256().hexdigest(), "modified_ns": 0}}
REST = json.dumps({"seed": 1, "seconds": 0.0, "mmc": "0", "outputs": EMPTY})[1:]
STEP = f"""#!/bin/sh
# stands in for `mmc step NAME --config FILE --job JOB … --out DIR`: an empty file with the record of a finished job
[ "$1" != pending ] || exec "{MMC}" "$@"
step=$2
while [ "$#" -gt 1 ]; do
    case $1 in --job) job=$2 ;; --out) out=$2 ;; esac
    shift
done
mkdir -p "$out"
: > "$out/done"
printf '{{"stage": "%s", "job": "%s", "fingerprint": "%s", %s\\n' \\
    "$step" "$job" "$MMC_FINGERPRINT" '{REST}' > "$out/job.json"
"""


def seconds(command: list[str], environment: dict[str, str], folder: Path) -> float:
    """Wall time of one run of a command, which must succeed."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment, cwd=folder)
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1000)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="mmc-benchmark-"))
    study_with(arguments.jobs, folder / "study.yaml")
    compile_ = [MMC, "compile", str(folder / "study.yaml"), "--target", "script", "--out", str(folder / "bundle")]
    subprocess.run(compile_, check=True)
    (folder / "bin").mkdir()
    (folder / "bin" / "mmc").write_text(STEP)
    (folder / "bin" / "mmc").chmod(0o755)
    environment = {**os.environ, "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    bundle = folder / "bundle"
    listing = subprocess.run(
        ["bash", "run.sh", "-n", "-o", "out"], check=True, capture_output=True, text=True, env=environment, cwd=bundle
    )
    (bundle / "loop.sh").write_text(listing.stdout)
    n_jobs = len(listing.stdout.splitlines())
    first = seconds(["bash", "run.sh", "-j", "1", "-o", "out"], environment, bundle)
    again = seconds(["bash", "run.sh", "-j", "1", "-o", "out"], environment, bundle)
    bare = seconds(["sh", "loop.sh"], environment, bundle)
    result = {"jobs": n_jobs, "added_s_per_job": (first - bare) / n_jobs, "finished_s_per_job": again / n_jobs}
    print(json.dumps({name: round(value, 5) for name, value in result.items()}))


if __name__ == "__main__":
    main()
