"""Rules about the generator ``ufo``: processes and beams."""

from collections.abc import Iterator, Mapping
from typing import Any

from mmc.compiler.catalogue.generators import UFO
from mmc.compiler.catalogue.run_card import CUTS, RANGES
from mmc.compiler.checks.context import Context, energy_gev, rule
from mmc.compiler.checks.detector import MMC319
from mmc.compiler.checks.pythia8 import MMC309
from mmc.compiler.checks.reweighting import MMC350
from mmc.compiler.inputs import ufo_model
from mmc.compiler.inputs.process_lines import ProcessLine, parse, particles_of, require
from mmc.compiler.language.diagnostics import Code, Diagnostic, one_of, show
from mmc.compiler.language.document import Path

_HADRONS = ("p", "pbar")


def samples(ctx: Context) -> dict[str, Any]:
    """The samples of the generator ``ufo``; empty for other generators."""
    return ctx.samples if ctx.origin is UFO else {}


def process_lines(name: str, sample: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """The processes of a sample, each with its place in the study."""
    path: Path = ("generation", "samples", name, "process")
    if isinstance(sample["process"], str):
        yield path, sample["process"]
    else:
        yield from (((*path, index), line) for index, line in enumerate(sample["process"]))


def _declared(ctx: Context) -> ufo_model.Declared | None:
    """What the model of the generator ``ufo`` declares, if it is at hand."""
    model = ctx.get("generation", "model")
    texts = None if ctx.origin is not UFO or model is None else ctx.read_model(model)
    return None if texts is None else ufo_model.declared(texts)


@rule(MMC309)
def some_energy(ctx: Context) -> Iterator[Diagnostic]:
    """The beams have energy."""
    path = ("generation", "beams", "energy")
    if ctx.origin is UFO and energy_gev(ctx, *path) == 0:
        yield ctx.problem(MMC309, path, "the beams have no energy")


MMC345 = Code(
    "MMC345",
    "The generator ufo does not have this process",
    "The generator `ufo` computes processes of two particles to up to four at tree level, and their decays to up to "
    "six, in MadGraph's syntax: particles and multiparticles, upper limits of orders such as `QED=2`, decay chains "
    "(`p p > t t~, (t > w+ b, w+ > mu+ vm), t~ > w- b~`), and excluded particles (`/ a`, `$ z`, `$$ z`). It does not "
    "have required resonances, exact orders or orders of the squared amplitude, polarised particles or loops: write "
    "the final state that you want, or take `generator: madgraph`.",
)


@rule(MMC345)
def processes(ctx: Context) -> Iterator[Diagnostic]:
    """Each process is one that the generator can compute, and no label is defined by itself."""
    for name, sample in samples(ctx).items():
        labels = ctx.labels(sample)
        for path, text in process_lines(name, sample):
            try:
                require(parse(text), labels)
            except ValueError as error:
                yield ctx.problem(MMC345, path, f"{show(text)}: {error}", "correct the process")


@rule(MMC350)
def what_the_model_has(ctx: Context) -> Iterator[Diagnostic]:
    """The model has the particles and the orders of each process, if it is at hand."""
    declared = _declared(ctx)
    if declared is None:
        return
    for name, sample in samples(ctx).items():
        labels = ctx.labels(sample)
        for path, text in process_lines(name, sample):
            line = _parsed(text, labels)
            if line is None:
                continue
            words = [word for label in line.labels() for word in particles_of(label, labels)]
            orders = [order for part in line.every() for order in part.orders]
            if unknown := [word for word in words if word.lower() not in declared.particles]:
                message = f"{show(text)}: the model does not have a particle {show(unknown[0])}"
                help_text = f"its particles are {one_of(list(declared.particles), 40)}"
                yield ctx.problem(MMC350, path, message, help_text)
            elif other := [order for order in orders if order not in {*declared.orders, "WEIGHTED"}]:
                message = f"{show(text)}: the model does not have an order {show(other[0])}"
                yield ctx.problem(MMC350, path, message, f"its orders are {one_of(sorted(declared.orders), 12)}")


MMC353 = Code(
    "MMC353",
    "A signal may not contain its operators",
    "A process or decay without orders has the smallest WEIGHTED at which it has diagrams, as in MadGraph. An order "
    "that counts more in WEIGHTED than QED, such as `NP` of many models with operators, is then left out where the "
    "process has other diagrams, and with it the parameters. `NP=1` allows it. Here no part of the process names an "
    "order.",
    "warning",
)


@rule(MMC353)
def orders_of_signals(ctx: Context) -> Iterator[Diagnostic]:
    """A signal names the orders of its operators, if the model at hand has orders that the default leaves out."""
    declared = _declared(ctx)
    if declared is None:
        return
    usual = declared.orders.get("QED", min(declared.orders.values(), default=0))
    late = [order for order, weight in declared.orders.items() if weight > usual]
    for name, sample in samples(ctx).items():
        labels = ctx.labels(sample)
        for path, text in process_lines(name, sample) if late and not sample["background"] else ():
            line = _parsed(text, labels)
            if line is not None and not any(part.orders for part in line.every()):
                message = f"{show(text)} does not name an order, so it may be without {one_of(late, 4)}"
                yield ctx.problem(MMC353, path, message, f"write `{text.partition(',')[0].strip()[:60]} {late[0]}=1`")


MMC354 = Code(
    "MMC354",
    "No event passes the cuts",
    "A largest value of the run card is not above the smallest value of the same quantity. A largest value below zero "
    "does not cut, as in MadGraph.",
)


@rule(MMC354)
def cuts_that_leave_something(ctx: Context) -> Iterator[Diagnostic]:
    """The largest value of a cut is above its smallest value."""
    common: Path = ("generation", "run_card")
    for name, sample in samples(ctx).items():
        own: Path = ("generation", "samples", name, "run_card")
        cuts = {**(ctx.get(*common) or {}), **sample["run_card"]}
        for least, most in RANGES:
            low, high = cuts.get(least), cuts.get(most)
            if isinstance(low, int | float) and isinstance(high, int | float) and 0 <= high <= low:
                path = (*(own if most in sample["run_card"] else common), most)
                message = f"no event passes `{least}: {low:g}` and `{most}: {high:g}` in sample {show(name)}"
                yield ctx.problem(MMC354, path, message, "change one of them")


MMC355 = Code(
    "MMC355",
    "Leptons do not have the scales and partons that are varied",
    "With beams of leptons the generator `ufo` takes the strong coupling from the param card, and there are no parton "
    "distributions, so that uncertainties of scales and partons have no effect.",
)


@rule(MMC355)
def variations_of_leptons(ctx: Context) -> Iterator[Diagnostic]:
    """Scales and parton distributions are those of hadrons."""
    particles = ctx.get("generation", "beams", "particles") or []
    if ctx.origin is not UFO or set(particles) & set(_HADRONS):
        return
    known = ctx.entries("systematics")
    for name, sample in samples(ctx).items():
        for index, key in enumerate(sample["systematics"]):
            if known.get(key, {}).get("effect") in ("scale", "pdf"):
                message = f"{show(key)} has no effect in collisions of leptons"
                path = ("generation", "samples", name, "systematics", index)
                yield ctx.problem(
                    MMC355, path, message, "remove it, or write it as an uncertainty of the rate (`norm`)"
                )


MMC356 = Code(
    "MMC356",
    "The generator ufo does not have this scale",
    "MadGraph's default, `dynamical_scale_choice = -1`, clusters each event back to a collision of two particles to "
    "two, and its scale depends on the order in which the diagrams allow that; 0 is a Fortran function of the user. "
    "The generator `ufo` has the numbers 1 to 4, whose scales follow from the momenta alone. In collisions of protons, "
    "-1 is 4 where a particle without colour decays to all others (Drell-Yan, W H with decays), and 3 for two "
    "particles of equal mass (t t~, W W). For other processes, write one of the numbers into both run cards.",
)


@rule(MMC356)
def scale_of_events(ctx: Context) -> Iterator[Diagnostic]:
    """The scale is one that follows from the momenta."""
    path = ("generation", "scale", "dynamical_scale_choice")
    if ctx.origin is UFO and (choice := ctx.get(*path)) in (-1, 0):
        what = "clusters events" if choice == -1 else "is a function of the user's"
        help_text = (
            "write 4, the partonic energy, where a particle without colour decays to all others, as in p p > w+ h; "
            "3, half the sum of the transverse masses, for two particles of equal mass, as in p p > t t~; else 1 to 4, "
            "in both run cards"
        )
        yield ctx.problem(
            MMC356, path, f"the scale {choice} {what}, which the generator `ufo` does not have", help_text
        )


MMC352 = Code(
    "MMC352",
    "The cuts may not apply to decay products",
    "As in MadGraph, cuts of the run card do not apply to the products of decay chains, unless the run card says "
    "`cut_decays: true`. A process `p p > h w+, w+ > mu+ vm` has no lepton that `ptl` would cut; written as "
    "`p p > h mu+ vm` it has. `cut_decays: false` says that this is meant.",
    "warning",
)


@rule(MMC352)
def cuts_on_decay_products(ctx: Context) -> Iterator[Diagnostic]:
    """A sample with decays and cuts says whether the cuts apply to decay products."""
    common = ctx.get("generation", "run_card") or {}
    for name, sample in samples(ctx).items():
        cuts = {**common, **sample["run_card"]}
        labels = ctx.labels(sample)
        if "cut_decays" in cuts or not set(cuts) & set(CUTS):
            continue
        for path, text in process_lines(name, sample):
            if (line := _parsed(text, labels)) is not None and line.decays:
                message = f"the cuts of sample {show(name)} do not apply to decay products"
                yield ctx.problem(MMC352, path, message, "write `cut_decays: true`, or `false`, in `run_card`")
                break


MMC346 = Code(
    "MMC346",
    "The beams do not fit the process",
    "Both beams are hadrons, or both are leptons. Leptons collide with their full energy, so each process starts with "
    "the two leptons of the beams, in their order: with `particles: [e-, e+]` a process is `e- e+ > mu- mu+`. "
    "Processes of hadrons start with partons or labels of partons.",
)


@rule(MMC346)
def beams(ctx: Context) -> Iterator[Diagnostic]:
    """The beams are of one kind, and processes of leptons start with them."""
    particles = ctx.get("generation", "beams", "particles")
    if ctx.origin is not UFO or particles is None:
        return
    hadrons = [particle in _HADRONS for particle in particles]
    if any(hadrons) != all(hadrons):
        message = f"collisions of {particles[0]} with {particles[1]} are not supported"
        help_text = "take two hadrons or two leptons, or `generator: madgraph` for a lepton and a proton"
        yield ctx.problem(MMC346, ("generation", "beams", "particles"), message, help_text)
        return
    if all(hadrons):
        return
    for name, sample in samples(ctx).items():
        labels = ctx.labels(sample)
        for path, text in process_lines(name, sample):
            line = _parsed(text, labels)
            if line is not None and not all(
                beam in particles_of(label, labels) for beam, label in zip(particles, line.incoming, strict=True)
            ):
                message = f"{show(text)} does not start with the beams, {particles[0]} and {particles[1]}"
                yield ctx.problem(MMC346, path, message, f"write `{particles[0]} {particles[1]} > …`")


def _parsed(text: str, labels: Mapping[str, str]) -> ProcessLine | None:
    """The process; None if it is reported elsewhere."""
    try:
        line = parse(text)
        require(line, labels)
    except ValueError:
        return None
    return line


@rule(MMC319)
def without_effect(ctx: Context) -> Iterator[Diagnostic]:
    """Parameters are found in the param card, not by a coefficient; leptons do not have parton distributions."""
    if ctx.origin is not UFO:
        return
    for name in ctx.entries("parameters"):
        if ctx.given("parameters", name, "coefficient"):
            message = "`coefficient` has no effect: the model has the parameter by `lha_block` and `lha_id`"
            yield ctx.problem(MMC319, ("parameters", name, "coefficient"), message, "remove it", key=True)
    choice = ("generation", "scale", "dynamical_scale_choice")
    if ctx.given(*choice) and ctx.given("generation", "scale", "fixed"):
        message = "`dynamical_scale_choice` has no effect: the scale is fixed"
        yield ctx.problem(MMC319, choice, message, "remove it, or remove `fixed`", key=True)
    path = ("generation", "beams", "pdf")
    particles = ctx.get("generation", "beams", "particles") or []
    if ctx.given(*path) and not set(particles) & set(_HADRONS):
        message = "`pdf` has no effect: leptons collide with their full energy"
        yield ctx.problem(MMC319, path, message, "remove it", key=True)
