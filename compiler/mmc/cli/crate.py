"""``mmc crate``: describe a run for an archive, as a Workflow Run RO-Crate."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from mmc.cli.command import Command, path
from mmc.errors import MissingExtraError
from mmc.printing import say


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "run", metavar="RUN", type=path, help="the folder of a run, with its bundle: of mmc run, or of an engine"
    )


def _crate(arguments: Namespace) -> int:
    try:
        from mmc.jobs.report.crate import write_crate
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "steps") from error
    say(f"RO-Crate: {write_crate(Path(arguments.run))}")
    return 0


CRATE = Command(
    "crate",
    "describe a run for an archive, as a Workflow Run RO-Crate",
    "Writes ro-crate-metadata.json into the folder of the run: the study, the stages, and each finished job with its "
    "versions, seed, times, inputs and output. mmc run does the same at its end.",
    _add_arguments,
    _crate,
)
