"""A fake step program, and bundles of hand-made plans on disk."""

import json
import os
import sys
from ast import literal_eval
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from mmc.compiler.plan.model import Plan
from mmc.compiler.targets import TARGETS, Options
from mmc.compiler.targets.bundle import write

from tests.compiler.targets.plans import FILE_CONTENT
from tests.pending import quick_mmc

PROGRAM = """#!{python} -IS
import os, sys, time

words = sys.argv[1:]
if words[0] == "pending":
    os.execv({mmc!r}, [{mmc!r}, *words])
if "--jobs" in words:  # that of mmc, in which this program is the running one
    os.execv({mmc!r}, [{mmc!r}, os.path.abspath(__file__), *words])
stage, job = words[1], words[words.index("--job") + 1]
out = words[words.index("--out") + 1]
if "MMC_RESUME" in os.environ and os.path.exists(os.path.join(out, "job.json")):
    sys.exit()
print("runs", stage, job, flush=True)
if f"{{stage}}/{{job}}" in os.environ.get("FAKE_FAIL", "").split():
    print("it went wrong", file=sys.stderr)
    sys.exit(3)
if f"{{stage}}/{{job}}" in os.environ.get("FAKE_ONCE", "").split() and os.environ.get("MMC_WAIT_S") != "10":
    print("no luck", file=sys.stderr)
    sys.exit(5)
if f"{{stage}}/{{job}}" in os.environ.get("FAKE_KILL", "").split():
    os.kill(os.getpid(), 9)
if "FAKE_STUBBORN" in os.environ:
    import signal
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("stays", flush=True)
time.sleep(float(os.environ.get("FAKE_SECONDS", "0")))

# json, pathlib and hashlib take twice as long to import as Python to start
def read(path):
    with open(path, encoding="utf-8") as file:
        return eval(file.read(), {{"null": None, "true": True, "false": False}})
def write(path, text):
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
try:
    from _sha256 import sha256
except ImportError:
    from hashlib import sha256

config = read(words[words.index("--config") + 1])
if "--file" in words:
    with open(words[words.index("--file") + 1], "rb") as file:
        assert file.read() == {content!r}
records = {{w: read(p) for w in words if os.path.isfile(p := os.path.join(w, "job.json"))}}
upstream = {{word: f"out/{{record['stage']}}/{{record['job']}}" for word, record in records.items()}}
part = os.path.join(os.path.dirname(out), "." + os.path.basename(out))
os.makedirs(part, exist_ok=True)  # a killed job leaves one
ran = os.path.join(part, "ran.txt")
write(ran, repr({{"words": ["mmc", *words], "upstream": upstream}}))
with open(ran, "rb") as file:
    digest = sha256(file.read()).hexdigest()
outputs = f'{{{{"ran.txt": {{{{"bytes": {{os.path.getsize(ran)}}, "sha256": "{{digest}}", "modified_ns": 0}}}}}}}}'
fingerprint = config["jobs"][job][2]
known = f'"stage": "{{stage}}", "job": "{{job}}", "fingerprint": "{{fingerprint}}", "seed": 1, "seconds": 0.0'
write(os.path.join(part, "job.json"), f'{{{{{{known}}, "mmc": "0", "outputs": {{outputs}}}}}}')
if os.path.exists(out):
    import shutil
    shutil.rmtree(out, ignore_errors=True)
os.rename(part, out)
"""


@dataclass(frozen=True)
class StepProgram:
    """The environment in which ``mmc`` is the fake step program."""

    environment: Mapping[str, str]

    def ran(self, folder: Path) -> dict[tuple[str, str], list[str]]:
        """The words that each job got; outputs of jobs are called ``out/STAGE/JOB`` there, files by their names."""
        runs = {}
        for file in folder.rglob("ran.txt"):
            if file.parent.name.startswith("."):  # the part of a job that was stopped
                continue
            record = json.loads((file.parent / "job.json").read_text())
            ran = literal_eval(file.read_text(encoding="utf-8", errors="surrogateescape"))
            words = [ran["upstream"].get(word, word) for word in ran["words"]]
            out = words.index("--out") + 1
            words[out] = f"out/{record['stage']}/{record['job']}"
            runs[record["stage"], record["job"]] = [
                word if word.startswith("out/") else word.rpartition("/")[2] for word in words
            ]
        return runs


@pytest.fixture
def step_program(tmp_path: Path) -> StepProgram:
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "mmc"
    program.write_text(PROGRAM.format(python=sys.executable, mmc=str(quick_mmc()), content=FILE_CONTENT))
    program.chmod(0o755)
    engines = Path(sys.executable).parent
    path = os.pathsep.join([str(folder), str(engines), os.environ["PATH"]])
    return StepProgram({**os.environ, "PATH": path, "PYTHONWARNINGS": "ignore"})


Place = Callable[[Plan, str, Path], Path]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Compile a plan for a target into a folder."""
    source = tmp_path / "event file"
    source.write_bytes(FILE_CONTENT)

    def into(plan: Plan, target: str, folder: Path) -> Path:
        bundle = TARGETS[target](plan, Options())
        write(bundle, folder, dict.fromkeys(bundle.copies, source))
        return folder

    return into
