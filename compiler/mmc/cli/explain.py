"""``mmc explain``: the meaning of a diagnostic code; without a code, the list of all codes."""

from argparse import ArgumentParser, Namespace

from mmc.cli.command import Command
from mmc.errors import UsageError
from mmc.printing import say


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("code", nargs="?", metavar="CODE", help="a code, such as MMC204")


def _explain(arguments: Namespace) -> int:
    from textwrap import fill

    from mmc.compiler.checks.codes import CODES, family
    from mmc.tables import table

    if arguments.code is None:
        lines = table([(code, entry.severity, entry.title) for code, entry in CODES.items()])
        say(*lines)
        return 0
    code = arguments.code.upper()
    if code not in CODES:
        raise UsageError(f"there is no code {code}; `mmc explain` lists all codes")
    entry = CODES[code]
    say(f"{code} ({entry.severity}, {family(code)}): {entry.title}", "", *fill(entry.explanation, 100).splitlines())
    return 0


EXPLAIN = Command("explain", "explain a diagnostic code", "Without a code, lists them all.", _add_arguments, _explain)
