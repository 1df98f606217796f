"""studies/wh-smeft at its full width of jobs and a fraction of its events, with real jobs on this machine.

    python benchmarks/wh_smeft.py FOLDER [--fraction 0.01] [--jobs 2]

The study has 1,312 jobs and 16 million events. `wh_madgraph.py` stands in for MadGraph; all else is what a user runs. A
second call continues the run in the folder. Prints one JSON object: for each stage its jobs, the sum and the largest of
their wall times in seconds, and the bytes of what they made; the processor time of all; and the verdicts.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from compiler import MMC

ROOT = Path(__file__).resolve().parents[1]
STUDY = ROOT / "studies" / "wh-smeft" / "study.yaml"
N_EVENTS, EVENTS_PER_JOB, N_SAMPLES = 1_000_000, 25_000, 5_000_000
SAMPLES = [
    *(f"{process}_{lepton}" for process in ("wph", "wmh", "wpbb", "wmbb", "tpb", "tmb") for lepton in ("mu", "e")),
    *("tt_mup", "tt_ep", "tt_mum", "tt_em"),
]
METHODS = ("sally_signal", "sally_all")


def install(folder: Path) -> dict[str, str]:
    """Programs that stand in for MadGraph, LHAPDF and compilers; the variables with which mmc finds them."""
    place = folder / "madgraph"
    for name in ("gfortran", "g++", "make", "lhapdf-config"):
        _program(folder / "tools" / name, "#!/bin/sh\n")
    program = (ROOT / "benchmarks" / "wh_madgraph.py").as_posix()
    _program(place / "bin" / "mg5_aMC", f"import runpy\nrunpy.run_path({program!r}, run_name='__main__')\n")
    (place / "VERSION").write_text("version = 3.5.7\n")
    for model in ("sm", "SMEFTsim_topU3l_MwScheme_UFO"):
        (place / "models" / model).mkdir(parents=True, exist_ok=True)
    return {
        "MMC_MADGRAPH_DIR": str(place),
        "PATH": os.pathsep.join([str(folder / "tools"), str(Path(sys.executable).parent), os.environ["PATH"]]),
    }


def _program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def smaller(fraction: float) -> list[str]:
    """The words that give the study a fraction of its events and of its samples, in as many jobs."""
    values = {"generation.events_per_job": EVENTS_PER_JOB}
    values |= {f"generation.samples.{name}.events.sm": N_EVENTS for name in SAMPLES[:4]}
    values |= {f"generation.samples.{name}.events": N_EVENTS for name in SAMPLES[4:]}
    values |= {f"methods.{name}.samples": N_SAMPLES for name in METHODS}
    return [word for key, value in values.items() for word in ("--set", f"{key}={round(value * fraction)}")]


def stages(run: Path) -> dict[str, Any]:
    """The jobs of each stage, their wall times, and the bytes of their outputs."""
    seconds: dict[str, list[float]] = defaultdict(list)
    size: dict[str, int] = defaultdict(int)
    for path in run.glob("out/*/*/job.json"):
        stage = path.parts[-3]
        seconds[stage].append(json.loads(path.read_text())["seconds"])
        size[stage] += sum(file.stat().st_size for file in path.parent.rglob("*") if file.is_file())
    return {
        stage: {"jobs": len(found), "s": round(sum(found)), "largest_s": max(found), "MB": round(size[stage] / 1e6)}
        for stage, found in seconds.items()
    }


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--fraction", type=float, default=0.01)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    folder = arguments.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    variables = os.environ | install(folder)
    run = folder / "run"
    words = [MMC, "run", str(STUDY), *smaller(arguments.fraction), "--out", str(run), "-j", str(arguments.jobs)]
    started = time.monotonic()
    done = subprocess.run(words, env=variables, check=False, stdout=sys.stderr)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    result: dict[str, Any] = {
        "code": done.returncode,
        "wall_s": round(time.monotonic() - started),
        "cpu_s": round(used.ru_utime + used.ru_stime),
        "largest_job_MB": used.ru_maxrss // 1000,
        "free_disk_GB": round(shutil.disk_usage(folder).free / 1e9),
        "stages": stages(run),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
