"""``mmc resolve``: show the whole of a study that extends others, and where each value is from."""

import sys
from argparse import ArgumentParser, Namespace

from mmc.cli.command import EXIT_WRONG, Command, add_changes, add_file
from mmc.errors import UsageError
from mmc.printing import say


def _add_arguments(parser: ArgumentParser) -> None:
    add_file(parser)
    add_changes(parser)


def _resolve(arguments: Namespace) -> int:
    from mmc.cli.plans import read_studies
    from mmc.cli.whole_study import whole_study

    (study,) = read_studies([arguments.file], sys.stderr, changes=arguments.changes)
    if not study.is_shown:
        raise UsageError(f"{study.name}: a link out of its folder; name the study itself")
    if study.document.data is not None:
        say(*whole_study(study, origins=True))
    return EXIT_WRONG if study.is_wrong else 0


RESOLVE = Command(
    "resolve",
    "show the whole of a study that extends others",
    "Prints one study, with a comment that says from which file and line each value is. Defaults are not part of it.",
    _add_arguments,
    _resolve,
)
