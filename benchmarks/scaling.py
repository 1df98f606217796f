"""Time and peak memory of the steps that read event files, for files of 10⁵, 10⁶ and 10⁷ events.

    python benchmarks/scaling.py [--events N …] [--steps STEP …] [--folder FOLDER]

The events are those of the toy of the tests: two parameters, six benchmarks, three observables, in ten files that are
combined. Every step is a new process with one thread. Training and validation samples are a tenth and a fortieth of the
events, drawn at the Standard Model; the grid has 9 × 9 points. Prints one JSON object: for each number of events and
each step the seconds by the clock, the seconds of processor time, and the peak of the resident memory in MB.
"""

import argparse
import hashlib
import json
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from mmc.jobs.madminer.event_writer import copy_declarations

from tests.jobs.learning_jobs import Learning
from tests.jobs.toy_events import SIGMA, write_events

PARTS = 10
SIZES = (100_000, 1_000_000, 10_000_000)


class Measured(Learning):
    """Steps as processes of their own, measured."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, path / "combine" / "combine")
        self.figures: dict[str, Any] = {}

    def run(self, stage: str, job: str, settings: Mapping[str, Any], *, seed: int = 1, **inputs: Any) -> Path:
        words = self.arguments(stage, job, settings, inputs, seed)
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        start = time.perf_counter()
        process = os.posix_spawn(sys.executable, [sys.executable, "-m", "mmc", "step", *words], environment)
        _, status, used = os.wait4(process, 0)
        seconds = time.perf_counter() - start
        if status:
            sys.exit(f"{stage}[{job}] failed: see {self.out(stage, job)}.log")
        self.figures[job] = {
            "seconds": round(seconds, 2),
            "cpu_seconds": round(used.ru_utime + used.ru_stime, 2),
            "peak_mb": round(used.ru_maxrss / 1e3),
        }
        return self.out(stage, job)


def analysed_parts(folder: Path, n_events: int) -> tuple[Path, list[Path]]:
    """A set-up, and outputs of ``analyse`` with these events."""
    parts = []
    for number in range(PARTS):
        part = folder / "analyse" / f"signal.sm.{number}"
        write_events(part, n_events=n_events // PARTS, seed=number, ids=True)
        (part / "events.json").unlink()
        (part / "job.json").write_text(json.dumps({"stage": "analyse", "job": part.name}))
        record = {"sample": "signal", "benchmark": "sm", "background": False, "n_read": n_events // PARTS}
        sigma = {"cross_section_pb": [SIGMA, SIGMA / 100], "integrated_pb": [SIGMA, SIGMA / 1e4], "n_passed": 1}
        (part / "analyse.json").write_text(json.dumps(record | sigma))
        parts.append(part)
    setup = folder / "configure" / "configure"
    setup.mkdir(parents=True)
    copy_declarations(parts[0] / "events.h5", setup / "setup.h5")
    import h5py

    with h5py.File(setup / "setup.h5", "r+") as file:
        del file["sample_summary"], file["observables"]
        points = file["benchmarks/values"][()].tolist()
        named = [name.decode() for name in file["benchmarks/names"][()]]
    benchmarks = {name: {"c1": a, "c2": b} for name, (a, b) in zip(named, points, strict=True)}
    (setup / "setup.json").write_text(json.dumps({"benchmarks": benchmarks}))
    (setup / "job.json").write_text(json.dumps({"stage": "configure", "job": "configure"}))
    return setup, parts


def steps(learning: Measured, n_events: int) -> dict[str, Callable[[], Any]]:
    """The steps by name, in their order."""
    sizes = {"samples": n_events // 10, "validation_samples": n_events // 40}
    prior = {"random": {"n": 50, "priors": {name: {"flat": [-1.0, 1.0]} for name in ("c1", "c2")}}}
    several = {"theta0": prior, "sample_only_from_closest_benchmark": False, **sizes}
    settings = {"n_epochs": 1, "batch_size": 1024}
    bins = {"observables": ["x1", "x2"], "bins": [10, 10]}
    fisher = {"observable": "x1", "bins": 20}

    def combine() -> None:
        setup, parts = learning.path / "configure" / "configure", sorted((learning.path / "analyse").glob("signal.*"))
        own = {"sample": "signal", "benchmark": "sm", "k_factor": 1.0, "background": False}
        jobs = [{"job": part.name, "n_events": n_events // PARTS, **own} for part in parts if part.is_dir()]
        paths = [part for part in parts if part.is_dir()]
        learning.run("combine", "combine", {"jobs": jobs}, setup=setup, analysed=paths)

    def ingest() -> None:
        path = learning.events / "events.h5"  # type: ignore[operator]
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        benchmarks = json.loads((learning.path / "configure" / "configure" / "setup.json").read_text())["benchmarks"]
        ranges = {name: {"range": [-2.0, 2.0]} for name in ("c1", "c2")}
        own = {"parameters": ranges, "benchmarks": benchmarks, "observables": ["x1", "x2"]}
        learning.run("ingest", "ingest", {"sha256": digest, **own}, file=path)

    return {
        "combine": combine,
        "ingest": ingest,
        "sample sally": lambda: learning.sample("sally", **sizes),
        "sample alices": lambda: learning.sample("alices", **several),
        "rate": lambda: learning.baseline("rate"),
        "histogram": lambda: learning.baseline("histogram", **bins),
        "truth": lambda: learning.baseline("truth"),
        "fisher": lambda: learning.baseline("fisher", **fisher),
        "train sally": lambda: learning.train("sally", learning.out("sample", "sally"), **settings),
        "train alices": lambda: learning.train("alices", learning.out("sample", "alices"), **settings),
        "evaluate sally": lambda: learning.evaluate("sally", learning.out("train", "sally")),
        "evaluate alices": lambda: learning.evaluate("alices", learning.out("train", "alices")),
    }


def main() -> None:
    """Measure the steps, each number of events after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, nargs="+", default=SIZES)
    parser.add_argument("--steps", nargs="+", help="instead of all; each needs the output of those before")
    parser.add_argument("--folder", type=Path, help="where the events are kept for a second call")
    arguments = parser.parse_args()
    found: dict[str, Any] = {}
    for n_events in arguments.events:
        folder = (arguments.folder or Path(tempfile.mkdtemp(prefix="scaling-"))) / str(n_events)
        if not folder.exists():
            folder.mkdir(parents=True)
            analysed_parts(folder, n_events)
        learning = Measured(folder)
        found[str(n_events)] = {}
        for name, step in steps(learning, n_events).items():
            if arguments.steps and name not in arguments.steps:
                continue
            for stage in ("combine", "ingest", "sample", "train", "evaluate", "baselines"):
                last = name.rpartition(" ")[2]
                if name.startswith(stage) or (stage == "baselines" and " " not in name):
                    shutil.rmtree(learning.out(stage, last), ignore_errors=True)
            step()
            found[str(n_events)][name] = learning.figures.popitem()[1]
            print(n_events, name, found[str(n_events)][name], file=sys.stderr, flush=True)
        if arguments.folder is None:
            shutil.rmtree(folder.parent)
    print(
        json.dumps(
            {
                "numpy": np.__version__,
                "own_peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000,
                **found,
            }
        )
    )


if __name__ == "__main__":
    main()
