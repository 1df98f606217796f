"""The cards that MadGraph reads, written from settings: param card, reweight card, run card, configuration."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from mmc.errors import StepError
from mmc.expressions import check_expression

PARTICLES = {"p": 1, "pbar": -1}
"""MadGraph's lpp by the names of the beams."""

_TRANSFORM_FUNCTIONS = {"abs": abs, "float": float, "max": max, "min": min}
_RUN_CARD_LINE = re.compile(r"^\s*([^#!\n]*?)\s*=\s*([A-Za-z]\w*)\s*(?:[!#].*)?$")
_NOT_VARIED = {"mur": "1", "muf": "1", "dyn": "-1", "pdf": "central"}
"""The arguments of MadGraph's systematics program for what an uncertainty does not vary."""


class Place(NamedTuple):
    """Where a number stands in a param card."""

    block: str
    """In lower case; ``decay`` for the widths, which stand outside blocks."""
    number: int

    def __str__(self) -> str:
        return f"{self.block} {self.number}"


def card_values(parameters: Mapping[str, Mapping[str, Any]], point: Mapping[str, float]) -> dict[Place, float]:
    """What the param card says at a point.

    :param parameters: lha_block, lha_id and transform by name
    :param point: the value of each parameter
    :raises StepError: when a transform has no value there
    """
    return {
        Place(entry["lha_block"].lower(), entry["lha_id"]): transformed(entry["transform"], point[name], name)
        for name, entry in parameters.items()
    }


def transformed(expression: str, theta: float, name: str) -> float:
    """The value of a transform, an expression in ``theta``; MadMiner hands it to ``eval`` unseen.

    :raises StepError: when it is more than arithmetic, or has no finite value
    """
    problems = check_expression(expression, "efficiency", ["theta"])
    if problems:
        raise StepError(f"the transform {expression!r} of {name}: {problems[0].message}")
    try:
        value = float(eval(expression.strip(), {"__builtins__": _TRANSFORM_FUNCTIONS}, {"theta": theta}))
        if abs(value) < float("inf"):
            return value
        reason = f"it is {value}"
    except (ArithmeticError, ValueError, TypeError, NameError) as error:
        reason = str(error)
    raise StepError(f"the transform {expression!r} of {name} has no value at {theta:g}: {reason}")


def param_card(template: str, values: Mapping[Place, float], all_needed: bool, origin: str) -> str:
    """A param card with these values.

    :param all_needed: whether every value must have its place in the card; a background's model may have none of them
    :param origin: the template's name, for messages
    :raises StepError: when it lacks a place that is needed
    """
    lines, done = template.splitlines(), set()
    for index, place in _entries(lines):
        if place in values:
            head = f"DECAY {place.number}" if place.block == "decay" else f"    {place.number}"
            lines[index] = f"{head}  {values[place]!r}  # set by mmc"
            done.add(place)
    missing = [place for place in values if place not in done]
    if missing and all_needed:
        blocks = {place.block for _, place in _entries(lines)} - {"decay"}
        place = missing[0]
        numbers = [str(other.number) for _, other in _entries(lines) if other.block == place.block]
        has = f"its block {place.block} has {', '.join(numbers)}" if numbers else f"it has {', '.join(sorted(blocks))}"
        raise StepError(f"the param card {origin} has no entry {place} (lha_block, lha_id): {has}")
    return "\n".join(lines) + "\n"


def untouched(template: str, values: Mapping[Place, float]) -> dict[Place, float]:
    """Entries other than 0 beside those of the parameters, in the same blocks. MadGraph's own card has 1 in all of them
    with many models, which is not the standard model."""
    lines = template.splitlines()
    blocks = {place.block for place in values} - {"decay"}
    found = {}
    for index, place in _entries(lines):
        if place.block in blocks and place not in values:
            try:
                value = float(lines[index].split()[1])
            except (ValueError, IndexError):
                continue
            if value != 0.0:
                found[place] = value
    return found


def reweight_card(points: Mapping[str, Mapping[Place, float]]) -> str:
    """What makes MadGraph add a weight to every event for each of the points, under their names."""
    lines = ["change output default", "change helicity False"]
    for name, values in points.items():
        lines += ["", f"launch --rwgt_name={name}"]
        lines += [f"  set {place} {value!r}" for place, value in values.items()]
    return "\n".join(lines) + "\n"


def run_card(template: str, settings: Mapping[str, Any]) -> str:
    """A run card in which these settings take the place of what it says of them."""
    wanted = {name.lower() for name in settings}
    kept = []
    for line in template.splitlines():
        found = _RUN_CARD_LINE.match(line)
        if found is None or found[2].lower() not in wanted:
            kept.append(line)
    lines = [f"  {_word(value)} = {name}" for name, value in settings.items()]
    return "\n".join([*kept, "", "# set by mmc", *lines, ""])


def run_card_settings(card: str) -> dict[str, str]:
    """The settings of a run card, as they are written."""
    found = (_RUN_CARD_LINE.match(line) for line in card.splitlines())
    return {line[2]: line[1] for line in found if line is not None}


def fixed_settings(n_events: int, seed: int, beams: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the run card that are the study's alone.

    :param beams: energy_gev, particles, and pdf: MadGraph's name of a set, or LHAPDF's number
    """
    first, second = (PARTICLES[particle] for particle in beams["particles"])
    pdf = beams["pdf"]
    sets = {"pdlabel": "lhapdf", "lhaid": int(pdf)} if is_lhapdf(pdf) else {"pdlabel": pdf}
    return {
        "nevents": n_events,
        "iseed": seed,
        "lpp1": first,
        "lpp2": second,
        "ebeam1": float(beams["energy_gev"]),
        "ebeam2": float(beams["energy_gev"]),
        **sets,
        "event_norm": "average",
    }


def is_lhapdf(pdf: int | str) -> bool:
    """Whether a PDF set is one of LHAPDF, which are numbered."""
    return isinstance(pdf, int) or pdf.isdigit()


def systematics_settings(systematics: Sequence[Mapping[str, Any]], nlo: bool) -> dict[str, Any]:
    """The settings of the run card with which MadGraph's systematics program adds the weights that MadMiner
    looks for.

    What no uncertainty varies is named too: the program would vary all scales, and the set by its errors.

    :raises StepError: when two uncertainties vary the same scale, or two are of PDF sets
    """
    varied: dict[str, str] = {}
    for entry in systematics:
        if entry["effect"] == "norm":
            continue
        if entry["effect"] == "pdf":
            new = {"pdf": str(entry["variation"])}
        else:
            factors = ",".join(f"{float(factor):g}" for factor in entry["variations"])
            new = {kind: factors for kind in ("mur", "muf") if entry["scale"] in ("mu", kind)}
        if twice := set(new) & set(varied):
            raise StepError(f"two systematic uncertainties of a sample vary the same thing: {', '.join(sorted(twice))}")
        varied |= new
    switch = "store_rwgt_info" if nlo else "use_syst"
    if not varied:
        return {switch: False, **({"systematics_program": "none"} if nlo else {})}
    together = any(entry.get("scale") == "mu" for entry in systematics)
    arguments = [f"--{kind}={varied.get(kind, default)}" for kind, default in _NOT_VARIED.items()]
    quoted = ", ".join(f"'{argument}'" for argument in [*arguments, *(["--together=mur,muf"] if together else [])])
    return {switch: True, "systematics_program": "systematics", "systematics_arguments": f"[{quoted}]"}


def configuration(folder: str, n_cores: int) -> str:
    """The configuration of a process: which MadGraph reweights its events, and how much of the machine it may use."""
    return (
        f"mg5_path = {folder}\n"
        f"run_mode = {2 if n_cores > 1 else 0}\n"
        f"nb_core = {n_cores}\n"
        "automatic_html_opening = False\nnotification_center = False\nauto_update = 0\n"
    )


def _word(value: Any) -> str:
    return repr(value) if isinstance(value, float) else str(value)


def _entries(lines: Sequence[str]) -> Iterator[tuple[int, Place]]:
    """The lines of a param card that hold a number, each with its place."""
    block = ""
    for index, line in enumerate(lines):
        words = line.split("#")[0].split()
        if len(words) >= 2 and words[0].lower() == "block":
            block = words[1].lower()
        elif len(words) >= 3 and words[0].lower() == "decay" and words[1].isdigit():
            block = ""
            yield index, Place("decay", int(words[1]))
        elif len(words) == 2 and block and words[0].lstrip("-").isdigit():
            yield index, Place(block, int(words[0]))
