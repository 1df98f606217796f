"""The compiler's speed: cold `mmc validate` against two yardsticks, and `mmc compile` of a study with 10,000 jobs.

    python benchmarks/compiler.py

`cwltool` must be installed beside `mmc`. Every command runs in a new process, alternating, and the median of its wall
times counts. Prints one JSON object: seconds, ratios and the peak memory of the large compile.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

STUDY = Path(__file__).resolve().parents[1] / "studies" / "drell-yan" / "study.yaml"
BIN = Path(sys.executable).parent
MMC = str(BIN / "mmc")
PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
"""


def seconds(command: list[str]) -> float:
    """Wall time of one run of a command, which must succeed."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def medians(commands: dict[str, list[str]], repeats: int) -> dict[str, float]:
    """Median wall time in seconds of each command, run in turn."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for command in commands.values():
        seconds(command)  # not counted: it fills the caches of the file system and of Python
    for _ in range(repeats):
        for name, command in commands.items():
            times[name].append(seconds(command))
    return {name: statistics.median(values) for name, values in times.items()}


def study_with(jobs: int, path: Path) -> None:
    """Write a variant of the Drell-Yan study with about that many jobs."""
    study = yaml.safe_load(STUDY.read_text())
    per_benchmark = jobs // (2 * len(study["benchmarks"]))  # each piece is simulated and analysed
    signal = study["generation"]["samples"]["signal"]
    signal.update(events={"default": 100 * per_benchmark}, events_per_job=100)
    path.write_text(yaml.safe_dump(study, sort_keys=False))


def main() -> None:
    """Measure and print."""
    folder = Path(tempfile.mkdtemp(prefix="mmc-benchmark-"))
    subprocess.run([MMC, "compile", str(STUDY), "--target", "cwl", "--out", str(folder / "cwl")], check=True)
    start = medians(
        {
            "python": [sys.executable, "-c", "pass"],
            "validate": [MMC, "validate", str(STUDY)],
            "cwltool": [str(BIN / "cwltool"), "--validate", str(folder / "cwl" / "workflow.cwl")],
        },
        repeats=11,
    )
    result: dict[str, float] = {f"{name}_s": round(value, 4) for name, value in start.items()}
    result["validate_over_cwltool"] = round(start["validate"] / start["cwltool"], 3)
    result["validate_over_python"] = round(start["validate"] / start["python"], 2)
    for target in ("script", "yadage", "cwl"):
        compiles = {}
        for jobs in (1_000, 10_000):
            path = folder / f"study-{jobs}.yaml"
            study_with(jobs, path)
            compiles[str(jobs)] = [
                MMC,
                "compile",
                str(path),
                "--target",
                target,
                "--out",
                str(folder / target / str(jobs)),
            ]
        times = medians(compiles, repeats=3)
        peak = subprocess.run(
            [sys.executable, "-c", PEAK, *compiles["10000"]], check=True, capture_output=True, text=True
        )
        result[f"compile_{target}_10000_s"] = round(times["10000"], 3)
        result[f"compile_{target}_10000_over_1000"] = round(times["10000"] / times["1000"], 2)
        result[f"compile_{target}_10000_peak_mib"] = round(float(peak.stdout.splitlines()[-1]), 1)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
