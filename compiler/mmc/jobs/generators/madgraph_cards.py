"""The cards that MadGraph reads, written from settings: param card, reweight card, run card, configuration."""

import builtins
import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from mmc.compiler.expressions.checker import check_expression
from mmc.compiler.expressions.vocabulary import MATH, TRANSFORM_FUNCTIONS
from mmc.compiler.inputs import cards, madgraph_settings
from mmc.compiler.settings.configure import CardEntry
from mmc.compiler.settings.generation import MadGraphBeams, MadSpin
from mmc.compiler.settings.uncertainties import PdfUncertainty, ScaleUncertainty, Uncertainty
from mmc.errors import StepError

_HADRONS = {"p": 1, "pbar": -1}
"""Beam name → MadGraph's ``lpp``, which is 0 for leptons: they have no parton distributions."""

_TRANSFORM_FUNCTIONS = {name: getattr(math if name in MATH else builtins, name) for name in TRANSFORM_FUNCTIONS}
"""The only names that a transform may use, with their Python values."""
_NOT_VARIED = {"mur": "1", "muf": "1", "dyn": "-1", "pdf": "central"}
"""The arguments of MadGraph's systematics program that switch a variation off."""


def card_values(parameters: Mapping[str, CardEntry], point: Mapping[str, float]) -> dict[str, float]:
    """The values in the param card at a point, by entry (block and number, as in ``dim6 2``).

    :param point: the value of each parameter
    :raises StepError: when a transform has no value there
    """
    return {entry.place: card_value(entry.transform, point[name], name) for name, entry in parameters.items()}


def card_value(transform: str, theta: float, name: str) -> float:
    """The value of a transform, an expression in ``theta``; MadMiner hands it to ``eval`` unseen.

    :raises StepError: when the transform is not pure arithmetic, or has no finite value

    >>> card_value("16.52*theta", 2.0, "CWL2")
    33.04
    """
    if problems := check_expression(transform, "transform"):
        raise StepError(f"the transform {transform!r} of {name}: {problems[0].message}")
    try:
        value = float(eval(transform.strip(), {"__builtins__": _TRANSFORM_FUNCTIONS, "theta": float(theta)}))
        reason = f"it is {value}"
        if abs(value) < float("inf"):
            return value
    except (ArithmeticError, ValueError, TypeError) as error:
        reason = str(error)
    raise StepError(f"the transform {transform!r} of {name} has no value at {theta:g}: {reason}")


def param_card(
    template: str,
    entries: Mapping[str, float | str],
    values: Mapping[str, float],
    *,
    all_needed: bool,
    origin: str,
    where_there: Collection[str] = (),
) -> str:
    """Write the values into a param card.

    :param entries: the study's entries, by block and number or ``all``, in lower case
    :param values: the parameters' values; they override ``entries``
    :param all_needed: whether the card must have an entry for each value; a background's model may have none
    :param origin: the origin of the template, for messages
    :param where_there: entries that are ignored where the card lacks them
    :raises StepError: when the card lacks a required entry, or MadGraph computes one from others
    """
    text, missing = cards.with_entries(template, entries)
    missing = [key for key in missing if key not in where_there]
    text, absent = cards.with_entries(text, values)
    missing += absent if all_needed else []
    if ignored := sorted({*entries, *values} & cards.dependent(template)):
        raise StepError(
            f"the param card {origin} has {ignored[0]!r} below its line Dependent parameters: MadGraph computes this "
            "entry from others and ignores its value"
        )
    if missing:
        block = missing[0].split()[0]
        numbers = [cards.numbers(number) for other, number in cards.param_card(template) if other == block]
        blocks = sorted({other for other, _ in cards.param_card(template)})
        has = f"block {block} has {', '.join(numbers)}" if numbers else f"it has {', '.join(blocks)}"
        raise StepError(f"the param card {origin} has no entry {missing[0]!r}: {has}")
    return text


def untouched(template: str, entries: Iterable[str], values: Iterable[str]) -> dict[str, str]:
    """Unchanged non-zero entries in the blocks of the parameters. With many models MadGraph's default card has 1 in all
    of them, which is not the standard model."""
    blocks = {key.split()[0] for key in values} - {"decay"}
    changed = {*entries, *values}
    held = {(block, cards.numbers(number)): value for (block, number), value in cards.param_card(template).items()}
    return {
        f"{block} {number}": value
        for (block, number), value in held.items()
        if block in blocks and not changed & {f"{block} {number}", f"{block} all"} and _is_not_zero(value)
    }


def _is_not_zero(value: str) -> bool:
    try:
        return float(value) != 0.0
    except ValueError:  # MadGraph reports entries that are not numbers
        return False


def reweight_card(
    points: Mapping[str, Mapping[str, float]], before: Iterable[str] = (), auto_widths: Iterable[str] = ()
) -> str:
    """The reweight card, with which MadGraph adds a weight per point to every event, under the point's name.

    :param before: further lines, which are for all points
    :param auto_widths: entries of the param card, as in ``decay 6``, that MadGraph computes at each point
    """
    lines = ["change output default", "change helicity False", *before]
    for name, values in points.items():
        lines += ["", f"launch --rwgt_name={name}"]
        lines += [f"  set {place} {value!r}" for place, value in values.items()]
        lines += [f"  set {place} Auto" for place in auto_widths]
    return "\n".join(lines) + "\n"


def run_card(template: str, settings: Mapping[str, Any]) -> str:
    """A run card with these settings replaced, and without others that the study sets."""
    wanted = {name.lower() for name in settings} | madgraph_settings.OWNED
    replaced = {entry.line for entry in cards.run_card(template) if entry.name in wanted}
    kept = [line for number, line in enumerate(template.splitlines(), start=1) if number not in replaced]
    lines = [f"  {value} = {name}" for name, value in settings.items()]
    return "\n".join([*kept, "", "# set by mmc", *lines, ""])


def fixed_settings(n_events: int, seed: int, beams: MadGraphBeams) -> dict[str, Any]:
    """The run card settings that follow from the study and cannot be set in a card."""
    first, second = (_HADRONS.get(particle, 0) for particle in beams.particles)
    pdf = "none" if first == second == 0 else beams.pdf
    sets = {"pdlabel": "lhapdf", "lhaid": pdf} if isinstance(pdf, int) else {"pdlabel": pdf}
    energies = beams.energy_gev, beams.energy_gev if beams.second_gev is None else beams.second_gev
    return {
        "nevents": n_events,
        "iseed": seed,
        "lpp1": first,
        "lpp2": second,
        "ebeam1": float(energies[0]),
        "ebeam2": float(energies[1]),
        **sets,
        "event_norm": "average",
    }


def madspin_card(decays: MadSpin, seed: int) -> str:
    """The card of MadSpin.

    Its default, which is the study's, stands for itself: many versions refuse `set spinmode madspin`.
    """
    cut = [] if decays.bw_cut is None else [f"set BW_cut {decays.bw_cut!r}"]
    labels = [f"define {label} = {particles}" for label, particles in decays.definitions.items()]
    mode = [] if decays.spinmode == "madspin" else [f"set spinmode {decays.spinmode}"]
    chosen = [*mode, f"set seed {seed}", "set max_weight_ps_point 400", *cut]
    return "\n".join([*chosen, *labels, *(f"decay {decay}" for decay in decays.decays), "launch", ""])


def systematics_settings(systematics: Iterable[Uncertainty]) -> dict[str, Any]:
    """The run card settings with which MadGraph's systematics program adds the weights that MadMiner needs.

    Variations that no uncertainty needs are switched off: by default the program varies all scales and the PDF set.
    """
    varied: dict[str, str] = {}
    entries = list(systematics)
    scales = [entry for entry in entries if isinstance(entry, ScaleUncertainty)]
    together = bool(scales) and all(entry.scale == "mu" for entry in scales)
    nominal = {1.0} if len(scales) > 1 and not together else set()  # all pairs of factors: one scale alone, too
    for kind in ("mur", "muf"):
        factors = [float(factor) for entry in scales if entry.scale in ("mu", kind) for factor in entry.variations]
        if factors:
            varied[kind] = ",".join(f"{factor:g}" for factor in dict.fromkeys([*factors, *sorted(nominal)]))
    for entry in entries:
        if isinstance(entry, PdfUncertainty):
            varied["pdf"] = entry.variation
    if not varied:
        return {"use_syst": False}
    arguments = [f"--{kind}={varied.get(kind, default)}" for kind, default in _NOT_VARIED.items()]
    quoted = ", ".join(f"'{argument}'" for argument in [*arguments, *(["--together=mur,muf"] if together else [])])
    return {"use_syst": True, "systematics_program": "systematics", "systematics_arguments": f"[{quoted}]"}


def configuration(folder: str, n_cores: int) -> str:
    """The configuration of a process: the MadGraph that reweights its events, and the number of cores."""
    return (
        f"mg5_path = {folder}\n"
        f"run_mode = {2 if n_cores > 1 else 0}\n"
        f"nb_core = {n_cores}\n"
        "automatic_html_opening = False\nnotification_center = False\nauto_update = 0\n"
    )
