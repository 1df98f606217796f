"""What `kill -9` does to a study: nothing may be lost, done twice or damaged.

    python benchmarks/kills.py [--kills N] [--seed N] [--on local|slurm|hyperqueue|snakemake|toil|cwl|yadage]

Runs a small study of real jobs, kills a random process at a random time, and goes on as the engine's page says, until
N times something has been killed; whenever the study is finished, it starts from nothing. `local`, `slurm` and
`hyperqueue` are `mmc run --on`, the others are engines that run a bundle. The target is in turn the program that was
started, its children (`run.sh` of `mmc run`), a job, or all of them at once. A Slurm of one node is started for this;
`MMC_SNAKEMAKE` and `MMC_TOIL` name these programs. Prints one JSON object:

- lost: jobs that were finished before a kill and are not afterwards
- doubled: jobs that ran again although they were finished, or in two processes at a time in the same folder
- damaged: outputs that differ from those of a run that nobody disturbed
- left: files of killed jobs, locks and processes that are still there when the study is finished
- other: runs that failed for another reason than a kill
- stuck: runs of an engine that waited for a killed process for ever, and were killed in the end
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
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
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
    signal: {process: dimuon, events: {sm: 200, plus: 200}, run_card: {m_min: 470 GeV}}
observables:
  m_ll: {definition: "(mu[0] + mu[1]).m", required: true}
evaluation:
  luminosity: 36 fb^-1
  theta_true: {benchmark: sm}
  grid: {c_LL: {points: 5}}
  baselines: {rate: true}
plots: {formats: [svg]}
"""
TRAINING = """\
methods:
  sally:
    theta: {benchmark: sm}
    samples: 200
    training: {n_hidden: [5], n_epochs: 1, batch_size: 64, initial_lr: 0.002}
"""
"""Of `local` alone: imports of torch take most of the time of such a small study."""
TARGETS = ("runner", "children", "job", "all")
PATIENCE_S = 20.0
"""The time in which all processes of a finished run must have ended."""
STUCK_S = 60.0
"""The time after which an engine is stuck that runs no job and finishes none."""

Job = tuple[str, str]


@dataclass(frozen=True)
class Engine:
    """An engine that runs a bundle in its folder, and goes on there after a kill."""

    target: str
    command: str
    """For bash, which it replaces by the engine; the first time and after each kill."""
    results: str
    longest_s: float
    """The longest time between the start of a run and a kill."""


CWL = "--no-container --preserve-entire-environment"
ENGINES = {
    "snakemake": Engine(
        "snakemake",
        "$MMC_SNAKEMAKE --unlock --cores 2 -q; exec $MMC_SNAKEMAKE --cores 2 --rerun-incomplete",
        "out",
        20.0,
    ),
    "toil": Engine(
        "cwl",
        "export PATH=$PATH:${MMC_TOIL%/*}; exec $MMC_TOIL $([[ -d store ]] && echo --restart) --retryCount 0 "
        f"--logLevel ERROR {CWL} --jobStore store --outdir results workflow.cwl job.yml",
        "results",
        60.0,
    ),
    "cwl": Engine(
        "cwl",
        f"rm -rf results; exec cwltool --parallel {CWL} --cachedir cache --outdir results workflow.cwl job.yml",
        "results",
        15.0,
    ),
    "yadage": Engine(
        "yadage",
        'exec yadage-run work workflow.yml inputs.yml -t . -d initdir="$PWD" -b multiproc:2 --updateinterval 0.2 '
        "--accept-metadir",
        "work",
        30.0,
    ),
}
RUN_ON = {"local": 8.0, "slurm": 8.0, "hyperqueue": 8.0}
"""The longest time between the start of `mmc run --on` and a kill."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--on", choices=[*RUN_ON, *ENGINES], default="local")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="mmc-kills-"))
    (folder / "study.yaml").write_text(STUDY + TRAINING * (arguments.on == "local"), encoding="utf-8")
    started = time.monotonic()
    subprocess.run(_run_on(folder, "undisturbed", "local"), check=True, stdout=subprocess.DEVNULL)
    attack = Attack(folder, arguments.on, digests(folder / "undisturbed" / "out"), random.Random(arguments.seed))
    with _slurm() if arguments.on == "slurm" else nullcontext():
        found = attack.go(arguments.kills)
    shutil.rmtree(folder)
    print(json.dumps(found | {"seconds": round(time.monotonic() - started)}))


class Attack:
    """The runs of the study, and what was found wrong."""

    def __init__(self, folder: Path, on: str, expected: dict[Job, dict[str, str]], draw: random.Random) -> None:
        self.folder = folder
        self.on = on
        self.place = folder / "run"
        self.engine = ENGINES.get(on)
        self.longest_s = RUN_ON[on] if self.engine is None else self.engine.longest_s
        self.results = self.place / ("out" if self.engine is None else self.engine.results)
        self.expected = expected
        self.draw = draw
        self.kills: Counter[str] = Counter()
        self.job_killed = False
        names = ("lost", "doubled", "damaged", "left", "other", "stuck")
        self.wrong: dict[str, list[str]] = {name: [] for name in names}
        self.finished_runs = 0

    def go(self, kills: int) -> dict[str, Any]:
        """Kill so many times, then let the study finish."""
        before: dict[Job, set[str]] = {}
        attacks, targets, complete = 0, cycle(TARGETS), False
        while attacks < kills or not complete:
            if complete or not self.place.exists():
                shutil.rmtree(self.place, ignore_errors=True)
                before = {}
                if self.engine is not None:
                    words = ["compile", str(self.folder / "study.yaml"), "--target", self.engine.target]
                    subprocess.run([MMC, *words, "--out", str(self.place)], check=True, stdout=subprocess.DEVNULL)
            killed, complete = self._run(next(targets) if attacks < kills else None)
            attacks += killed
            now = finished(self.place)
            if not (complete and self.engine):  # Toil removes its store; what is left are the results, see below
                self.wrong["lost"] += [str(job) for job in before.keys() - now.keys()]
            self.wrong["doubled"] += [str(job) for job in before.keys() & now.keys() if now[job] - before[job]]
            before = now
            sys.stderr.write(f"\r{dict(self.kills)} killed, {self.finished_runs} runs, wrong: {self._counts()} ")
            if complete:
                self._check_outputs()
        examples = [f"{name}: {text}" for name, found in self.wrong.items() for text in found[:3]]
        counts = {"attacks": attacks, "kills": dict(self.kills), "finished_runs": self.finished_runs}
        return {**counts, **self._counts(), "examples": examples}

    def _counts(self) -> dict[str, int]:
        return {name: len(found) for name, found in self.wrong.items()}

    def _run(self, target: str | None) -> tuple[bool, bool]:
        """Run the study, and kill the target at a random time if there is one.

        :returns: whether something was killed, and whether the study is finished
        """
        was_killed = self.job_killed  # a job that died when nobody watched is told by the next run
        words = _run_on(self.folder, "run", self.on) if self.engine is None else ["bash", "-c", self.engine.command]
        place = self.folder if self.engine is None else self.place
        with (self.folder / "said").open("w+", encoding="utf-8", errors="replace") as said:
            process = subprocess.Popen(words, cwd=place, env=_environment(), stdout=said, stderr=subprocess.STDOUT)
            deadline = time.monotonic() + (self.draw.uniform(0.0, self.longest_s) if target else float("inf"))
            while process.poll() is None and time.monotonic() < deadline:
                self._look_for_twins()
                time.sleep(0.05)
            while target == "job" and process.poll() is None and not self._jobs(process.pid):
                time.sleep(0.02)
            killed = target is not None and process.poll() is None and self._kill(target, process.pid)
            self._wait(process, target)
            said.seek(0)
            text = said.read().strip()
        self.job_killed = target in {"children", "job", "all"} and killed
        if process.returncode != 0 and not (killed or was_killed or " is in use by " in text):
            self.wrong["other"].append(text[-500:])
        return killed, process.returncode == 0

    def _wait(self, process: subprocess.Popen[bytes], target: str | None) -> None:
        """Wait for the end of a run; kill one that waits for ever for a process that was killed."""
        seen, last = -1, time.monotonic()
        while process.poll() is None:
            done = len(finished(self.place))
            if self.engine is None or done != seen or processes_of(self.place, b"step"):
                seen, last = done, time.monotonic()
            elif time.monotonic() - last > STUCK_S:
                self.wrong["stuck"].append(f"after a kill of {target}")
                for one in {process.pid, *descendants(process.pid)}:
                    with suppress(ProcessLookupError):
                        os.kill(one, signal.SIGKILL)
                last = time.monotonic()
            with suppress(subprocess.TimeoutExpired):
                process.wait(1.0)

    def _kill(self, target: str, run: int) -> bool:
        """Kill a process of the run; whether there was one."""
        everyone, jobs = self._everyone(run), self._jobs(run)
        one = self.draw.sample(jobs, min(1, len(jobs)))
        chosen = {"runner": [run], "children": children(run), "job": one, "all": everyone}[target]
        for process in self.draw.sample(chosen, len(chosen)):
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
            self.kills[target] += 1
        return bool(chosen)

    def _everyone(self, run: int) -> list[int]:
        return list({run, *descendants(run), *processes_of(self.folder)})

    def _jobs(self, run: int) -> list[int]:
        return [process for process in self._everyone(run) if b"step" in words(process)]

    def _look_for_twins(self) -> None:
        """Two processes that run the same job, apart from what a job has forked and not yet replaced by a program."""
        found = processes_of(self.folder, b"step")
        forked = {child for process in found for child in children(process)}
        last = ((process, words(process)[-1:]) for process in found if process not in forked)
        jobs = Counter((_working_in(process), *word) for process, word in last if word)  # others have ended meanwhile
        self.wrong["doubled"] += [f"{job} at the same time" for job, count in jobs.items() if count > 1]

    def _check_outputs(self) -> None:
        self.finished_runs += 1
        for job, files in digests(self.results).items():
            names = {name for name, _ in files.items() ^ self.expected[job].items()}
            self.wrong["damaged"] += [f"{job}: {name}" for name in sorted(names)]
        hidden = [path for path in self.results.rglob(".*") if path.name.endswith((".part", ".old", ".kept", ".lock"))]
        self.wrong["left"] += [str(path.relative_to(self.folder)) for path in hidden]
        deadline = time.monotonic() + PATIENCE_S
        while (living := processes_of(self.place)) and time.monotonic() < deadline:
            time.sleep(0.1)
        self.wrong["left"] += [b" ".join(words(process)).decode(errors="replace") for process in living]


def _environment() -> dict[str, str]:
    """Of engines, which have to find `mmc`."""
    return os.environ | {"PATH": os.pathsep.join([str(Path(MMC).parent), os.environ["PATH"]])}


def _run_on(folder: Path, name: str, on: str) -> list[str]:
    cores = [] if on == "slurm" else ["--jobs", "2"]
    return [MMC, "run", str(folder / "study.yaml"), "--out", str(folder / name), "--on", on, *cores]


@contextmanager
def _slurm() -> Iterator[None]:
    sys.path.insert(0, str(Path(__file__).parent.parent))
    from tests.slurm import cluster

    with cluster() as variables:
        os.environ.update(variables)
        yield


def records(place: Path) -> Iterator[tuple[Job, Path]]:
    """The records of finished jobs in a folder, as often as they are there."""
    for path in place.rglob("job.json"):
        if any(name.startswith(".") for name in path.relative_to(place).parts):
            continue  # the part of a job that is running
        try:
            record = json.loads(path.read_bytes())
            yield (record["stage"], record["job"]), path
        except (OSError, ValueError):
            continue  # it is being moved


def finished(place: Path) -> dict[Job, set[str]]:
    """The finished jobs with the digests of their records, which hold times: another one is another run of the job."""
    found: dict[Job, set[str]] = {}
    for job, path in records(place):
        with suppress(OSError):
            found.setdefault(job, set()).add(hashlib.sha256(path.read_bytes()).hexdigest())
    return found


def digests(place: Path) -> dict[Job, dict[str, str]]:
    """The digests of the files of all outputs, without the records, which hold times."""
    found: dict[Job, dict[str, str]] = {}
    for job, record in records(place):
        files = [path for path in record.parent.rglob("*") if path.is_file() and path != record]
        found[job] = {
            str(path.relative_to(record.parent)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
        }
    return found


def children(process: int) -> list[int]:
    """The child processes of a process and all its threads (Linux)."""
    found: list[int] = []
    for path in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):
            found += map(int, path.read_text().split())
    return found


def descendants(process: int) -> Iterator[int]:
    """The children of a process, their children and so on."""
    for child in children(process):
        yield child
        yield from descendants(child)


def words(process: int) -> list[bytes]:
    """The command line of a process."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")[:-1]
    except OSError:
        return []


def processes_of(folder: Path, word: bytes | None = None) -> list[int]:
    """The living processes whose command lines name a folder or that work in it, and have a certain word."""
    place = os.fsencode(folder)
    every = [int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit()]
    found = [(process, words(process)) for process in every if process != os.getpid()]
    return [
        p
        for p, line in found
        if (word is None or word in line) and (any(place in part for part in line) or place in _working_in(p))
    ]


def _working_in(process: int) -> bytes:
    """The working directory of a process."""
    try:
        return os.fsencode(Path(f"/proc/{process}/cwd").readlink())
    except OSError:
        return b""


if __name__ == "__main__":
    main()
