"""``mmc import``: convert the inputs of the hand-written workflow to a study, and check it."""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from mmc.cli.command import EXIT_WRONG, Command, path
from mmc.errors import UsageError
from mmc.printing import complain, say
from mmc.reading import leads_out


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("source", choices=("madminer-workflow",), help="the tool of the input files")
    parser.add_argument("--physics", required=True, metavar="FILE", type=path, help="input.yml of the physics workflow")
    parser.add_argument(
        "--learning", required=True, metavar="FILE", type=path, help="input.yml of the learning workflow"
    )
    parser.add_argument(
        "--cards", metavar="DIR", type=path, help="the folder of its cards (default: the cards in its image)"
    )
    parser.add_argument(
        "-o",
        "--out",
        required=True,
        metavar="FILE",
        type=path,
        help="the study to write, with cards beside it; existing files are not overwritten",
    )


def _import(arguments: Namespace) -> int:
    from mmc.cli.new_study import study_name, write_new
    from mmc.cli.plans import show
    from mmc.cli.study_file import content, read
    from mmc.compiler.importers.madminer_workflow import import_study
    from mmc.compiler.importers.source import Source
    from mmc.compiler.importers.workflow_cards import in_the_image, read_cards

    for name in (arguments.physics, arguments.learning):
        if leads_out(Path(name)):  # messages would quote it
            raise UsageError(f"{name} is a link out of its folder: name the file that it leads to")
    physics, learning = (Source.read(content(name), name) for name in (arguments.physics, arguments.learning))
    cards = in_the_image() if arguments.cards is None else read_cards(Path(arguments.cards))
    out = Path(arguments.out)
    study = import_study(physics, learning, cards, study_name(out.resolve().parent.name))
    write_new(out.parent, {**cards.files, out.name: study})
    written = read(arguments.out)
    show([written], sys.stderr)
    if written.is_wrong:
        complain(f"mmc: {out} is written, but it has errors to repair")
        return EXIT_WRONG
    say(f"{out} is written; its comments list what has changed. Next: mmc plan {out}")
    return 0


IMPORT = Command(
    "import",
    "convert another tool's input files to a study",
    "madminer-workflow: the two input files of the hand-written MadMiner workflow.",
    _add_arguments,
    _import,
)
