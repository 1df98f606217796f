"""Rules about colliding beams and their parton distributions."""

import math
import re
from collections.abc import Iterator

from mmc.compiler.catalogue import parton_sets
from mmc.compiler.catalogue.generators import MADGRAPH
from mmc.compiler.checks.context import Context, energy_gev, rule
from mmc.compiler.checks.detector import MMC319
from mmc.compiler.checks.madgraph import lines_of, samples
from mmc.compiler.checks.pythia8 import MMC309
from mmc.compiler.inputs.process_lines import particles_of
from mmc.compiler.language.diagnostics import Code, Diagnostic, show, suggestion
from mmc.compiler.language.document import Path

LEPTONS = ("e-", "e+", "mu-", "mu+")
_ENERGY: Path = ("generation", "beams", "energy")
_PARTICLES: Path = ("generation", "beams", "particles")


def beam_energies(ctx: Context) -> tuple[float, float] | None:
    """The energies of the two beams in GeV; None if one is missing or malformed, which another rule reports."""
    both = isinstance(ctx.get(*_ENERGY), list)
    first, second = (energy_gev(ctx, *_ENERGY, *([index] if both else [])) for index in (0, 1))
    return None if first is None or second is None else (first, second)


@rule(MMC309)
def some_energy(ctx: Context) -> Iterator[Diagnostic]:
    """The beams have energy."""
    energies = beam_energies(ctx) if ctx.origin is MADGRAPH else None
    if energies is not None and 0.0 in energies:
        yield ctx.problem(MMC309, _ENERGY, "the beams have no energy")


MMC340 = Code(
    "MMC340",
    "The energy of a beam is that of a whole collision",
    "`beams.energy` is the energy of each beam. The collisions of the LHC have 8, 13, 13.6 or 14 TeV, and those of a "
    "future collider 100 TeV: each beam has half of it. Two energies are those of the two beams, not of two runs of a "
    "collider. If the beams do have these energies, ignore the warning.",
    "warning",
)
_COLLIDERS_TEV = (8.0, 13.0, 13.6, 14.0, 100.0)


@rule(MMC340)
def energy_of_each_beam(ctx: Context) -> Iterator[Diagnostic]:
    """The energy of a beam is not that of the collisions of a known collider."""
    energy = energy_gev(ctx, *_ENERGY)
    tev = next((tev for tev in _COLLIDERS_TEV if energy is not None and math.isclose(energy, 1000 * tev)), None)
    if tev is not None:
        message = f"each beam has {tev:g} TeV, so the collisions have {2 * tev:g} TeV"
        yield ctx.problem(MMC340, _ENERGY, message, f"write `{500 * tev:g} GeV` for collisions of {tev:g} TeV")
    both, particles = beam_energies(ctx) if ctx.origin is MADGRAPH else None, ctx.get(*_PARTICLES)
    if both is not None and both[0] != both[1] and set(particles or ["p"]) == {"p"}:
        one, other = (value / 1000.0 for value in both)
        collision = f"{2 * math.sqrt(one * other):.4g} TeV"
        message = f"one proton has {one:g} TeV and the other {other:g} TeV, so the collisions have {collision}"
        help_text = (
            "write one energy; a run of the collider with another energy is another study, which `extends` this one; "
            "`others` of a combination takes its limits"
        )
        yield ctx.problem(MMC340, _ENERGY, message, help_text)


MMC382 = Code(
    "MMC382",
    "The beams of MadGraph do not fit the process",
    "With MadGraph, a lepton of a beam collides itself, with its full energy: each process starts with the leptons of "
    "the beams, in their order, as in `e- e+ > mu- mu+` with `particles: [e-, e+]`, or `e- p > e- j` with "
    "`particles: [e-, p]`. A proton contains quarks, gluons and photons, but mmc takes no leptons from it. Beams of "
    "leptons have no parton distributions that could be varied.",
)


@rule(MMC382)
def processes_of_beams(ctx: Context) -> Iterator[Diagnostic]:
    """Processes start with the leptons of the beams, and with no others."""
    particles = ctx.get(*_PARTICLES)
    for name, sample in samples(ctx).items() if particles is not None else ():
        labels = ctx.labels(sample)
        for line in lines_of(sample):
            incoming = [re.sub(r"\{.*?\}", "", word) for word in line.partition(">")[0].split()]
            if len(incoming) != len(particles) or ">" not in line:
                continue
            try:
                found = [particles_of(word, labels) for word in incoming]
            except ValueError:  # a label that is defined by itself: MadGraph refuses it
                continue
            if not all(map(_fits, particles, found)):
                message = f"{show(line[:60])} does not start with the beams, {particles[0]} and {particles[1]}"
                path = ("generation", "samples", name, "process")
                help_text = "name the leptons of the process in `beams.particles`, in its order"
                yield ctx.problem(MMC382, path, message, help_text)
                break


def _fits(beam: str, inside: tuple[str, ...]) -> bool:
    return beam in inside if beam in LEPTONS else not set(inside) & set(LEPTONS)


@rule(MMC319, MMC382)
def leptons_have_no_partons(ctx: Context) -> Iterator[Diagnostic]:
    """Without protons there is no set of parton distributions, and none is varied."""
    particles = ctx.get(*_PARTICLES)
    if ctx.origin is not MADGRAPH or particles is None or not set(particles) <= set(LEPTONS):
        return
    path: Path = ("generation", "beams", "pdf")
    if ctx.given(*path):
        message = "`pdf` has no effect: leptons collide with their full energy"
        yield ctx.problem(MMC319, path, message, "remove it", key=True)
    known = ctx.entries("systematics")
    for name, sample in samples(ctx).items():
        for index, key in enumerate(sample["systematics"]):
            if known.get(key, {}).get("effect") == "pdf":
                message = f"{show(key)} varies parton distributions, and the beams are leptons"
                at = ("generation", "samples", name, "systematics", index)
                yield ctx.problem(MMC382, at, message, "remove it")


MMC381 = Code(
    "MMC381",
    "The set of parton distributions is unknown",
    "A set is named by LHAPDF's name or number: `NNPDF31_nnlo_as_0118` is `303600`. MadGraph also has sets of its own, "
    "such as `nn23lo1`. mmc knows the sets that are used most. Write any other set as MadGraph needs it: its number in "
    "`beams.pdf`, its name in `variation`. LHAPDF's file `pdfsets.index` lists both.",
)


@rule(MMC381)
def parton_distributions(ctx: Context) -> Iterator[Diagnostic]:
    """Sets of parton distributions have a number for the run card, and a name for the weights."""
    path: Path = ("generation", "beams", "pdf")
    pdf = ctx.get(*path) if ctx.origin is MADGRAPH else None
    if pdf is not None and pdf not in parton_sets.MADGRAPHS_OWN and parton_sets.number_of(pdf) is None:
        known = [*parton_sets.MADGRAPHS_OWN, *parton_sets.NUMBERS]
        instead = "write its number from LHAPDF's file pdfsets.index"
        yield ctx.problem(
            MMC381,
            path,
            f"mmc does not know the number of the set {show(pdf)}",
            suggestion(pdf, known, lambda: instead),
        )
    for name, entry in ctx.entries("systematics").items():
        variation = entry.get("variation")
        if entry.get("effect") == "pdf" and variation is not None and parton_sets.name_of(variation) is None:
            message = f"mmc does not know the name of the set {variation}"
            help_text = "write its name from LHAPDF's file pdfsets.index"
            yield ctx.problem(MMC381, ("systematics", name, "variation"), message, help_text)
