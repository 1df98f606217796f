"""``mmc compile``: write the bundle of each study, or compare it with the disk."""

import gc
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from mmc.cli.command import EXIT_WRONG, Command, add_changes, add_engine, add_files, path, warn
from mmc.errors import UsageError
from mmc.files import Folder
from mmc.locks import BUNDLE, held
from mmc.printing import say

if TYPE_CHECKING:
    from mmc.cli.study_file import StudyFile
    from mmc.compiler.plan.model import Plan


def _add_arguments(parser: ArgumentParser) -> None:
    from mmc.compiler.targets import TARGETS

    add_files(parser)
    add_changes(parser)
    parser.add_argument("-t", "--target", required=True, choices=list(TARGETS), help="what to compile to")
    parser.add_argument(
        "-o",
        "--out",
        metavar="DIR",
        type=path,
        help="the folder of the bundle; for several studies, the folder that gets a folder for each "
        "(default: build/NAME/TARGET beside the study)",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing; list the differences to the disk and exit with 1 if there are any",
    )
    parser.add_argument(
        "--local",
        action="store_true",
        help="run jobs in the environment of the engine, even if the study names container images",
    )
    add_engine(parser)


def _compile(arguments: Namespace) -> int:
    from mmc.cli.plans import distinct, read_plans
    from mmc.compiler.targets import TARGETS
    from mmc.compiler.targets.bundle import differences, write
    from mmc.compiler.targets.options import Options

    gc.disable()  # what is made here stays to the end: to look for cycles in it takes a tenth of the time
    plans = read_plans(distinct(arguments.files), arguments.changes)
    if plans is None:
        return EXIT_WRONG
    if arguments.engine is not None and arguments.target != "reana":
        raise UsageError(f"--engine is for the target reana only; {arguments.target} has a single engine")
    emit, options = TARGETS[arguments.target], Options(local=arguments.local, engine=arguments.engine)
    up_to_date = True
    for study, plan, folder in _destinations(plans, arguments):
        bundle = emit(plan, options)
        if not arguments.check:
            Folder(folder).make()
            with held(folder / BUNDLE, "mmc compile", unlocked=warn):
                write(bundle, folder, study.sources(plan))
            say(str(folder))
            continue
        for difference in differences(bundle, folder):
            up_to_date = False
            say(f"{folder}: {difference}")
    return 0 if up_to_date else EXIT_WRONG


def _destinations(plans: "list[tuple[StudyFile, Plan]]", arguments: Namespace) -> "list[tuple[StudyFile, Plan, Path]]":
    """Each study with the folder of its bundle.

    :raises UsageError: when two studies would share a folder
    """
    from mmc.cli.plans import bundle_folder, folder_name

    placed: dict[Path, tuple[StudyFile, Plan, Path]] = {}
    for study, plan in plans:
        if arguments.out is None:
            folder = bundle_folder(study, plan, arguments.target)
        else:
            out = Path(arguments.out)
            folder = Folder(out).place(folder_name(plan)) if len(plans) > 1 else out
        other = placed.setdefault(folder.resolve(), (study, plan, folder))[0]
        if other is not study:
            raise UsageError(
                f"{other.name} and {study.name} would both be compiled to {folder}: give one of them another `name`"
            )
    return list(placed.values())


COMPILE = Command(
    "compile",
    "compile studies to workflows",
    "Validates all studies first, and writes nothing if a study has errors.",
    _add_arguments,
    _compile,
)
