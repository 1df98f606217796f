"""Run MadGraph, which asks questions, exits with 0 when it fails, and calls the first f2py that it finds."""

import os
import re
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from mmc.compiler.inputs.installations import Installation
from mmc.errors import StepError
from mmc.jobs.generators import program

PROGRAM = "mg5_aMC"
PROCESS = "process"
"""The folder of a process, beside the command files."""

_INTERRUPTED = re.compile(r"interrupted (?:with error|in sub-command)|^Error detected in ")
_SUBCOMMAND = re.compile(r'^"(.*)" with error')
_REASON = re.compile(r"^\w+ : (.*)$")
_TELLING = re.compile(r"\b(?:error|failed|fails?|cannot|can not|not installed|impossible)\b", re.IGNORECASE)
_ZERO = "zero cross section"
_HARMLESS = re.compile(r"does not seem to correspond|Error \d+ \(ignored\)")
"""What MadGraph prints at every start, about programs that it can do without."""


def run(madgraph: Installation, folder: Path, commands: Iterable[str], limit_s: float) -> tuple[str, ...]:
    """Let MadGraph carry out commands; what it prints.

    It says 0 whether or not it could: :func:`complaint` finds out, and who calls looks for what should be there.

    :param folder: of the job's own; MadGraph leaves files beside what it is told to write
    :raises StepError: when it crashes or takes longer than the limit
    """
    script = folder / "commands.mg5"
    script.write_text("".join(f"{command}\n" for command in commands), encoding="utf-8")
    words: list[str | Path] = [sys.executable, madgraph.programs[PROGRAM], script.name]
    finished = program.run(words, folder, environment(madgraph, folder), limit_s)
    if finished.code != 0:
        raise StepError(
            f"MadGraph ended with code {finished.code}: {complaint(finished.lines) or 'the log has what it said'}"
        )
    return finished.lines


def complaint(lines: Sequence[str]) -> str | None:
    """Why MadGraph gave up, with the command that it could not carry out; None when it did not say that it had.

    >>> complaint(['Command "import x.mg5" interrupted in sub-command:',
    ...            '"generate p p > foo" with error:', 'InvalidCmd : No particle foo in model'])
    '`generate p p > foo`: No particle foo in model'
    """
    for start, line in enumerate(lines):
        if not _INTERRUPTED.search(line):
            continue
        after = lines[start : start + 8]
        command = next((found[1] for text in after if (found := _SUBCOMMAND.match(text))), None)
        reason = next((found[1] for text in after if (found := _REASON.match(text))), line)
        return reason if command is None else f"`{command}`: {reason}"
    return None


def hint(lines: Sequence[str]) -> str:
    """What is known of a failure, as the end of a sentence: for one that MadGraph does not notice, the last line that
    tells of an error."""
    if any(_ZERO in line for line in lines):
        return ": the cross section is zero; are the cuts of the run card too strong, or a width in the param card 0?"
    said = complaint(lines) or next(
        (line for line in reversed(lines) if _TELLING.search(line) and not _HARMLESS.search(line)), None
    )
    return f": {said}" if said else "; the log has what it said"


def n_cores() -> int:
    """How many processes the job may run at once: the number of threads that the runner gives numerical libraries."""
    return max(1, int(os.environ.get("OMP_NUM_THREADS", "1")))


def environment(madgraph: Installation, folder: Path) -> dict[str, str]:
    """The variables of MadGraph: those that its children need to be compiled for this Python, and to be the same each
    time. f2py and ``python3`` are those of this Python, wherever the search path leads."""
    tools = folder / "tools"
    tools.mkdir(exist_ok=True)
    python = shlex.quote(sys.executable)
    for name, call in (
        (f"f2py{sys.version_info.major}.{sys.version_info.minor}", f"{python} -m numpy.f2py"),
        ("python3", python),
    ):
        tool = tools / name
        tool.write_text(f'#!/bin/sh\nexec {call} "$@"\n', encoding="utf-8")
        tool.chmod(0o755)
    inherited = madgraph.environment()
    return {
        **inherited,
        "PATH": os.pathsep.join([str(tools), inherited.get("PATH", os.defpath)]),
        "SETUPTOOLS_USE_DISTUTILS": "stdlib",  # numpy's f2py does not get on with that of setuptools
        "PYTHONHASHSEED": "0",  # the order of the terms of matrix elements, and with it their last digits
    }
