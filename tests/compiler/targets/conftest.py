"""A fake step program, and bundles of hand-made plans on disk."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from mmc.compiler.plan.model import Plan
from mmc.compiler.targets import TARGETS, Options
from mmc.compiler.targets.bundle import write

from tests.compiler.targets.plans import FILE_CONTENT

PROGRAM = """#!{python} -IS
import hashlib, json, os, pathlib, shutil, signal, sys, time

words = sys.argv[1:]
if words[0] == "pending":
    os.execv(sys.executable, [sys.executable, "-m", "mmc", *words])
stage, job = words[1], words[words.index("--job") + 1]
out = pathlib.Path(words[words.index("--out") + 1])
print("runs", stage, job, flush=True)
if f"{{stage}}/{{job}}" in os.environ.get("FAKE_FAIL", "").split():
    print("it went wrong", file=sys.stderr)
    sys.exit(3)
if f"{{stage}}/{{job}}" in os.environ.get("FAKE_KILL", "").split():
    os.kill(os.getpid(), signal.SIGKILL)
if "FAKE_STUBBORN" in os.environ:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("stays", flush=True)
time.sleep(float(os.environ.get("FAKE_SECONDS", "0")))
config = json.loads(pathlib.Path(words[words.index("--config") + 1]).read_text(encoding="utf-8"))
if "--file" in words:
    assert pathlib.Path(words[words.index("--file") + 1]).read_bytes() == {content!r}
records = {{w: json.loads(p.read_text()) for w in words if (p := pathlib.Path(w) / "job.json").is_file()}}
upstream = {{word: f"out/{{record['stage']}}/{{record['job']}}" for word, record in records.items()}}
part = out.with_name("." + out.name)
part.mkdir(exist_ok=True)  # a killed job leaves one
ran = json.dumps({{"words": ["mmc", *words], "upstream": upstream}}).encode()
(part / "ran.json").write_bytes(ran)
output = {{"bytes": len(ran), "sha256": hashlib.sha256(ran).hexdigest(), "modified_ns": 0}}
record = {{"stage": stage, "job": job, "fingerprint": config["jobs"][job]["fingerprint"]}}
record |= {{"seed": 1, "seconds": 0.0, "mmc": "0", "outputs": {{"ran.json": output}}}}
(part / "job.json").write_text(json.dumps(record))
shutil.rmtree(out, ignore_errors=True)
part.rename(out)
"""


@dataclass(frozen=True)
class StepProgram:
    """The environment in which ``mmc`` is the fake step program."""

    environment: Mapping[str, str]

    def ran(self, folder: Path) -> dict[tuple[str, str], list[str]]:
        """The words that each job got; outputs of jobs are called ``out/STAGE/JOB`` there, files by their names."""
        runs = {}
        for file in folder.rglob("ran.json"):
            record = json.loads((file.parent / "job.json").read_text())
            ran = json.loads(file.read_text())
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
    program.write_text(PROGRAM.format(python=sys.executable, content=FILE_CONTENT))
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
