"""``mmc pending``: the jobs of a bundle that have to run. ``run.sh`` calls it before it runs jobs, and after."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from mmc.cli.command import Command, path
from mmc.errors import MmcError
from mmc.printing import say


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("table", metavar="FILE", type=path, help="the table of all jobs: jobs.tsv of the bundle")
    parser.add_argument("out", metavar="DIR", type=path, help="the folder of all outputs")
    parser.add_argument("--stage", help="run the jobs of this stage only")
    parser.add_argument("--quick", action="store_true", help="read only files whose size or time have changed")
    parser.add_argument(
        "--mixed-versions", action="store_true", help="accept finished jobs of other versions of MadMiner and the like"
    )


def _pending(arguments: Namespace) -> int:
    from mmc.jobs.resume.mixed_versions import mixed_versions
    from mmc.jobs.resume.pending import pending
    from mmc.jobs.resume.run_table import RunTable

    path = Path(arguments.table)
    table = RunTable.read(path, Path(arguments.out))
    found = pending(table, whole=not arguments.quick, stage=arguments.stage)
    if not arguments.mixed_versions:
        finished = [
            output.record
            for row, output in enumerate(table.outputs)
            if output.record is not None and row not in found.now and row not in found.later
        ]
        stages = {table.jobs[row].stage for row in found.now}
        if differences := mixed_versions(finished, stages, path.parent / "config"):
            raise MmcError(
                f"finished jobs in {arguments.out} were made with other versions: {'; '.join(differences)}: go on with "
                "--mixed-versions, or start anew in another folder with -o"
            )
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
