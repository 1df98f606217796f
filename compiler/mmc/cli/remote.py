"""``mmc submit``, ``mmc status`` and ``mmc fetch``: a study on REANA, Slurm or HyperQueue."""

from argparse import ArgumentParser, Namespace
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mmc.cli.command import EXIT_WRONG, Command, add_engine, path, warn
from mmc.errors import UsageError
from mmc.files import Folder
from mmc.locks import BUNDLE, held
from mmc.reading import read_json

if TYPE_CHECKING:
    from mmc.compiler.plan.model import Plan

SLURM, HYPERQUEUE, REANA = "slurm", "hyperqueue", "reana"
"""The targets whose bundles mmc submits."""


def _add_place(parser: ArgumentParser, targets: str) -> None:
    parser.add_argument(
        "place",
        metavar="BUNDLE|STUDY",
        type=path,
        help=f"the folder of a bundle for {targets}, or a study, whose bundle is build/NAME/TARGET beside it",
    )


def _add_submit_arguments(parser: ArgumentParser) -> None:
    _add_place(parser, "reana, slurm or hyperqueue")
    add_engine(parser)
    parser.add_argument(
        "--again", action="store_true", help="submit a new run to REANA, even if one was submitted before"
    )
    parser.add_argument(
        "--mixed-versions",
        action="store_true",
        help="continue on Slurm although finished jobs were made with other versions of MadMiner, torch or a generator",
    )


def _submit(arguments: Namespace) -> int:
    from mmc.cli.plans import bundle_folder, read_plan
    from mmc.compiler.reana.bundle import open_bundle
    from mmc.compiler.reana.client import find_client
    from mmc.compiler.reana.submit import submit as submit_to_reana
    from mmc.compiler.targets import TARGETS
    from mmc.compiler.targets.bundle import write
    from mmc.compiler.targets.options import Options
    from mmc.jobs.batch.on_hyperqueue import submit as submit_to_hyperqueue
    from mmc.jobs.batch.submission import submit as submit_to_slurm

    folder, compiled = Path(arguments.place), None
    if folder.is_dir():
        target = _target_of_bundle(folder)
        if arguments.engine is not None:
            raise UsageError(f"{folder} is already compiled: --engine is for studies only")
    else:
        read = read_plan(arguments.place)
        if read is None:
            return EXIT_WRONG
        study, plan = read
        target = _target_of_study(plan)
        folder = bundle_folder(study, plan, target)
        Folder(folder).make()
        compiled = TARGETS[target](plan, Options(engine=arguments.engine)), study.sources(plan)
    with held(folder / BUNDLE, "mmc submit", unlocked=warn):
        if compiled is not None:
            bundle, sources = compiled
            write(bundle, folder, sources)
        if target == SLURM:
            return submit_to_slurm(folder, mixed_versions=arguments.mixed_versions)
        if target == HYPERQUEUE:
            return submit_to_hyperqueue(folder, mixed_versions=arguments.mixed_versions)
        return submit_to_reana(open_bundle(folder), find_client(), again=arguments.again)


def _target_of_bundle(folder: Path) -> str:
    """The target of a compiled bundle; reana, which says what is missing, if it is not one.

    :raises UsageError: when the bundle is for an engine that is started otherwise
    """
    from mmc.compiler.targets import TARGETS
    from mmc.compiler.targets.bundle import MANIFEST

    target = REANA
    with suppress(OSError, ValueError, KeyError, TypeError):
        target = str(read_json(folder / MANIFEST)["target"])
    if target in TARGETS.keys() - {SLURM, HYPERQUEUE, REANA}:
        raise UsageError(
            f"{folder} is a bundle of the target {target}: its README.md says how to run it; mmc submits those of "
            f"{SLURM}, {HYPERQUEUE} and {REANA}"
        )
    return target if target in {SLURM, HYPERQUEUE} else REANA


def _target_of_study(plan: "Plan") -> str:
    """Where a study asks to be run: on Slurm, if it says how and does not say how REANA runs it."""
    return SLURM if plan.batch.system == SLURM and "reana" not in plan.resolved_study["execution"] else REANA


SUBMIT = Command(
    "submit",
    "send a study to REANA or Slurm and start it there",
    "Given a study, compiles it first: for Slurm if it has `execution: {batch: {system: slurm}}` and no `reana`. After "
    "an interruption, the same command continues. The environment variables REANA_SERVER_URL and REANA_ACCESS_TOKEN "
    "name REANA's server and the user; the token is never written to a file. Slurm and HyperQueue get the jobs that "
    "are missing; with HyperQueue, this command waits for them.",
    _add_submit_arguments,
    _submit,
)


def _compiled(place: str) -> tuple[str, Path] | None:
    """Target and folder of the bundle, given this folder or a study; None for a study with errors, which are shown."""
    from mmc.cli.plans import bundle_folder, read_plan

    if Path(place).is_dir():
        return _target_of_bundle(Path(place)), Path(place)
    read = read_plan(place)
    if read is None:
        return None
    target = _target_of_study(read[1])
    return target, bundle_folder(*read, target)


def _add_status_arguments(parser: ArgumentParser) -> None:
    _add_place(parser, "reana or slurm")


def _status(arguments: Namespace) -> int:
    from mmc.compiler.reana.bundle import open_bundle
    from mmc.compiler.reana.client import find_client
    from mmc.compiler.reana.submit import status as status_on_reana
    from mmc.jobs.batch.status import status as status_on_slurm

    found = _compiled(arguments.place)
    if found is None:
        return EXIT_WRONG
    target, folder = found
    if target == HYPERQUEUE:
        raise UsageError(f"`mmc submit` waits for jobs on HyperQueue; {folder / 'out' / 'events.log'} lists them")
    return status_on_slurm(folder) if target == SLURM else status_on_reana(open_bundle(folder), find_client())


STATUS = Command("status", "show the progress of a submitted study", "", _add_status_arguments, _status)


def _add_fetch_arguments(parser: ArgumentParser) -> None:
    _add_place(parser, "reana")
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

    found = _compiled(arguments.place)
    if found is None:
        return EXIT_WRONG
    target, folder = found
    if target in {SLURM, HYPERQUEUE}:
        on = "Slurm" if target == SLURM else "HyperQueue"
        raise UsageError(f"jobs on {on} write into {folder / 'out'}: there is nothing to fetch")
    out = None if arguments.out is None else Path(arguments.out)
    return fetch(open_bundle(folder), find_client(), out)


FETCH = Command(
    "fetch",
    "get the results of a study that was submitted to REANA",
    "On Slurm, they are in the folder `out` of the bundle. After an interruption, the same command continues.",
    _add_fetch_arguments,
    _fetch,
)
