"""``mmc submit``, ``mmc status`` and ``mmc fetch``: a study on REANA."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from mmc.cli.command import EXIT_WRONG, Command, add_engine, path, warn
from mmc.errors import UsageError
from mmc.files import Folder
from mmc.locks import BUNDLE, held


def _add_place(parser: ArgumentParser) -> None:
    parser.add_argument(
        "place",
        metavar="BUNDLE|STUDY",
        type=path,
        help="the folder of a bundle for the target reana, or a study, whose bundle is build/NAME/reana beside it",
    )


def _add_submit_arguments(parser: ArgumentParser) -> None:
    _add_place(parser)
    add_engine(parser)
    parser.add_argument("--again", action="store_true", help="submit a new run, even if one was submitted before")


def _submit(arguments: Namespace) -> int:
    from mmc.cli.plans import bundle_folder, read_plan
    from mmc.compiler.reana.bundle import open_bundle
    from mmc.compiler.reana.client import find_client
    from mmc.compiler.reana.submit import submit
    from mmc.compiler.targets.bundle import write
    from mmc.compiler.targets.options import Options
    from mmc.compiler.targets.reana import emit

    folder, compiled = Path(arguments.place), None
    if folder.is_dir():
        if arguments.engine is not None:
            raise UsageError(f"{folder} is already compiled: --engine is for studies only")
    else:
        read = read_plan(arguments.place)
        if read is None:
            return EXIT_WRONG
        study, plan = read
        folder = bundle_folder(study, plan, "reana")
        Folder(folder).make()
        compiled = emit(plan, Options(engine=arguments.engine)), study.sources(plan)
    with held(folder / BUNDLE, "mmc submit", unlocked=warn):
        if compiled is not None:
            bundle, sources = compiled
            write(bundle, folder, sources)
        return submit(open_bundle(folder), find_client(), again=arguments.again)


SUBMIT = Command(
    "submit",
    "send a study to REANA and start it there",
    "Given a study, compiles it for REANA first. After an interruption, the same command continues. The environment "
    "variables REANA_SERVER_URL and REANA_ACCESS_TOKEN name the server and the user; the token is never written to a "
    "file.",
    _add_submit_arguments,
    _submit,
)


def _compiled(place: str) -> Path | None:
    """The folder of the bundle for REANA, given this folder or a study; None for a study with errors, which are "
    "shown."""
    from mmc.cli.plans import bundle_folder, read_plan

    if Path(place).is_dir():
        return Path(place)
    read = read_plan(place)
    return None if read is None else bundle_folder(*read, "reana")


def _status(arguments: Namespace) -> int:
    from mmc.compiler.reana.bundle import open_bundle
    from mmc.compiler.reana.client import find_client
    from mmc.compiler.reana.submit import status

    folder = _compiled(arguments.place)
    return EXIT_WRONG if folder is None else status(open_bundle(folder), find_client())


STATUS = Command("status", "show the progress of a submitted study", "", _add_place, _status)


def _add_fetch_arguments(parser: ArgumentParser) -> None:
    _add_place(parser)
    parser.add_argument(
        "-o",
        "--out",
        metavar="DIR",
        type=path,
        help="the folder that gets a folder with the run's name (default: results in the bundle)",
    )


def _fetch(arguments: Namespace) -> int:
    from mmc.compiler.reana.bundle import open_bundle
    from mmc.compiler.reana.client import find_client
    from mmc.compiler.reana.submit import fetch

    folder = _compiled(arguments.place)
    out = None if arguments.out is None else Path(arguments.out)
    return EXIT_WRONG if folder is None else fetch(open_bundle(folder), find_client(), out)


FETCH = Command(
    "fetch",
    "get the results of a submitted study",
    "After an interruption, the same command continues.",
    _add_fetch_arguments,
    _fetch,
)
