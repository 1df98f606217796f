"""``mmc report``: write an HTML page about a run, or one that compares two runs."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from mmc.cli.command import Command, path
from mmc.errors import MissingExtraError


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "run", metavar="RUN", type=path, help="the folder of a run: of mmc run, of an engine, or of mmc fetch"
    )
    parser.add_argument("other", nargs="?", metavar="RUN", type=path, help="another run, to compare with the first one")
    parser.add_argument(
        "-o",
        "--out",
        metavar="DIR",
        type=path,
        help="where report.html or comparison.html is written (default: in the last RUN)",
    )


def _report(arguments: Namespace) -> int:
    try:
        from mmc.jobs.report.run_report import compare_runs, report_run
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "steps") from error
    out = None if arguments.out is None else Path(arguments.out)
    if arguments.other is None:
        return report_run(Path(arguments.run), out)
    return compare_runs(Path(arguments.run), Path(arguments.other), out)


REPORT = Command(
    "report",
    "write an HTML page about a run, or one that compares two runs",
    "Writes one self-contained HTML page and its figures as SVG and PNG. The page of an unfinished run shows the "
    "results so far. The page of two runs shows the changes in the study and in the results.",
    _add_arguments,
    _report,
)
