"""``mmc step``: run one job of a workflow. Workflows call it; the runner reads its arguments."""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

from mmc.cli.command import Command


def run_step(words: Sequence[str]) -> int:
    """Pass the words after ``mmc step`` on to the runner."""
    if "--jobs" in words:
        from mmc.jobs.steps.tasks import run_jobs

        return run_jobs(words)
    from mmc.jobs.steps.asking import ask

    code = ask(words)
    if code is not None:
        return code
    from mmc.jobs.steps.runner import main

    return main(words)


def _add_arguments(_parser: ArgumentParser) -> None:
    """Only ``--help``: the runner defines the other arguments."""


def _step(_arguments: Namespace) -> int:
    return run_step(())


STEP = Command(
    "step",
    "run one job of a workflow",
    "Workflows call it: mmc step STAGE --config FILE --job NAME ... --out DIR; with --jobs NAME ... for several jobs, "
    "one after the other, each with its output in the folder DIR/NAME.",
    _add_arguments,
    _step,
)
