"""A fake step program, and bundles of hand-made plans on disk."""

import json
import os
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from mmc.compiler.plan.model import Plan
from mmc.compiler.targets import TARGETS, Options
from mmc.compiler.targets.bundle import write

from tests.compiler.targets.plans import FILE_CONTENT
from tests.pending import quick_mmc

FIRST = '  echo "runs $stage $job"'
"""What a job does first."""
PROGRAM = """#!/bin/sh
# A shell starts in a tenth of the time of Python.
here={here}
if [ "$1" = pending ]; then
  exec {mmc} "$@"
fi
stage=$2 job='' config='' out='' file='' option=''
for word; do
  case $option in
    --job) job=$word ;;
    --config) config=$word ;;
    --file) file=$word ;;
    --out) out=$word ;;
  esac
  option=$word
  if [ "$word" = --jobs ]; then  # that of mmc, in which this program is the running one
    exec {mmc} "$here" "$@"
  fi
done
if [ -n "${{MMC_RESUME+given}}" ] && [ -e "$out/job.json" ]; then
  exit 0
fi
if [ -z "$FAKE_AWAKE" ]; then
{first}
  case " $FAKE_FAIL " in *" $stage/$job "*)
    echo "it went wrong" >&2
    exit 3
  esac
  case " $FAKE_ONCE " in *" $stage/$job "*)
    if [ "$MMC_WAIT_S" != 10 ]; then
      echo "no luck" >&2
      exit 5
    fi
  esac
  case " $FAKE_KILL " in *" $stage/$job "*) kill -9 $$ ;; esac
  if [ -n "$FAKE_STUBBORN" ]; then
    trap "" TERM
    echo stays
  fi
  case ${{FAKE_SECONDS:-0}} in 0) ;; *)  # in this process, which a signal is to end
    FAKE_AWAKE=yes exec {python} -ISc "import os, sys, time
time.sleep(float(os.environ['FAKE_SECONDS']))
os.execv('/bin/sh', ['sh', *sys.argv[1:]])" "$here" "$@"
  esac
fi
if [ -n "$file" ]; then  # one line, which ends
  {{ IFS= read -r line && ! IFS= read -r rest && [ -z "$rest" ]; }} <"$file" && [ "$line" = {content} ] || exit 9
fi
fingerprint=''
while read -r line; do
  case $line in "\\"$job\\": ["*)
    line=${{line%\\"*}} fingerprint=${{line##*\\"}}
  esac
done <"$config"
[ -n "$fingerprint" ] || exit 8
part=${{out%"${{out##*/}}"}}.${{out##*/}}
mkdir -p "$part"  # a killed job leaves one
LC_ALL=C bytes=0  # lengths are bytes
put() {{
  printf '%s\\0' "$1"
  bytes=$((bytes + ${{#1}} + 1))
}}
{{
  put $(($# + 1))
  put mmc
  for word; do put "$word"; done
  for word; do
    if [ -f "$word/job.json" ]; then
      IFS='"' read -r _ _ _ of _ _ _ made _ <"$word/job.json"
      put "$word"
      put "out/$of/$made"
    fi
  done
}} >"$part/ran.txt"
digest=$(sha256sum <"$part/ran.txt")
printf '{{"stage": "%s", "job": "%s", "fingerprint": "%s", "seed": 1, "seconds": 0.0, "mmc": "0",
"outputs": {{"ran.txt": {{"bytes": %d, "sha256": "%s", "modified_ns": 0}}}}}}\\n' \\
  "$stage" "$job" "$fingerprint" "$bytes" "${{digest%% *}}" >"$part/job.json"
if [ -e "$out" ]; then
  rm -rf "$out"
fi
mv "$part" "$out"
"""
"""What it is told is in variables ``FAKE_…``; what it was run with, and what each folder of another job was, in
``ran.txt``: texts that a zero ends, the number of words first."""


@dataclass(frozen=True)
class StepProgram:
    """The environment in which ``mmc`` is the fake step program."""

    environment: Mapping[str, str]
    file: Path

    def first(self, does: str) -> None:
        """Let each job do this before it says that it runs: lines for a shell, which knows ``$stage`` and ``$job``."""
        self.file.write_text(self.file.read_text().replace(FIRST, f"{does}\n{FIRST}"))

    def ran(self, folder: Path) -> dict[tuple[str, str], list[str]]:
        """The words that each job got; outputs of jobs are called ``out/STAGE/JOB`` there, files by their names."""
        runs = {}
        for file in folder.rglob("ran.txt"):
            if file.parent.name.startswith("."):  # the part of a job that was stopped
                continue
            record = json.loads((file.parent / "job.json").read_text())
            number, *texts = file.read_text(encoding="utf-8", errors="surrogateescape").split("\0")[:-1]
            words, others = texts[: int(number)], texts[int(number) :]
            upstream = dict(zip(others[::2], others[1::2], strict=True))
            words = [upstream.get(word, word) for word in words]
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
    places = {"here": str(program), "mmc": str(quick_mmc()), "python": sys.executable}
    texts = {**places, "content": FILE_CONTENT.decode().removesuffix("\n")}
    program.write_text(PROGRAM.format(first=FIRST, **{name: shlex.quote(text) for name, text in texts.items()}))
    program.chmod(0o755)
    engines = Path(sys.executable).parent
    path = os.pathsep.join([str(folder), str(engines), os.environ["PATH"]])
    return StepProgram({**os.environ, "PATH": path, "PYTHONWARNINGS": "ignore"}, program)


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
