"""Rules about the embedded generator: coefficients, processes, powers of the model and phase space."""

from collections.abc import Iterator
from typing import Any

from mmc.compiler.catalogue.generators import PYTHIA8
from mmc.compiler.checks.context import Context, dotted, energy_gev, rule
from mmc.compiler.checks.detector import MMC319
from mmc.compiler.language.diagnostics import Code, Diagnostic, show

LOWEST_MASS = 120.0
"""In GeV. Below, the Z resonance gives events with large weights: Pythia's contact process has no map of it."""


def _samples(ctx: Context) -> dict[str, Any]:
    return ctx.samples if ctx.origin is PYTHIA8 else {}


MMC303 = Code(
    "MMC303",
    "A parameter has no contact interaction of its own",
    "With the generator `pythia8` each parameter is the coefficient of one contact interaction, which `coefficient` "
    "names. Two parameters cannot share an interaction: only their sum could be measured.",
)


@rule(MMC303)
def coefficients(ctx: Context) -> Iterator[Diagnostic]:
    """Each parameter multiplies its own contact interaction."""
    if ctx.origin is not PYTHIA8:
        return
    seen: dict[str, str] = {}
    for name, entry in ctx.entries("parameters").items():
        coefficient = entry.get("coefficient")
        if coefficient is None:
            message = f"parameter {show(name)} does not name the interaction that it multiplies"
            yield ctx.problem(MMC303, ("parameters", name), message, "add `coefficient: LL`, LR, RL or RR", key=True)
            continue
        other = seen.setdefault(coefficient, name)
        if other != name:
            message = f"{show(name)} and {show(other)} multiply the same interaction, {coefficient}"
            path = ("parameters", name, "coefficient")
            yield ctx.problem(MMC303, path, message, "give one of them another coefficient, or remove it")


@rule(MMC319)
def without_effect(ctx: Context) -> Iterator[Diagnostic]:
    """Parameters have no entry of a param card: the embedded generator has no param card."""
    for name in ctx.entries("parameters") if ctx.origin is PYTHIA8 else ():
        for key in ("lha_block", "lha_id", "transform"):
            if ctx.given("parameters", name, key):
                message = f"`{key}` has no effect: the generator {PYTHIA8.name} has no param card"
                yield ctx.problem(MMC319, ("parameters", name, key), message, "remove it", key=True)


MMC304 = Code(
    "MMC304",
    "A signal is declared as background, or a background as signal",
    "In the embedded generator, `dimuon` depends on the parameters and is a signal; `ww` and `ttbar` do not, and need "
    "`background: true`. A background is generated once, at the first benchmark, so its `events` is one number.",
)


@rule(MMC304)
def kinds_of_samples(ctx: Context) -> Iterator[Diagnostic]:
    """Processes that depend on the parameters are signals, all others backgrounds."""
    for name, sample in _samples(ctx).items():
        path = ("generation", "samples", name)
        is_signal = PYTHIA8.processes[sample["process"]]
        if is_signal and sample["background"]:
            message = f"the process {sample['process']} depends on the parameters, so it is not a background"
            yield ctx.problem(MMC304, (*path, "background"), message, "remove `background: true`")
        elif not is_signal and not sample["background"]:
            message = f"the process {sample['process']} does not depend on the parameters"
            yield ctx.problem(MMC304, (*path, "process"), message, "add `background: true`")


MMC317 = Code(
    "MMC317",
    "The phase space reaches the Z resonance",
    "The embedded generator samples `dimuon` without a map of the Z resonance. Below 120 GeV some events would have "
    "large weights, and the cross section would be unreliable.",
)


@rule(MMC317)
def below_the_z(ctx: Context) -> Iterator[Diagnostic]:
    """The process `dimuon` starts above the Z resonance, for which the embedded generator has no phase-space map."""
    for name, sample in _samples(ctx).items():
        if not PYTHIA8.processes[sample["process"]]:
            continue
        path = ("generation", "samples", name, "run_card", "m_min")
        lowest = energy_gev(ctx, *path)
        if lowest is not None and lowest < LOWEST_MASS:
            message = f"sample {show(name)} starts at {ctx.get(*path)}, but the embedded generator has no map of the Z"
            yield ctx.problem(MMC317, path, message, f"write `m_min: {LOWEST_MASS:g} GeV`, or more")


MMC308 = Code(
    "MMC308",
    "The powers are too small for the model",
    "In the model `four-fermion` the amplitude is linear in the parameters. The squared amplitude has powers up to 2 "
    "of each parameter, and the sum of powers is at most 2. With smaller powers, morphed weights are wrong.",
)
MMC315 = Code(
    "MMC315",
    "Morphing has more powers than the model",
    "In the model `four-fermion` the squared amplitude has powers up to 2 of each parameter, and the sum of powers is "
    "at most 2. With larger powers, morphing has components that vanish: it needs more benchmarks, and its weights "
    "are noisier.",
    "warning",
)


@rule(MMC308, MMC315)
def powers(ctx: Context) -> Iterator[Diagnostic]:
    """Morphing has the powers of the model: at most 2 of each coefficient, with a sum of at most 2."""
    if ctx.origin is not PYTHIA8 or ctx.get("generation", "model") != "four-fermion":
        return
    places = {
        ("parameters", name, "max_power"): entry["max_power"] for name, entry in ctx.entries("parameters").items()
    }
    overall = ctx.get("morphing", "max_overall_power")
    if overall is not None:
        places["morphing", "max_overall_power", ""] = overall
    for place, power in places.items():
        path = tuple(key for key in place if key)
        if power < 2:
            message = f"`{dotted(path)}` is {power}, but the squared amplitude of four-fermion has powers up to 2"
            yield ctx.problem(MMC308, path, message, "write 2")
        elif power > 2:
            message = f"`{dotted(path)}` is {power}; the squared amplitude of four-fermion has powers up to 2 only"
            yield ctx.problem(MMC315, path, message, "write 2")


MMC309 = Code(
    "MMC309",
    "The phase space is empty",
    "The largest mass is not above the smallest, or the smallest mass or twice the smallest transverse momentum is not "
    "below the collision energy.",
)


@rule(MMC309)
def phase_space(ctx: Context) -> Iterator[Diagnostic]:
    """Collisions with the required masses and momenta are possible."""
    beam = energy_gev(ctx, "generation", "beams", "energy")
    if beam == 0:
        yield ctx.problem(MMC309, ("generation", "beams", "energy"), "the beams have no energy")
        return
    for name, sample in _samples(ctx).items():
        path = ("generation", "samples", name, "run_card")
        card = sample["run_card"]
        low, high, pt = (energy_gev(ctx, *path, key) for key in ("m_min", "m_max", "pt_min"))
        if low is not None and high is not None and high <= low:
            message = f"the largest mass, {card['m_max']}, is not above the smallest, {card['m_min']}"
            yield ctx.problem(MMC309, (*path, "m_max"), message, "swap them")
        elif high == 0:
            yield ctx.problem(MMC309, (*path, "m_max"), "the largest mass is zero")
        for key, needed in (("m_min", low), ("pt_min", None if pt is None else 2 * pt)):
            if beam is not None and needed is not None and needed >= 2 * beam:
                message = f"no collision reaches this: the collision energy is {2 * beam:g} GeV"
                yield ctx.problem(MMC309, (*path, key), message, "use a smaller value, or beams with more energy")
