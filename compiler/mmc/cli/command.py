"""The type of a command of ``mmc``, and the arguments that several commands share.

The modules of all commands are imported at every start, so the imports for an action are within the action.
"""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from mmc.printing import complain

EXIT_WRONG = 1


class Command(NamedTuple):
    """A command: its help, its arguments and its action."""

    name: str
    summary: str
    """A line for the list of commands, without capital letter and full stop."""
    details: str
    """Further sentences for the help of the command."""
    add_arguments: Callable[[ArgumentParser], None]
    """Called only for the command that the user calls."""
    action: Callable[[Namespace], int]
    """Does the work and returns the exit code."""


def warn(text: str) -> None:
    """Print a warning on standard error."""
    complain(f"warning: {text}")


def path(text: str) -> str:
    """The type of an argument that is a path: a leading ``~`` is the home folder, also where the shell leaves it.

    :raises ArgumentTypeError: when the home folder is not known
    """
    if not text.startswith("~"):
        return text
    try:
        return str(Path(text).expanduser())
    except RuntimeError as error:
        raise ArgumentTypeError(f"the home folder in {text} is not known: give the whole path") from error


def add_file(parser: ArgumentParser) -> None:
    """The argument of a command that reads one study."""
    parser.add_argument("file", metavar="FILE", type=path, help="a study file; - is standard input")


def add_changes(parser: ArgumentParser) -> None:
    """The option of commands that read studies with other values than the file has."""
    parser.add_argument(
        "--set",
        dest="changes",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="replace a value of the study, as in --set seed=3 or --set evaluation.luminosity='3 ab^-1'; may be "
        "repeated, and the manifest records it",
    )


def add_files(parser: ArgumentParser) -> None:
    """The arguments of a command that reads studies."""
    parser.add_argument("files", nargs="+", metavar="FILE", type=path, help="study files; - is standard input")


def add_engine(parser: ArgumentParser) -> None:
    """The option of commands that compile for REANA."""
    from mmc.compiler.catalogue.reana import ENGINES

    parser.add_argument(
        "--engine",
        choices=ENGINES,
        help=f"the workflow engine of REANA (default: execution.reana.engine of the study, else {ENGINES[0]})",
    )
