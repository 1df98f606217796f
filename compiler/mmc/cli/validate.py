"""``mmc validate``: show what is wrong with studies."""

import sys
from argparse import ArgumentParser, Namespace

from mmc.cli.command import EXIT_WRONG, Command, add_changes, add_files
from mmc.printing import say


def _add_arguments(parser: ArgumentParser) -> None:
    add_files(parser)
    add_changes(parser)
    parser.add_argument(
        "--format",
        choices=("text", "json", "github", "sarif"),
        default="text",
        help="text for people, github for annotations in GitHub Actions, json and sarif for programs (default: text)",
    )


def _validate(arguments: Namespace) -> int:
    from mmc.cli.plans import distinct, read_studies

    studies = read_studies(distinct(arguments.files), sys.stdout, arguments.format, arguments.changes)
    if any(study.is_wrong for study in studies):
        return EXIT_WRONG
    if arguments.format == "text":
        say(*(f"{study.document.path}: fine" for study in studies if not study.diagnostics))
    return 0


VALIDATE = Command(
    "validate",
    "check studies",
    "Shows all problems at once. Warnings alone are not a failure.",
    _add_arguments,
    _validate,
)
