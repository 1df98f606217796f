"""For ``mmc doctor``: the programs and packages on this machine, their versions, and how to get missing ones."""

import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, requires, version

from mmc.compiler.catalogue.generators import MADGRAPH, origin_of
from mmc.compiler.catalogue.stages import STAGES
from mmc.compiler.inputs import lhapdf_data
from mmc.compiler.inputs.installations import (
    GET_LHAPDF,
    LHAPDF,
    TESTED,
    Installation,
    find_delphes,
    find_lhapdf,
    find_madgraph,
    install_hint,
    is_own,
    variable,
)
from mmc.compiler.plan.model import Plan
from mmc.compiler.plan.needs import needs_lhapdf, needs_optuna, needs_ufoamp, parton_sets
from mmc.compiler.reana.client import INSTALL, PROGRAM
from mmc.errors import InstallationError
from mmc.tables import table
from mmc.version import __version__

FOUND, UNUSABLE, MISSING = "found", "unusable", "missing"
START_TIMEOUT_S = 30
NOT_STARTED = ", not started: only the study names it (--start)"
USE_OF_SETS = "PDF uncertainties of the generator ufo"
USE_OF_LHAPDF = "scale and PDF uncertainties, PDF sets"

EXTRAS = {
    "steps": "jobs outside containers",
    "optuna": "tuning: {search: optuna}",
    "ufo": "matrix elements of UFO models",
    "yadage": "target yadage",
    "cwl": "target cwl",
    "mlflow": "tracking",
}
"""The purpose of the packages of each extra. The extras that are not here are for developers."""
CONTAINER_ENGINES = ("docker",)
"""The programs with which engines of workflows start images."""

Needs = list[tuple[str, ...]]
"""Names of findings; one name of each tuple is enough."""


@dataclass(frozen=True)
class Finding:
    """Something that mmc can use."""

    name: str
    used_for: str
    state: str
    """``found``, ``unusable`` or ``missing``."""
    version: str = ""
    place: str = ""
    reason: str = ""
    """Why it cannot be used; empty if it can be used."""
    remedy: str = ""
    """How to get or repair it; empty if this is not needed."""

    @property
    def is_usable(self) -> bool:
        """Whether it was found and works."""
        return self.state == FOUND


@dataclass(frozen=True)
class _Tool:
    """A program on the PATH that prints its version."""

    name: str
    used_for: str
    remedy: str
    arguments: tuple[str, ...] = ("--version",)
    program: str = ""
    """The name of the executable, if it differs from ``name``."""
    oldest: tuple[int, ...] = ()


DOCKER_SERVER = ("version", "--format", "{{.Server.Version}}")
"""The client without a server cannot run containers."""
TOOLS = (
    _Tool("bash", "mmc run, target script", install_hint(["bash"]), oldest=(4, 3)),
    _Tool("graphviz", "mmc plan --format svg, png", install_hint(["graphviz"]), ("-V",), program="dot"),
    _Tool("docker", "images", "install and start Docker, or link podman as `docker`", DOCKER_SERVER),
    _Tool(
        "Slurm", "mmc submit, target slurm", "log in to a machine from which the cluster takes jobs", program="sbatch"
    ),
)
REANA_REMEDY = f"it needs an environment of its own: `{INSTALL}`"


def examine(installations: Mapping[str, str], *, sets: Iterable[str] = (), starts: bool = False) -> list[Finding]:
    """Look for everything that mmc can use.

    :param installations: folders that a study names, by ``madgraph`` and ``delphes``
    :param sets: LHAPDF's names of the sets of parton distributions that a study needs with all members
    :param starts: whether programs in folders are started that only the study names
    """
    madgraph, delphes = installations.get("madgraph"), installations.get("delphes")
    starts_delphes = starts or is_own("Delphes", delphes)
    reana = _Tool("reana-client", "REANA", REANA_REMEDY, ("version",), os.environ.get(PROGRAM, ""))
    return [
        *_packages(),
        _installation("MadGraph", find_madgraph, madgraph, f"generator: {MADGRAPH.name}"),
        _lhapdf(madgraph, starts=starts or is_own("MadGraph", madgraph)),
        _installation(
            "Delphes",
            partial(find_delphes, starts=starts_delphes),
            delphes,
            "detector: {simulation: delphes}",
            note="" if starts_delphes else NOT_STARTED,
        ),
        *(_program(tool) for tool in (*TOOLS, reana)),
        *map(_parton_set, sets),
    ]


def needs(plan: Plan, findings: Iterable[Finding]) -> Needs:
    """The needs of a study on this machine: the programs of jobs without an image, and an engine for containers."""
    here = [stage for stage in plan.stages if stage.image is None]
    found: Needs = []
    if here:
        found += [("bash",), *((finding.name,) for finding in findings if finding.used_for == EXTRAS["steps"])]
    found += [(package,) for stage in here if (package := STAGES[stage.name].package) is not None]
    origin = origin_of(plan.resolved_study)
    driven = [stage for stage in here if origin is not None and stage.name in origin.steps]
    if origin is not None and origin.program is not None and driven:
        found.append((origin.program,))
        found += [("LHAPDF",)] if any(map(needs_lhapdf, driven)) else []
    if any(map(needs_optuna, here)):
        found.append(("optuna",))
    if any(map(needs_ufoamp, here)):
        found.append(("ufoamp",))
    found += [(name,) for name in parton_sets(here)]
    found += [(program,) for stage in here if (program := STAGES[stage.name].program) is not None]
    if len(here) < len(plan.stages):
        found.append(CONTAINER_ENGINES)
    return found


def unmet(wanted: Needs, findings: Iterable[Finding]) -> Needs:
    """The needs that no usable finding meets."""
    usable = {finding.name for finding in findings if finding.is_usable}
    return [names for names in wanted if usable.isdisjoint(names)]


def to_text(findings: Sequence[Finding], study: str | None, wanted: Needs) -> str:
    """A table of all findings, how to repair those that cannot be used, and the verdict on the study."""
    needed = {name for names in wanted for name in names}
    rows = [("", "version", "for", "where", "needed" if study else "")]
    for finding in findings:
        shown = finding.version or FOUND if finding.is_usable else finding.state
        rows.append((finding.name, shown, finding.used_for, finding.place, "yes" if finding.name in needed else ""))
    lines = [f"mmc {__version__}, Python {platform.python_version()}", "", *table(rows)]
    wrong = [finding for finding in findings if not finding.is_usable]
    if wrong:
        lines += ["", "To get what is missing:"]
        lines += table([(f"  {finding.name}", _advice(finding)) for finding in wrong])
    if study is not None:
        lines += ["", _verdict(study, unmet(wanted, findings))]
    return "\n".join(lines) + "\n"


def to_json(findings: Sequence[Finding], study: str | None, wanted: Needs) -> str:
    """The same as one JSON object."""
    needed = {name for names in wanted for name in names}
    view = {
        "mmc": __version__,
        "python": platform.python_version(),
        "study": study,
        "ready": None if study is None else not unmet(wanted, findings),
        "missing": [list(names) for names in unmet(wanted, findings)],
        "findings": [
            {
                "name": finding.name,
                "state": finding.state,
                "version": finding.version or None,
                "used_for": finding.used_for,
                "place": finding.place or None,
                "reason": finding.reason or None,
                "remedy": finding.remedy or None,
                "needed": None if study is None else finding.name in needed,
            }
            for finding in findings
        ],
    }
    return json.dumps(view, indent=2, ensure_ascii=False) + "\n"


def _advice(finding: Finding) -> str:
    return "; ".join(part for part in (finding.reason, finding.remedy) if part)


def _verdict(study: str, missing: Needs) -> str:
    if not missing:
        return f"{study}: everything that it needs is here"
    return f"{study} needs, but does not find: {', '.join(' or '.join(names) for names in missing)}"


def _packages() -> Iterator[Finding]:
    """The packages of mmc's extras, from mmc's metadata."""
    pattern = re.compile(r"""([\w.-]+)(?:\[.*?\])?\s*([^;]*);\s*extra\s*==\s*["'](\w+)["']""")
    for line in requires("mmc") or ():
        if (match := pattern.fullmatch(line)) and (extra := match[3]) in EXTRAS:
            yield _package(match[1], match[2].strip(), extra)


def _package(name: str, specifier: str, extra: str) -> Finding:
    remedy = f"pip install 'mmc[{extra}]'"
    try:
        found = version(name)
    except PackageNotFoundError:
        return Finding(name, EXTRAS[extra], MISSING, remedy=remedy)
    if fits(found, specifier):
        return Finding(name, EXTRAS[extra], FOUND, found)
    return Finding(name, EXTRAS[extra], UNUSABLE, found, reason=f"{found} is not {specifier}", remedy=remedy)


def fits(found: str, specifier: str) -> bool:
    """Whether a version fulfils a specifier with ``==``, ``>=`` and ``<``, as in mmc's metadata.

    >>> fits("0.21.3", ">=0.21.2,<0.22"), fits("2.13.0+cpu", "==2.13.1")
    (True, False)
    """
    compare: dict[str, Callable[[tuple[int, ...], tuple[int, ...]], bool]] = {
        "==": lambda a, b: a == b,
        ">=": lambda a, b: a >= b,
        "<": lambda a, b: a < b,
    }
    conditions = re.findall(r"(==|>=|<)\s*([\d.]+)", specifier)
    return all(compare[sign](_numbers(found), _numbers(number)) for sign, number in conditions)


def _numbers(text: str) -> tuple[int, ...]:
    """The numbers at the start of a version, without trailing zeros: 2.0 is 2."""
    match = re.match(r"\d+(\.\d+)*", text)
    numbers = [int(part) for part in match[0].split(".")] if match else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _installation(
    name: str, find: Callable[[str | None], Installation], explicit: str | None, used_for: str, note: str = ""
) -> Finding:
    try:
        found = find(explicit)
    except InstallationError as error:
        named = explicit or os.environ.get(variable(name))
        return Finding(name, used_for, UNUSABLE if named else MISSING, place=named or "", remedy=str(error))
    place = f"{found.folder} ({found.named_by})"
    tested = "" if found.version in ("", TESTED[name]) else f", tested with {TESTED[name]}"
    return Finding(name, used_for, FOUND, found.version, place + tested + note)


def _lhapdf(madgraph: str | None, *, starts: bool) -> Finding:
    """The LHAPDF program that MadGraph would call; not started if only a study's MadGraph names it."""
    try:
        program = find_lhapdf(find_madgraph(madgraph))
    except InstallationError:
        program = find_lhapdf(None)
    if program is not None and not starts and program != shutil.which(LHAPDF):
        return Finding("LHAPDF", USE_OF_LHAPDF, FOUND, place=program + NOT_STARTED)
    return _program(_Tool("LHAPDF", USE_OF_LHAPDF, GET_LHAPDF, program=program or LHAPDF))


def _parton_set(name: str) -> Finding:
    folder = lhapdf_data.folder_of(name)
    if folder is None:
        return Finding(name, USE_OF_SETS, MISSING, remedy=lhapdf_data.how_to_get(name))
    return Finding(name, USE_OF_SETS, FOUND, place=f"{folder} ({lhapdf_data.SEARCHED})")


def _program(tool: _Tool) -> Finding:
    """Look for a program and ask it for its version."""
    program = tool.program or tool.name
    place = shutil.which(program)
    if place is None:
        return Finding(tool.name, tool.used_for, MISSING, remedy=tool.remedy)
    code, output = _output_of(place, tool.arguments)
    match = re.search(r"\d+(\.\d+)+", output)
    if code != 0 or match is None:
        reason = "".join(output.strip().splitlines()[-1:]) or f"exit code {code}"
        return Finding(tool.name, tool.used_for, UNUSABLE, place=place, reason=reason, remedy=tool.remedy)
    if _numbers(match[0]) < tool.oldest:
        reason = f"{match[0]} is older than {'.'.join(map(str, tool.oldest))}"
        return Finding(tool.name, tool.used_for, UNUSABLE, match[0], place, reason, tool.remedy)
    return Finding(tool.name, tool.used_for, FOUND, match[0], place)


def _output_of(program: str, arguments: Sequence[str]) -> tuple[int, str]:
    """The exit code and the output of a program."""
    try:
        done = subprocess.run(
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={
                **os.environ,
                "PYTHONWARNINGS": "ignore",
            },  # warnings of reana-client contain another version, that of Python
            timeout=START_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return -1, str(error)
    return done.returncode, done.stdout.decode(errors="replace")
