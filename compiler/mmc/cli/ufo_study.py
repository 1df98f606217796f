"""For ``mmc init --model``: a study of a process of a UFO model."""

import json
import re
from collections.abc import Sequence
from importlib import resources
from itertools import combinations
from pathlib import Path

from mmc.cli.new_study import SCHEMA, STUDY, study_name
from mmc.compiler.inputs import ufo_model
from mmc.compiler.inputs.process_lines import MULTIPARTICLES, parse, particles_of, require
from mmc.compiler.inputs.ufo_model import Declared
from mmc.compiler.language.schema import schema_text
from mmc.errors import UsageError

_CURVED = ("sminputs", "mass", "decay", "ckmblock", "wolfenstein", "loop", "frblock")
"""Blocks whose parameters are inputs of the Standard Model, of which amplitudes are not linear functions."""
_MEASURED = (*_CURVED, "yukawa")
"""Blocks whose parameters are inputs of the Standard Model."""
_BY_HAND = (
    "|M|² is not a polynomial in masses, widths and inputs such as α, so a study of one has its own range and "
    "benchmarks, and `morphing: none`; start from another study (`mmc init` without --model)"
)
_NEW = "NP"
"""The order that most models give to operators."""
_FIRST = 2
"""How many parameters a study has that names none."""


def ufo_study(folder: str, model: str, process: str, parameters: Sequence[str]) -> dict[str, str]:
    """The files of a study of a process, by name.

    :param folder: the name of the study's folder
    :param model: the name of an installed model, or the path of its folder
    :param parameters: names of the model; empty for the first coefficients that it has
    :raises UsageError: the model is not installed, or it does not have the process's particles or the parameters
    """
    found = Path(model) if Path(model).is_dir() else ufo_model.installed(model)
    if found is None:
        where = f"put its folder into a folder that {ufo_model.SEARCHED} names, or install it as a package"
        raise UsageError(f"there is no UFO model {model!r}: {where}")
    texts = ufo_model.texts(found)
    declared = None if texts is None else ufo_model.declared(texts)
    if declared is None:
        raise UsageError(f"the files of the UFO model {model} cannot be read without running them")
    incoming = _require_particles(process, declared)
    process = _with_operators(process, found)
    chosen = list(parameters) or _coefficients(declared)[:_FIRST]
    if unknown := [name for name in chosen if name not in declared.named]:
        raise UsageError(f"the model {model} does not have an external parameter {unknown[0]!r}")
    if not chosen:
        raise UsageError(f"the model {model} has no coefficients of operators to measure: {_BY_HAND}")
    if curved := [name for name in chosen if declared.named[name].split()[0] in _CURVED]:
        raise UsageError(f"{curved[0]} is not a coefficient of an operator: {_BY_HAND}")
    text = (resources.files("mmc.templates") / "init" / "ufo.yaml").read_text(encoding="utf-8")
    values = {
        "NAME": study_name(folder),
        "MODEL": found.resolve().name,
        "PROCESS": json.dumps(process),
        "PARAMETERS": "\n".join(_parameter(name, declared.named[name]) for name in chosen),
        "BENCHMARKS": "\n".join(_benchmarks(chosen)),
        "CARD": json.dumps({f"{block} all": 0 for block in _blocks(declared)}).replace('"', ""),
        "BEAMS": _beams(incoming),
        "GRID": ", ".join(f"{name}: {{points: 25}}" for name in chosen),
    }
    for key, value in values.items():
        text = text.replace(f"<{key}>", value)
    return {STUDY: text, SCHEMA: schema_text()}


def _require_particles(process: str, declared: Declared) -> tuple[str, str]:
    try:
        line = parse(process)
        require(line, {})
    except ValueError as error:
        raise UsageError(f"{process!r}: {error}") from error
    for label in line.labels():
        for name in particles_of(label, {}):
            if name.lower() not in declared.particles and label not in MULTIPARTICLES:
                raise UsageError(f"the model does not have a particle {name!r}")
    first, second = line.incoming
    return first, second


def _with_operators(process: str, folder: Path) -> str:
    """The process with one operator in each diagram, if it does not name orders: the smallest have none."""
    core, comma, decays = process.partition(",")
    couplings = folder / "couplings.py"
    text = couplings.read_text(encoding="utf-8", errors="replace") if couplings.is_file() else ""
    powers = [int(power) for power in re.findall(rf"['\"]{_NEW}['\"]\s*:\s*([0-9]+)", text)]
    if parse(process).orders or not any(powers):
        return process
    start, mark, rest = core.partition("@")
    order = f"{_NEW}={min(filter(None, powers))}"
    return f"{start.rstrip()} {order}{' ' if mark else ''}{mark}{rest}{comma}{decays}"


def _coefficients(declared: Declared) -> list[str]:
    return [name for name, place in declared.named.items() if place.split()[0] not in _MEASURED]


def _blocks(declared: Declared) -> list[str]:
    """The blocks with coefficients: those with more than one entry, as a scale has a block of its own."""
    blocks = [declared.named[name].split()[0] for name in _coefficients(declared)]
    return [block for block in dict.fromkeys(blocks) if blocks.count(block) > 1]


def _parameter(name: str, place: str) -> str:
    block, _, number = place.partition(" ")
    code = f"[{number.replace(' ', ', ')}]" if " " in number else number
    return f"  {name}: {{lha_block: {block}, lha_id: {code}, range: [-1, 1]}}"


def _benchmarks(names: Sequence[str]) -> list[str]:
    """A basis for amplitudes that are linear in the parameters."""

    def line(label: str, point: dict[str, float]) -> str:
        return f"  {label}: {{{', '.join(f'{name}: {point.get(name, 0):g}' for name in names)}}}"

    lines = [line("sm", {})]
    for name in names:
        lines += [line(f"{name}_plus", {name: 1.0}), line(f"{name}_minus", {name: -1.0})]
    return [*lines, *(line(f"{one}_{other}", {one: 1.0, other: 1.0}) for one, other in combinations(names, 2))]


def _beams(incoming: tuple[str, str]) -> str:
    leptons = {"e-", "e+", "mu-", "mu+"}
    if set(incoming) <= leptons:
        return f"{{energy: 125 GeV, particles: [{incoming[0]}, {incoming[1]}]}}"
    return "{energy: 6500 GeV} # of each beam"
