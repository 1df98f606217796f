"""What `kill -9` does to a study: nothing may be lost, done twice or damaged.

    python benchmarks/kills.py [--kills N] [--seed N] [--on local|slurm|hyperqueue]

Runs a small study of real jobs with `mmc run`, kills a random process at a random time, and starts the same command
again, until N processes have been killed; whenever the study is finished, it starts from nothing. The target is in turn
`mmc run`, its `run.sh` (with `--on`: what stands in its place), a job, or all of them at once. A Slurm of one node is
started for this. Prints one JSON object:

- lost: jobs that were finished before a kill and are not afterwards
- doubled: jobs that ran again although they were finished, or in two processes at a time
- damaged: outputs that differ from those of a run that nobody disturbed
- left: files of killed jobs, and locks, that are still there when the study is finished
- other: runs that failed for another reason than a kill
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from itertools import cycle
from pathlib import Path
from typing import Any

from compiler import MMC

STUDY = """\
mmc: "1.0"
name: kills
title: A study of few, quick jobs
seed: 3
parameters:
  c_LL: {coefficient: LL, range: [-0.06, 0.06]}
benchmarks:
  sm: {c_LL: 0}
  plus: {c_LL: 0.05}
  minus: {c_LL: -0.05}
morphing: {max_overall_power: 2}
generation:
  generator: pythia8
  beams: {energy: 6500 GeV}
  samples:
    signal: {process: dimuon, events: 200, events_per_job: 200, run_card: {m_min: 470 GeV}}
observables:
  m_ll: {definition: "(mu[0] + mu[1]).m", required: true}
methods:
  sally:
    theta: {benchmark: sm}
    samples: 200
    training: {n_hidden: [5], n_epochs: 1, batch_size: 64, initial_lr: 0.002}
evaluation:
  luminosity: 36 fb^-1
  theta_true: {benchmark: sm}
  grid: {c_LL: {points: 5}}
  baselines: {rate: true}
plots: {formats: [svg]}
"""
TARGETS = ("mmc run", "run.sh", "job", "all")
LONGEST_S = 8.0
"""The longest time between the start of a run and a kill."""

Job = tuple[str, str]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--on", choices=("local", "slurm", "hyperqueue"), default="local")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="mmc-kills-"))
    (folder / "study.yaml").write_text(STUDY, encoding="utf-8")
    started = time.monotonic()
    subprocess.run(_command(folder, "undisturbed", "local"), check=True, stdout=subprocess.DEVNULL)
    attack = Attack(folder, arguments.on, digests(folder / "undisturbed"), random.Random(arguments.seed))
    with _slurm() if arguments.on == "slurm" else nullcontext():
        found = attack.go(arguments.kills)
    shutil.rmtree(folder)
    print(json.dumps(found | {"seconds": round(time.monotonic() - started)}))


class Attack:
    """The runs of the study, and what was found wrong."""

    def __init__(self, folder: Path, on: str, expected: dict[Job, dict[str, str]], draw: random.Random) -> None:
        self.folder = folder
        self.on = on
        self.out = folder / "run" / "out"
        self.expected = expected
        self.draw = draw
        self.kills: Counter[str] = Counter()
        self.job_killed = False
        self.wrong: dict[str, list[str]] = {name: [] for name in ("lost", "doubled", "damaged", "left", "other")}
        self.finished_runs = 0

    def go(self, kills: int) -> dict[str, Any]:
        """Kill so many processes, then let the study finish."""
        before: dict[Job, int] = {}
        disturbed, targets = True, cycle(TARGETS)
        while disturbed or before:
            disturbed = sum(self.kills.values()) < kills
            target = next(targets)
            self._run(target if disturbed else None)
            now = finished(self.out)
            self.wrong["lost"] += [str(job) for job in before.keys() - now.keys()]
            self.wrong["doubled"] += [str(job) for job in before.keys() & now.keys() if before[job] != now[job]]
            before = now
            sys.stderr.write(
                f"\r{sum(self.kills.values())} killed, {self.finished_runs} runs, wrong: {self._counts()} "
            )
            if len(now) == len(self.expected) and not processes_of(self.folder):
                self._check_outputs()
                shutil.rmtree(self.folder / "run")
                before = {}
        examples = [f"{name}: {text}" for name, found in self.wrong.items() for text in found[:3]]
        return {"kills": dict(self.kills), "finished_runs": self.finished_runs, **self._counts(), "examples": examples}

    def _counts(self) -> dict[str, int]:
        return {name: len(found) for name, found in self.wrong.items()}

    def _run(self, target: str | None) -> None:
        """Run the study, and kill the target at a random time if there is one."""
        was_killed = self.job_killed  # a job that died when nobody watched is told by the next run
        with (self.folder / "said").open("w+", encoding="utf-8") as said:
            process = subprocess.Popen(_command(self.folder, "run", self.on), stdout=subprocess.DEVNULL, stderr=said)
            deadline = time.monotonic() + (self.draw.uniform(0.0, LONGEST_S) if target else float("inf"))
            while process.poll() is None and time.monotonic() < deadline:
                self._look_for_twins()
                time.sleep(0.05)
            killed = target is not None and process.poll() is None and self._kill(target, process.pid)
            process.wait()
            said.seek(0)
            text = said.read().strip()
        self.job_killed = target in {"job", "all"} and killed
        if process.returncode == 0 or killed or was_killed or " is in use by " in text:
            return
        self.wrong["other"].append(text)

    def _kill(self, target: str, run: int) -> bool:
        """Kill a process of the run; whether there was one."""
        script = children(run)
        jobs = processes_of(self.folder, b"step")
        one = self.draw.sample(jobs, min(1, len(jobs)))
        chosen = {"mmc run": [run], "run.sh": script, "job": one, "all": [run, *script, *jobs]}[target]
        for process in self.draw.sample(chosen, len(chosen)):
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
            self.kills[target] += 1
        return bool(chosen)

    def _look_for_twins(self) -> None:
        """Two processes that run the same job, apart from what a job has forked and not yet replaced by a program."""
        found = processes_of(self.folder, b"step")
        forked = {child for process in found for child in children(process)}
        jobs = Counter(tuple(words(process)[-1:]) for process in found if process not in forked)
        self.wrong["doubled"] += [f"{job} at the same time" for job, count in jobs.items() if count > 1]

    def _check_outputs(self) -> None:
        self.finished_runs += 1
        for job, files in digests(self.folder / "run").items():
            names = {name for name, _ in files.items() ^ self.expected[job].items()}
            self.wrong["damaged"] += [f"{job}: {name}" for name in sorted(names)]
        hidden = [path for path in self.out.rglob(".*") if path.name.endswith((".part", ".old", ".kept", ".lock"))]
        self.wrong["left"] += [str(path.relative_to(self.folder)) for path in hidden]


def _command(folder: Path, name: str, on: str) -> list[str]:
    cores = [] if on == "slurm" else ["--jobs", "2"]
    return [MMC, "run", str(folder / "study.yaml"), "--out", str(folder / name), "--on", on, *cores]


@contextmanager
def _slurm() -> Iterator[None]:
    sys.path.insert(0, str(Path(__file__).parent.parent))
    from tests.slurm import cluster

    with cluster() as variables:
        os.environ.update(variables)
        yield


def finished(out: Path) -> dict[Job, int]:
    """The finished jobs with the times of their records."""
    return {(path.parts[-3], path.parts[-2]): path.stat().st_mtime_ns for path in out.glob("*/*/job.json")}


def digests(run: Path) -> dict[Job, dict[str, str]]:
    """The digests of the files of all outputs, without the records, which hold times."""
    found: dict[Job, dict[str, str]] = {}
    for record in run.glob("out/*/*/job.json"):
        files = [path for path in record.parent.rglob("*") if path.is_file() and path != record]
        names = {str(path.relative_to(record.parent)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
        found[record.parts[-3], record.parts[-2]] = names
    return found


def children(process: int) -> list[int]:
    """The child processes of a process (Linux)."""
    try:
        return [int(text) for text in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except OSError:
        return []


def words(process: int) -> list[bytes]:
    """The command line of a process."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")[:-1]
    except OSError:
        return []


def processes_of(folder: Path, word: bytes | None = None) -> list[int]:
    """The living processes whose command lines name a folder or that work in it, and have a certain word."""
    place = os.fsencode(folder)
    every = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    found = [(process, words(process)) for process in every if process != os.getpid()]
    return [
        p
        for p, line in found
        if (any(place in part for part in line) or place in _working_in(p)) and (word is None or word in line)
    ]


def _working_in(process: int) -> bytes:
    """The working directory of a process."""
    try:
        return os.fsencode(Path(f"/proc/{process}/cwd").readlink())
    except OSError:
        return b""


if __name__ == "__main__":
    main()
