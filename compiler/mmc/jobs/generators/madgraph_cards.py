"""The cards that MadGraph reads, written from settings: param card, reweight card, run card, configuration."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from mmc.compiler.expressions.checker import check_expression
from mmc.compiler.inputs import cards
from mmc.compiler.settings.configure import CardEntry
from mmc.compiler.settings.generation import MadGraphBeams
from mmc.compiler.settings.uncertainties import PdfUncertainty, ScaleUncertainty, Uncertainty
from mmc.errors import StepError

_PARTICLES = {"p": 1, "pbar": -1}
"""MadGraph's lpp by the names of the beams."""

_TRANSFORM_FUNCTIONS = {"abs": abs, "float": float, "max": max, "min": min}
"""What of Python a transform may call, and all that it can."""
_NOT_VARIED = {"mur": "1", "muf": "1", "dyn": "-1", "pdf": "central"}
"""The arguments of MadGraph's systematics program for what an uncertainty does not vary."""


def card_values(parameters: Mapping[str, CardEntry], point: Mapping[str, float]) -> dict[str, float]:
    """What the param card says at a point, by block and number as in ``dim6 2``.

    :param point: the value of each parameter
    :raises StepError: when a transform has no value there
    """
    return {
        f"{entry.lha_block.lower()} {entry.lha_id}": card_value(entry.transform, point[name], name)
        for name, entry in parameters.items()
    }


def card_value(transform: str, theta: float, name: str) -> float:
    """The value of a transform, an expression in ``theta``; MadMiner hands it to ``eval`` unseen.

    :raises StepError: when it is more than arithmetic, or has no finite value

    >>> card_value("16.52*theta", 2.0, "CWL2")
    33.04
    """
    if problems := check_expression(transform, "transform"):
        raise StepError(f"the transform {transform!r} of {name}: {problems[0].message}")
    try:
        value = float(eval(transform.strip(), {"__builtins__": _TRANSFORM_FUNCTIONS, "theta": theta}))
        reason = f"it is {value}"
        if abs(value) < float("inf"):
            return value
    except (ArithmeticError, ValueError, TypeError) as error:
        reason = str(error)
    raise StepError(f"the transform {transform!r} of {name} has no value at {theta:g}: {reason}")


def param_card(
    template: str,
    entries: Mapping[str, float],
    values: Mapping[str, float],
    *,
    all_needed: bool,
    origin: str,
    where_there: Collection[str] = (),
) -> str:
    """A param card with these values.

    :param entries: of the study, by block and number or ``all``, in lower case
    :param values: of the parameters, over them
    :param all_needed: whether each value must have its place in the card; a background's model may have none of them
    :param origin: where the template comes from, for messages
    :param where_there: the entries that need no place
    :raises StepError: when it lacks a place that is needed
    """
    text, missing = cards.with_entries(template, entries)
    missing = [key for key in missing if key not in where_there]
    text, absent = cards.with_entries(text, values)
    missing += absent if all_needed else []
    if missing:
        block = missing[0].split()[0]
        numbers = sorted(number for other, number in cards.param_card(template) if other == block)
        blocks = sorted({other for other, _ in cards.param_card(template)})
        has = f"block {block} has {', '.join(map(str, numbers))}" if numbers else f"it has {', '.join(blocks)}"
        raise StepError(f"the param card {origin} has no entry {missing[0]!r}: {has}")
    return text


def untouched(template: str, entries: Iterable[str], values: Iterable[str]) -> dict[str, str]:
    """Entries other than 0 that stay as they are, in the blocks of the parameters. MadGraph's own card has 1 in all of
    them with many models, which is not the standard model."""
    blocks = {key.split()[0] for key in values} - {"decay"}
    said = {*entries, *values}
    return {
        f"{block} {number}": value
        for (block, number), value in cards.param_card(template).items()
        if block in blocks and not said & {f"{block} {number}", f"{block} all"} and _is_not_zero(value)
    }


def _is_not_zero(value: str) -> bool:
    try:
        return float(value) != 0.0
    except ValueError:  # no number: MadGraph says so
        return False


def reweight_card(points: Mapping[str, Mapping[str, float]]) -> str:
    """What makes MadGraph add a weight to every event for each of the points, under their names."""
    lines = ["change output default", "change helicity False"]
    for name, values in points.items():
        lines += ["", f"launch --rwgt_name={name}"]
        lines += [f"  set {place} {value!r}" for place, value in values.items()]
    return "\n".join(lines) + "\n"


def run_card(template: str, settings: Mapping[str, Any]) -> str:
    """A run card in which these settings take the place of what it says of them."""
    wanted = {name.lower() for name in settings}
    replaced = {entry.line for entry in cards.run_card(template) if entry.name in wanted}
    kept = [line for number, line in enumerate(template.splitlines(), start=1) if number not in replaced]
    lines = [f"  {value} = {name}" for name, value in settings.items()]
    return "\n".join([*kept, "", "# set by mmc", *lines, ""])


def fixed_settings(n_events: int, seed: int, beams: MadGraphBeams) -> dict[str, Any]:
    """The settings of the run card that are the study's alone."""
    first, second = (_PARTICLES[particle] for particle in beams.particles)
    pdf = beams.pdf
    sets = {"pdlabel": "lhapdf", "lhaid": pdf} if isinstance(pdf, int) else {"pdlabel": pdf}
    return {
        "nevents": n_events,
        "iseed": seed,
        "lpp1": first,
        "lpp2": second,
        "ebeam1": float(beams.energy_gev),
        "ebeam2": float(beams.energy_gev),
        **sets,
        "event_norm": "average",
    }


def systematics_settings(systematics: Iterable[Uncertainty]) -> dict[str, Any]:
    """The settings of the run card with which MadGraph's systematics program adds the weights that MadMiner
    looks for.

    What no uncertainty varies is named too: the program would vary all scales, and the set by its errors.
    """
    varied: dict[str, str] = {}
    together = False
    for entry in systematics:
        if isinstance(entry, PdfUncertainty):
            varied["pdf"] = entry.variation
        elif isinstance(entry, ScaleUncertainty):
            factors = ",".join(f"{float(factor):g}" for factor in entry.variations)
            varied |= {kind: factors for kind in ("mur", "muf") if entry.scale in ("mu", kind)}
            together = together or entry.scale == "mu"
    if not varied:
        return {"use_syst": False}
    arguments = [f"--{kind}={varied.get(kind, default)}" for kind, default in _NOT_VARIED.items()]
    quoted = ", ".join(f"'{argument}'" for argument in [*arguments, *(["--together=mur,muf"] if together else [])])
    return {"use_syst": True, "systematics_program": "systematics", "systematics_arguments": f"[{quoted}]"}


def configuration(folder: str, n_cores: int) -> str:
    """The configuration of a process: which MadGraph reweights its events, and how much of the machine it may use."""
    return (
        f"mg5_path = {folder}\n"
        f"run_mode = {2 if n_cores > 1 else 0}\n"
        f"nb_core = {n_cores}\n"
        "automatic_html_opening = False\nnotification_center = False\nauto_update = 0\n"
    )
