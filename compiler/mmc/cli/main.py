"""The command line: all commands of ``mmc``. Every failure gives one line and an exit code.

Exit codes: 0 fine, 1 the study is wrong (or, with ``--check``, the bundle is out of date), 2 the command line is wrong,
3 mmc or the system failed, 130 interrupted. Commands import their code when they run, so that mmc starts quickly.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from mmc.cli.compile import COMPILE
from mmc.cli.crate import CRATE
from mmc.cli.doctor import DOCTOR
from mmc.cli.explain import EXPLAIN
from mmc.cli.importing import IMPORT
from mmc.cli.init import INIT
from mmc.cli.pending import PENDING
from mmc.cli.plan import PLAN
from mmc.cli.remote import FETCH, STATUS, SUBMIT
from mmc.cli.report import REPORT
from mmc.cli.resolve import RESOLVE
from mmc.cli.run import RUN
from mmc.cli.step import STEP, run_step
from mmc.cli.validate import VALIDATE
from mmc.errors import MmcError, UsageError
from mmc.printing import complain, plain
from mmc.surroundings import settle
from mmc.version import __version__

COMMANDS = (
    *(INIT, VALIDATE, RESOLVE, PLAN, COMPILE, RUN, REPORT, CRATE),
    *(SUBMIT, STATUS, FETCH, IMPORT, DOCTOR, EXPLAIN, STEP, PENDING),
)
"""All commands, in the order of the help; each module declares the arguments and the action of a command."""

EXIT_INTERRUPTED = 130
EXIT_PIPE = 141
"""The exit code of a program that SIGPIPE ends: the reader of our output has ended."""

DESCRIPTION = """\
Compile one declarative study file into the workflows that run a MadMiner analysis, or run it on this machine.
"""
EPILOG = """\
a first study:
  mmc init my-study                       a commented study that already validates
  mmc validate my-study/study.yaml        every problem at once, with line, column and a suggestion
  mmc plan my-study/study.yaml            what would run
  mmc run my-study/study.yaml             run it here: limits, contours, a report
  mmc report my-study/runs/my-study       the whole run on one page

exit codes: 0 fine, 1 the study is wrong, 2 the command line is wrong, 3 mmc or the system failed
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    settle()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal without a character shows its number
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _run(words)
        sys.stdout.flush()
    except SystemExit as end:  # argparse has printed the reason
        return end.code if isinstance(end.code, int) else UsageError.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # otherwise Python reports the error again when it flushes at exit
        return EXIT_PIPE
    except (Exception, KeyboardInterrupt) as error:
        if sys.flags.dev_mode and not isinstance(error, (MmcError, KeyboardInterrupt)):
            raise
        message, code = _reason(error)
        complain(f"mmc: {message}")
    return code


def _reason(error: BaseException) -> tuple[str, int]:
    """One line with the reason of a failure, and the exit code."""
    if isinstance(error, MmcError):
        return str(error), error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", EXIT_INTERRUPTED
    if isinstance(error, OSError):
        return ": ".join(str(part) for part in (error.filename, error.strerror or error) if part), MmcError.exit_code
    what = f"{type(error).__name__}: {error}"
    return f"this is a bug in mmc: {what} (python -X dev -m mmc … shows where)", MmcError.exit_code


def _run(words: list[str]) -> int:
    if words[:1] == [STEP.name] and words[1:] not in (["-h"], ["--help"]):
        return run_step(words[1:])
    parser = _parser(words)
    if not words:
        parser.print_help(sys.stderr)
        return UsageError.exit_code
    arguments = parser.parse_args(words)
    (chosen,) = (command for command in COMMANDS if command.name == arguments.command)
    return chosen.action(arguments)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """End with a line that no word of the command line can forge."""
        super().error(plain(message))


def _parser(words: list[str]) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="mmc",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"mmc {__version__}")
    subparsers = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    called = next((word for word in words if not word.startswith("-")), None)
    for command in COMMANDS:
        text = f"{command.summary[0].upper()}{command.summary[1:]}.{command.details and ' '}{command.details}"
        subparser = subparsers.add_parser(command.name, help=command.summary, description=text, allow_abbrev=False)
        if command.name == called:  # imports for the arguments of other commands take time
            command.add_arguments(subparser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
