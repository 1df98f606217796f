"""``mmc run``: compile a study for this machine and run it."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path

from mmc.cli.command import EXIT_WRONG, Command, add_changes, add_file, path


def _add_arguments(parser: ArgumentParser) -> None:
    add_file(parser)
    add_changes(parser)
    parser.add_argument(
        "-o", "--out", metavar="DIR", type=path, help="the run's folder (default: runs/NAME beside the study)"
    )
    parser.add_argument("-j", "--jobs", metavar="N", type=_positive, help="jobs at a time (default: one per core)")
    parser.add_argument(
        "--on",
        choices=("local", "slurm", "hyperqueue"),
        default="local",
        help="where the jobs run (default: on this machine)",
    )
    parser.add_argument(
        "--mixed-versions",
        action="store_true",
        help="continue although finished jobs were made with other versions of MadMiner, torch or a generator",
    )


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is not a number of jobs")
    return int(text)


def _run(arguments: Namespace) -> int:
    from mmc.cli.local_run import run_study
    from mmc.cli.places import PLACES
    from mmc.cli.plans import folder_name, read_plan

    read = read_plan(arguments.file, arguments.changes)
    if read is None:
        return EXIT_WRONG
    study, plan = read
    folder = study.folder / "runs" / folder_name(plan) if arguments.out is None else Path(arguments.out)
    on = PLACES[arguments.on]
    return run_study(study, plan, folder, on, arguments.jobs, mixed_versions=arguments.mixed_versions)


RUN = Command(
    "run",
    "run a study on this machine or on a batch system",
    "After an interruption, the same command continues. After a change of the study, it runs only the affected jobs.",
    _add_arguments,
    _run,
)
