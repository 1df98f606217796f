"""``mmc import``: convert another tool's inputs to a study, and check it."""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from mmc.cli.command import EXIT_WRONG, Command, path
from mmc.errors import UsageError
from mmc.printing import complain, say
from mmc.reading import leads_out

_WORKFLOW, _CARDS = "madminer-workflow", "cards"
_HDF5 = (".h5", ".hdf5")


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "source", type=path, help="`cards`, `madminer-workflow`, or a set-up or event file of MadMiner (setup.h5)"
    )
    parser.add_argument("folder", nargs="?", metavar="DIR", type=path, help="for `cards`: the folder of the cards")
    parser.add_argument("--physics", metavar="FILE", type=path, help="input.yml of the physics workflow")
    parser.add_argument("--learning", metavar="FILE", type=path, help="input.yml of the learning workflow")
    parser.add_argument(
        "--cards", metavar="DIR", type=path, help="the folder of the workflow's cards (default: those in its image)"
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
    from mmc.cli.study_file import read

    out = Path(arguments.out)
    name = study_name(out.resolve().parent.name)
    if arguments.source == _WORKFLOW:
        study, files = _workflow(arguments, name)
    elif arguments.source == _CARDS:
        study, files = _cards(arguments, name)
    elif arguments.source.endswith(_HDF5):
        study, files = _madminer_file(arguments, name)
    else:
        raise UsageError(f"mmc imports `{_CARDS} DIR`, `{_WORKFLOW}` and files of MadMiner, not {arguments.source}")
    write_new(out.parent, {**files, out.name: study})
    written = read(arguments.out)
    show([written], sys.stderr)
    if written.is_wrong:
        complain(f"mmc: {out} is written, but it has errors to repair")
        return EXIT_WRONG
    say(f"{out} is written; its comments list what has changed. Next: mmc plan {out}")
    return 0


def _workflow(arguments: Namespace, name: str) -> tuple[str, dict[str, str]]:
    from mmc.cli.study_file import content
    from mmc.compiler.importers.madminer_workflow import import_study
    from mmc.compiler.importers.source import Source
    from mmc.compiler.importers.workflow_cards import in_the_image, read_cards

    if arguments.physics is None or arguments.learning is None:
        raise UsageError(f"{_WORKFLOW} needs --physics and --learning")
    for given in (arguments.physics, arguments.learning):
        if leads_out(Path(given)):  # messages would quote it
            raise UsageError(f"{given} is a link out of its folder: name the file that it leads to")
    physics, learning = (Source.read(content(given), given) for given in (arguments.physics, arguments.learning))
    cards = in_the_image() if arguments.cards is None else read_cards(Path(arguments.cards))
    return import_study(physics, learning, cards, name), cards.files


def _cards(arguments: Namespace, name: str) -> tuple[str, dict[str, str]]:
    from mmc.compiler.importers.card_folder import import_cards

    if arguments.folder is None:
        raise UsageError("name the folder of the cards: mmc import cards DIR --out study.yaml")
    return import_cards(Path(arguments.folder), name)


def _madminer_file(arguments: Namespace, name: str) -> tuple[str, dict[str, str]]:
    import shutil

    from mmc.compiler.importers.madminer_file import import_file
    from mmc.errors import StepError
    from mmc.files import Folder

    source, folder = Path(arguments.source), Path(arguments.out).parent
    if leads_out(source):  # the study would get a copy of it
        raise UsageError(f"{source} is a link out of its folder: name the file that it leads to")
    try:
        from mmc.jobs.madminer.file_content import read_content

        content = read_content(source)
    except ModuleNotFoundError as error:
        raise UsageError('a file of MadMiner is read with h5py: pip install "mmc[steps]"') from error
    except StepError as error:
        raise UsageError(str(error)) from error
    text = import_file(name, source.name, **content._asdict())
    there = folder / source.name
    if content.n_events and not there.exists():  # a study names files of its own folder only
        with source.open("rb") as events, Folder(folder).create(source.name) as copy:
            shutil.copyfileobj(events, copy)
    return text, {}


IMPORT = Command(
    "import",
    "convert another tool's inputs to a study",
    "cards DIR: the cards of MadGraph, Pythia and Delphes in a folder. setup.h5: a set-up or event file of MadMiner. "
    "madminer-workflow: the two input files of the hand-written MadMiner workflow.",
    _add_arguments,
    _import,
)
