"""Time and peak memory of the steps that read event files, for files of 10⁵, 10⁶ and 10⁷ events.

    python benchmarks/scaling.py [--events N …] [--steps STEP …] [--folder FOLDER] [--most SECONDS]
                                 [--parts N] [--parameters N] [--observables N] [--points N] [--samples SHARE]

The events are those of the toy of the tests: two parameters, six benchmarks, three observables, in ten files that are
combined. Every step is a new process with one thread. Training and validation samples are a tenth and a fortieth of the
events, drawn at the Standard Model; the grid has 9 × 9 points. Further observables are noise. Prints one JSON object:
for each number of events and each step the seconds by the clock, the seconds of processor time, and the peak of the
resident memory in MB; a step that takes more than ``--most`` seconds of processor time is stopped.
"""

import argparse
import hashlib
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from mmc.jobs.madminer.event_writer import copy_declarations

from tests.jobs.learning_jobs import Learning
from tests.jobs.toy_events import SIGMA, write_events

SIZES = (100_000, 1_000_000, 10_000_000)


class Measured(Learning):
    """Steps as processes of their own, measured."""

    def __init__(self, path: Path, most_s: int, parameters: int, points: int) -> None:
        names = [f"c{k + 1}" for k in range(parameters)]
        grid = {name: {"range": [-1.0, 1.0], "points": points} for name in names}
        super().__init__(path, path / "combine" / "combine", parameters, grid=grid)
        self.figures: dict[str, Any] = {}
        self.most_s = most_s

    def run(self, stage: str, job: str, settings: Mapping[str, Any], *, seed: int = 1, **inputs: Any) -> Path:
        words = self.arguments(stage, job, settings, inputs, seed)
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        command = f'ulimit -t {self.most_s}; exec "$@"'
        start = time.perf_counter()
        process = os.posix_spawn(
            "/bin/bash", ["bash", "-c", command, "bash", sys.executable, "-m", "mmc", "step", *words], environment
        )
        _, status, used = os.wait4(process, 0)
        seconds = time.perf_counter() - start
        stopped = os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL)
        if status and not stopped:
            sys.exit(f"{stage}[{job}] failed: see {self.out(stage, job)}.log")
        self.figures[job] = {
            **({"stopped": True} if stopped else {}),
            "seconds": round(seconds, 2),
            "cpu_seconds": round(used.ru_utime + used.ru_stime, 2),
            "peak_mb": round(used.ru_maxrss / 1e3),
        }
        return self.out(stage, job)


def analysed_parts(folder: Path, n_events: int, n_parts: int, n_parameters: int, n_observables: int) -> None:
    """A set-up, and outputs of ``analyse`` with these events."""
    for number in range(n_parts):
        part, n = folder / "analyse" / f"signal.sm.{number}", n_events // n_parts
        write_events(part, n_parameters, n_events=n, seed=number, ids=True)
        add_noise(part / "events.h5", n_observables, number)
        (part / "events.json").unlink()
        (part / "job.json").write_text(json.dumps({"stage": "analyse", "job": part.name}))
        record = {"sample": "signal", "benchmark": "sm", "background": False}
        record |= dict.fromkeys(("n_read", "n_generated", "size", "n_passed"), n)
        sigma = {"cross_section_pb": [SIGMA, SIGMA / 100], "integrated_pb": [SIGMA, SIGMA / 1e4]}
        (part / "analyse.json").write_text(json.dumps(record | sigma))
    setup = folder / "configure" / "configure"
    setup.mkdir(parents=True)
    copy_declarations(folder / "analyse" / "signal.sm.0" / "events.h5", setup / "setup.h5")
    with h5py.File(setup / "setup.h5", "r+") as file:
        del file["sample_summary"], file["observables"]
        points = file["benchmarks/values"][()].tolist()
        named = [name.decode() for name in file["benchmarks/names"][()]]
    names = [f"c{k + 1}" for k in range(n_parameters)]
    benchmarks = {name: dict(zip(names, point, strict=True)) for name, point in zip(named, points, strict=True)}
    (setup / "setup.json").write_text(json.dumps({"benchmarks": benchmarks}))
    (setup / "job.json").write_text(json.dumps({"stage": "configure", "job": "configure"}))


def add_noise(path: Path, n_observables: int, seed: int) -> None:
    """Add observables that know nothing of the parameters, so that there are so many in all."""
    with h5py.File(path, "r+") as file:
        x, names = file["samples/observations"][()], list(file["observables/names"][()])
        added = [f"noise{k}".encode() for k in range(n_observables - len(names))]
        if not added:
            return
        noise = np.random.default_rng(seed).standard_normal((len(x), len(added)))
        for name, values in (
            ("samples/observations", np.hstack([x, noise])),
            ("observables/names", np.array([*names, *added], dtype="S256")),
            ("observables/definitions", np.array([b"0.0"] * (len(names) + len(added)), dtype="S256")),
        ):
            del file[name]
            file[name] = values


def steps(learning: Measured, n_events: int, share: float) -> dict[str, tuple[str, str, Callable[[], Any]]]:
    """The steps by name, in their order: stage, job, and what runs it."""
    names = learning.shared["parameters"]
    sizes = {"samples": int(n_events * share), "validation_samples": int(n_events * share / 4)}
    prior = {"random": {"n": 50, "priors": {name: {"flat": [-1.0, 1.0]} for name in names}}}
    several = {"theta0": prior, "sample_only_from_closest_benchmark": False, **sizes}
    settings = {"n_epochs": 1, "batch_size": 1024}
    bins = {"observables": ["x1", "x2"], "bins": [10, 10]}
    whole = learning.path / "combine" / "combine"

    def combine() -> None:
        setup, parts = learning.path / "configure" / "configure", (learning.path / "analyse").glob("signal.*")
        own = {"sample": "signal", "benchmark": "sm", "k_factor": 1.0, "background": False}
        paths = sorted(part for part in parts if part.is_dir())
        jobs = [{"job": part.name, "n_events": n_events // len(paths), **own} for part in paths]
        learning.run("combine", "combine", {"jobs": jobs}, setup=setup, analysed=paths)

    def ingest() -> None:
        path = whole / "events.h5"
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        benchmarks = json.loads((learning.path / "configure" / "configure" / "setup.json").read_text())["benchmarks"]
        with h5py.File(path) as file:
            observables = [name.decode() for name in file["observables/names"][()]]
        ranges = {name: {"range": [-2.0, 2.0]} for name in names}
        own = {"parameters": ranges, "benchmarks": benchmarks, "observables": observables}
        learning.run("ingest", "ingest", {"sha256": digest, **own}, file=path)

    def in_two_groups(run: Callable[[str], Any]) -> list[Path]:
        """Run something for each of two groups with the same events; returns the groups."""
        groups = [learning.path / "groups" / name for name in ("first", "second")]
        for group in groups:
            if not group.exists():
                shutil.copytree(whole, group, copy_function=os.link)
                (group / "job.json").unlink()
                (group / "job.json").write_text(json.dumps({"stage": "combine", "job": group.name}))
            learning.events = group
            run(group.name)
        learning.events = whole
        return groups

    def two_rates() -> None:
        in_two_groups(lambda name: learning.baseline("rate", f"rate.{name}", group=name, combined=True))

    def combination() -> None:
        groups = in_two_groups(lambda name: None)
        made = [learning.out("baselines", f"rate.{group.name}") for group in groups]
        of = [{"stage": "baselines", "job": path.name, "group": path.name.partition(".")[2]} for path in made]
        settings = {**learning.evaluation, "combination": "both", "of": of, "independent": True}
        learning.run("combinations", "both.rate", settings, events=groups, baseline=made)

    def report() -> None:
        methods = [name for name in ("sally", "alices") if (learning.out("evaluate", name) / "job.json").exists()]
        baselines = [n for n in ("rate", "histogram", "truth", "fisher") if learning.out("baselines", n).exists()]
        inputs = {
            "model": [learning.out("train", name) for name in methods],
            "limits": [learning.out("evaluate", name) for name in methods],
            "baseline": [learning.out("baselines", name) for name in baselines],
        }
        learning.report(**inputs, events=[whole])

    def of_method(name: str, **samples: Any) -> dict[str, tuple[str, str, Callable[[], Any]]]:
        return {
            f"sample {name}": ("sample", name, lambda: learning.sample(name, **samples)),
            f"train {name}": (
                "train",
                name,
                lambda: learning.train(name, learning.out("sample", name), **settings),
            ),
            f"evaluate {name}": (
                "evaluate",
                name,
                lambda: learning.evaluate(name, learning.out("train", name)),
            ),
        }

    def baseline(name: str, **own: Any) -> tuple[str, str, Callable[[], Any]]:
        return "baselines", name, lambda: learning.baseline(name, **own)

    return {
        "combine": ("combine", "combine", combine),
        "ingest": ("ingest", "ingest", ingest),
        "rate": baseline("rate"),
        "histogram": baseline("histogram", **bins),
        "truth": baseline("truth"),
        "fisher": baseline("fisher", observable="x1", bins=20),
        **of_method("sally", **sizes),
        **of_method("alices", **several),
        "rates": ("baselines", "rate.first", two_rates),
        "combination": ("combinations", "both.rate", combination),
        "report": ("report", "report", report),
    }


def main() -> None:
    """Measure the steps, each number of events after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, nargs="+", default=SIZES)
    parser.add_argument("--steps", nargs="+", help="instead of all; each needs the output of those before")
    parser.add_argument("--folder", type=Path, help="where the events are kept for a second call")
    parser.add_argument("--most", type=int, default=3600, help="the processor time of a step in seconds")
    parser.add_argument("--parts", type=int, default=10, help="the files that are combined")
    parser.add_argument("--parameters", type=int, default=2)
    parser.add_argument("--observables", type=int, default=3)
    parser.add_argument("--points", type=int, default=9, help="of the grid, for each parameter")
    parser.add_argument("--samples", type=float, default=0.1, help="training samples, as a part of the events")
    arguments = parser.parse_args()
    found: dict[str, Any] = {}
    for n_events in arguments.events:
        folder = (arguments.folder or Path(tempfile.mkdtemp(prefix="scaling-"))) / str(n_events)
        if not folder.exists():
            folder.mkdir(parents=True)
            analysed_parts(folder, n_events, arguments.parts, arguments.parameters, arguments.observables)
        learning = Measured(folder, arguments.most, arguments.parameters, arguments.points)
        found[str(n_events)] = {}
        for name, (stage, job, step) in steps(learning, n_events, arguments.samples).items():
            if arguments.steps and name not in arguments.steps:
                continue
            shutil.rmtree(learning.out(stage, job), ignore_errors=True)
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
