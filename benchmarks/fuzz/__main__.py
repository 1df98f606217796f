"""Try a section on many inputs, and count what comes of them.

    python -m benchmarks.fuzz SECTION [--inputs N] [--seed S]

A section is a module of this folder with a function ``make_trial(folder)``, which returns a function of a random
number generator: it makes one input, reads it, and returns "accepted" or "refused". An input is refused by one of mmc's
exceptions with one line. Any other exception, and more than five seconds of CPU, are findings. Inputs are tried in
other processes, as a library may crash; a process that a signal ends is a finding too. Prints one JSON object.
"""

import argparse
import json
import logging
import multiprocessing
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

FORK = multiprocessing.get_context("fork")  # this process has no threads
BATCH = 500
"""The number of inputs per process; input number i of a seed is the same in every run."""
SLOW_S = 5.0
"""The most time for an input, unless the section has a constant of this name."""


def run(section: str, n_inputs: int, seed: int, folder: Path) -> dict[str, Any]:
    """The outcomes of a section: how many inputs were accepted and refused, and the findings with their numbers."""
    outcomes: Counter[str] = Counter()
    findings: dict[str, int] = {}
    number = 0
    while number < n_inputs:
        numbers = range(number, min(number + BATCH, n_inputs))
        for number, outcome in _tried(section, numbers, seed, folder):
            outcomes[outcome if outcome in ("accepted", "refused") else "findings"] += 1
            if outcome not in ("accepted", "refused"):
                findings.setdefault(outcome, number)
        number += 1
    return {"section": section, "seed": seed, "inputs": n_inputs, **outcomes, "first inputs": findings}


def _tried(section: str, numbers: range, seed: int, folder: Path) -> Iterator[tuple[int, str]]:
    """The outcomes of some inputs, tried in a process of their own; the last one is that of the input that ends it."""
    receiver, sender = FORK.Pipe(duplex=False)
    process = FORK.Process(target=_work, args=(section, numbers, seed, folder, sender))
    process.start()
    sender.close()
    number = numbers[0] - 1
    with suppress(EOFError):
        while True:
            number, outcome = receiver.recv()
            yield number, outcome
    process.join()
    if process.exitcode:
        code = process.exitcode
        yield number + 1, signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _work(section: str, numbers: range, seed: int, folder: Path, sender: Any) -> None:
    logging.disable()
    module = import_module(f"benchmarks.fuzz.{section}")
    trial, slow_s = module.make_trial(folder), getattr(module, "SLOW_S", SLOW_S)
    for number in numbers:
        sender.send((number, outcome_of(trial, Random(f"{seed} {number}"), slow_s)))


def outcome_of(trial: Any, random: Random, slow_s: float = SLOW_S) -> str:
    """``accepted``, ``refused``, or what is wrong."""
    started = time.process_time()
    signal.alarm(60)  # ends the process, also within a library
    try:
        outcome = trial(random)
    except Exception as error:
        outcome = f"{type(error).__name__}: {str(error)[:200]} {_place(error)}"
    signal.alarm(0)
    seconds = time.process_time() - started
    return str(outcome) if seconds < slow_s else f"{seconds:.0f} s"


def _place(error: Exception) -> str:
    trace = error.__traceback__
    last = ""
    while trace is not None:
        last = f"({Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno})"
        trace = trace.tb_next
    return last


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("section")
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(run(arguments.section, arguments.inputs, arguments.seed, Path(folder)), indent=2))


if __name__ == "__main__":
    main()
