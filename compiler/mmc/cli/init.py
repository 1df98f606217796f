"""``mmc init``: write a study to start from."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from mmc.cli.command import Command, path
from mmc.errors import UsageError
from mmc.printing import say


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "folder", metavar="DIR", type=path, help="where to write study.yaml; existing files are not overwritten"
    )
    parser.add_argument(
        "--model", metavar="MODEL", help="the name or the folder of a UFO model: the study computes a process of it"
    )
    parser.add_argument("--process", metavar="PROCESS", help='with --model: a process such as "p p > h mu+ vm NP=1"')
    parser.add_argument(
        "--parameter",
        metavar="NAME",
        action="append",
        default=[],
        help="with --model: a parameter of the model to measure; may be repeated",
    )


def _init(arguments: Namespace) -> int:
    from mmc.cli.new_study import STUDY, new_study, write_new
    from mmc.cli.ufo_study import ufo_study

    folder = Path(arguments.folder)
    name = folder.resolve().name
    if (arguments.model is None) != (arguments.process is None) or (arguments.parameter and arguments.model is None):
        raise UsageError("--model and --process belong together, and --parameter needs both")
    if arguments.model is None:
        files = new_study(name)
    else:
        files = ufo_study(name, arguments.model, arguments.process, arguments.parameter)
    write_new(folder, files)
    file = folder / STUDY
    say(f"{file} is written. Edit it. Next: mmc validate {file}, mmc plan {file}, mmc run {file}")
    return 0


INIT = Command("init", "write a commented study that already validates", "", _add_arguments, _init)
