"""Rules about the generator ``ufo``: processes and beams."""

from collections.abc import Iterator, Mapping
from typing import Any

from mmc.compiler.catalogue.generators import UFO
from mmc.compiler.catalogue.run_card import CUTS
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
        labels = {**(ctx.get("generation", "definitions") or {}), **sample["definitions"]}
        for path, text in process_lines(name, sample):
            try:
                require(parse(text), labels)
            except ValueError as error:
                yield ctx.problem(MMC345, path, f"{show(text)}: {error}", "correct the process")


@rule(MMC350)
def what_the_model_has(ctx: Context) -> Iterator[Diagnostic]:
    """The model has the particles and the orders of each process, if it is at hand."""
    model = ctx.get("generation", "model")
    texts = None if ctx.origin is not UFO or model is None else ctx.read_model(model)
    declared = None if texts is None else ufo_model.declared(texts)
    if declared is None:
        return
    for name, sample in samples(ctx).items():
        labels = {**(ctx.get("generation", "definitions") or {}), **sample["definitions"]}
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
        labels = {**(ctx.get("generation", "definitions") or {}), **sample["definitions"]}
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
        yield ctx.problem(MMC346, ("generation", "beams", "particles"), message, "take two hadrons or two leptons")
        return
    if all(hadrons):
        return
    for name, sample in samples(ctx).items():
        labels = {**(ctx.get("generation", "definitions") or {}), **sample["definitions"]}
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
    path = ("generation", "beams", "pdf")
    particles = ctx.get("generation", "beams", "particles") or []
    if ctx.given(*path) and not set(particles) & set(_HADRONS):
        message = "`pdf` has no effect: leptons collide with their full energy"
        yield ctx.problem(MMC319, path, message, "remove it", key=True)
