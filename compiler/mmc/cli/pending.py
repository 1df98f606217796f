"""``mmc pending``: the jobs of a bundle that have to run. ``run.sh`` calls it before it runs jobs, and after."""

import gc
from argparse import ArgumentParser, Namespace
from pathlib import Path

from mmc.cli.command import Command, path
from mmc.errors import MixedVersionsError, MmcError
from mmc.printing import say


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("table", metavar="FILE", type=path, help="the table of all jobs: jobs.tsv of the bundle")
    parser.add_argument("out", metavar="DIR", type=path, help="the folder of all outputs")
    parser.add_argument("--stage", help="list the jobs of this stage only")
    parser.add_argument("--quick", action="store_true", help="read only files whose size or time have changed")
    parser.add_argument(
        "--mixed-versions", action="store_true", help="accept finished jobs of other versions of MadMiner and the like"
    )


def _pending(arguments: Namespace) -> int:
    from mmc.jobs.resume.decision import decide

    gc.disable()  # what is read here stays to the end: to look for cycles in it takes a tenth of the time
    path, out, mixed = Path(arguments.table), Path(arguments.out), arguments.mixed_versions
    try:
        _, found = decide(path, out, whole=not arguments.quick, stage=arguments.stage, mixed=mixed)
    except MixedVersionsError as error:
        raise MmcError(
            f"{error}: continue with --mixed-versions, or start a new run in another folder with -o"
        ) from error
    lines = [f"{row} {waits} {found.again.get(row, '')}" for row, waits in found.now.items()]
    lines += [f"{row} later" for row in sorted(found.later)]
    say(*(line.rstrip() for line in lines))
    return 0


PENDING = Command(
    "pending",
    "list the jobs of a bundle that have to run",
    "run.sh calls it. Each line has the row of a job in the table, the number of jobs for which it waits (`later` if "
    "that depends on outputs that are still to be made), and the reason if the job was finished before.",
    _add_arguments,
    _pending,
)
