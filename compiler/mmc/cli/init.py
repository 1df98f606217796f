"""``mmc init``: write a study to start from."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from mmc.cli.command import Command, path
from mmc.printing import say


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "folder", metavar="DIR", type=path, help="where to write study.yaml; existing files are not overwritten"
    )


def _init(arguments: Namespace) -> int:
    from mmc.cli.new_study import STUDY, new_study, write_new

    folder = Path(arguments.folder)
    write_new(folder, new_study(folder.resolve().name))
    file = folder / STUDY
    say(f"{file} is written. Edit it. Next: mmc validate {file}, mmc plan {file}, mmc run {file}")
    return 0


INIT = Command("init", "write a commented study that already validates", "", _add_arguments, _init)
