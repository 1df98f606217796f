"""``mmc report``: write an HTML page about a run, or one that compares two runs."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from mmc.cli.command import Command, path, warn
from mmc.errors import MissingExtraError
from mmc.locks import BUNDLE, RUN, LockedError, held


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
    runs = [Path(name) for name in (arguments.run, arguments.other) if name is not None]
    with ExitStack() as locks:
        for lock in dict.fromkeys(lock for run in runs for lock in _locks(run)):
            try:
                locks.enter_context(held(lock, "mmc report", shared=True, unlocked=warn))
            except LockedError as error:
                warn(f"{error}; the report shows what is finished")
        return report_run(runs[0], out) if len(runs) == 1 else compare_runs(runs[0], runs[1], out)


def _locks(run: Path) -> Iterator[Path]:
    """The locks on the outputs and the bundle of a run: as long as they are held, nobody changes what is read."""
    out, bundle = run / "out", run / "bundle"
    if run.is_dir():
        yield (out if out.is_dir() else run).resolve() / RUN
        yield (bundle if bundle.is_dir() else run).resolve() / BUNDLE


REPORT = Command(
    "report",
    "write an HTML page about a run, or one that compares two runs",
    "Writes one self-contained HTML page and its figures as SVG and PNG. The page of an unfinished run shows the "
    "results so far. The page of two runs shows the changes in the study and in the results.",
    _add_arguments,
    _report,
)
