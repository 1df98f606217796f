"""``mmc doctor``: show which programs and packages mmc can use here, and whether a study has all that it needs."""

import sys
from argparse import ArgumentParser, Namespace

from mmc.cli.command import EXIT_WRONG, Command, path
from mmc.printing import say


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", nargs="?", metavar="FILE", type=path, help="a study file; - is standard input")
    parser.add_argument("--start", action="store_true", help="also start programs in folders that only the study names")
    parser.add_argument("--json", action="store_true", help="one JSON object, for programs")


def _doctor(arguments: Namespace) -> int:
    from mmc.cli.examination import examine, needs, to_json, to_text, unmet
    from mmc.cli.plans import read_plan
    from mmc.compiler.plan.needs import parton_sets

    installations, plan, sets = {}, None, list[str]()
    if arguments.file is not None:
        read = read_plan(arguments.file)
        if read is None:
            return EXIT_WRONG
        _, plan = read
        installations = plan.resolved_study["execution"]["installations"]
        sets = parton_sets(plan.stages)
    findings = examine(installations, sets=sets, starts=arguments.start)
    wanted = [] if plan is None else needs(plan, findings)
    if arguments.json:
        sys.stdout.write(to_json(findings, arguments.file, wanted))
    else:
        say(*to_text(findings, arguments.file, wanted).splitlines())
    return EXIT_WRONG if unmet(wanted, findings) else 0


DOCTOR = Command(
    "doctor",
    "show what mmc can use on this machine",
    "Lists packages, generators, engines and tools with their versions, and how to install missing ones. "
    "Exits with 1 if something that the given study needs is missing.",
    _add_arguments,
    _doctor,
)
