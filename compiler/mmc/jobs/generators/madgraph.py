"""Run MadGraph without questions and with this Python's f2py; find failures, after which its exit code is also 0."""

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
_ERROR_WORD = re.compile(r"\b(?:error|failed|fails?|cannot|can not|not installed|impossible)\b", re.IGNORECASE)
_ZERO = "zero cross section"
_HARMLESS = re.compile(r"does not seem to correspond|Error \d+ \(ignored\)")
"""Messages at every start of MadGraph, about optional programs."""


def run(
    madgraph: Installation, folder: Path, commands: Iterable[str], *, models: Path | None = None
) -> tuple[str, ...]:
    """Let MadGraph carry out commands, and return the lines that it prints.

    The exit code is 0 even after a failure: callers use :func:`complaint`, and check that the expected files exist.

    :param folder: a folder of this job; MadGraph leaves extra files there
    :param models: a folder with models beside those of the installation
    :raises StepError: when MadGraph crashes
    """
    script = folder / "commands.mg5"
    script.write_text("".join(f"{command}\n" for command in commands), encoding="utf-8")
    words: list[str | Path] = [sys.executable, madgraph.programs[PROGRAM], script.name]
    variables = environment(madgraph, folder)
    if models is not None and models.is_dir():
        variables["PYTHONPATH"] = os.pathsep.join(filter(None, [str(models), variables.get("PYTHONPATH", "")]))
    finished = program.run(words, folder, variables)
    if finished.code != 0:
        raise StepError(f"MadGraph ended with code {finished.code}: {complaint(finished.lines) or 'see the log'}")
    return finished.lines


def complaint(lines: Sequence[str]) -> str | None:
    """The reason why MadGraph gave up, with the failed command; None when it reports no failure.

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
    """The reason of a failure, as the end of a sentence. When MadGraph reports none, the last line with an error."""
    if any(_ZERO in line for line in lines):
        return ": the cross section is zero; are the cuts of the run card too tight, or is a width in the param card 0?"
    reason = complaint(lines) or next(
        (line for line in reversed(lines) if _ERROR_WORD.search(line) and not _HARMLESS.search(line)), None
    )
    return f": {reason}" if reason else "; see the log"


def n_cores() -> int:
    """The number of processes that the job may run at once: the number of threads that the runner sets."""
    return max(1, int(os.environ.get("OMP_NUM_THREADS", "1")))


def environment(madgraph: Installation, folder: Path) -> dict[str, str]:
    """MadGraph's environment variables. Its child processes compile for this Python, with this Python's f2py and
    ``python3`` whatever the search path, and give the same result each time."""
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
        "SETUPTOOLS_USE_DISTUTILS": "stdlib",  # numpy's f2py does not work with the distutils of setuptools
        "PYTHONHASHSEED": "0",  # fixes the order of terms, and so the last digits, of matrix elements
    }
