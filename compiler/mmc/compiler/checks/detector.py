"""Rules about the detector: resolutions that have an effect, and the inputs of Delphes."""

from collections.abc import Iterator
from typing import Any

from mmc.compiler.catalogue import generators
from mmc.compiler.catalogue.generators import EVENT_SAMPLES, GENERATORS
from mmc.compiler.catalogue.stages import DETECT
from mmc.compiler.checks.context import Context, rule
from mmc.compiler.language.diagnostics import Code, Diagnostic, show
from mmc.compiler.language.document import Path

SMEARED = frozenset((*range(-6, 7), *range(-16, -10), *range(11, 17), 21, 22, 23, 24, -24, 25)) - {0}
"""The PDG codes of the particles that MadMiner's LHE reader smears: all elementary ones of the Standard Model."""


MMC310 = Code(
    "MMC310",
    "A resolution has no effect",
    "One of three cases: a particle code is in two entries of `smearing`, of which MadMiner uses the last; the reader "
    "does not smear particles with this code; or the resolution is for the quantity that `on_shell` computes from "
    "the others.",
)


@rule(MMC310)
def smearing(ctx: Context) -> Iterator[Diagnostic]:
    """Every resolution that is given has an effect."""
    seen: dict[int, int] = {}
    for index, entry in enumerate(ctx.get("detector", "smearing") or []):
        path = ("detector", "smearing", index)
        for place, code in enumerate(entry["pdgids"]):
            at = (*path, "pdgids", place)
            if code not in SMEARED:
                help_text = "antiparticles have negative codes; muons are 13 and -13"
                yield ctx.problem(MMC310, at, f"the reader does not smear particles with PDG code {code}", help_text)
            elif seen.setdefault(code, index) != index:
                message = (
                    f"the particle {code} already has resolutions in entry {seen[code]}; only the last would count"
                )
                yield ctx.problem(MMC310, at, message, "name each particle once")
        derived = entry.get("on_shell")
        for key in (f"{derived}_resolution_abs", f"{derived}_resolution_rel"):
            if derived is not None and ctx.given(*path, key):
                message = f"`{key}` has no effect: `on_shell: {derived}` computes it from the other quantities"
                yield ctx.problem(MMC310, (*path, key), message, "remove one of the two", key=True)


def runs_delphes(ctx: Context) -> bool:
    """Whether Delphes has to run: it is the detector simulation, and some event file lacks its output."""
    return generators.runs_delphes(ctx.sound_data)


def _files(ctx: Context) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The event files of all samples; generated events are one file without keys."""
    if ctx.origin is not EVENT_SAMPLES:
        yield (), {}
    for name, sample in ctx.samples.items():
        for index, file in enumerate(sample.get("files", ())):
            yield (*ctx.samples_path, name, "files", index), file


def _knows_files(ctx: Context) -> bool:
    """Whether particles are read, and the event files are valid."""
    return ctx.reads_particles and (ctx.origin is not EVENT_SAMPLES or ctx.sound("events"))


MMC319 = Code(
    "MMC319",
    "A setting has no effect",
    "Another part of the study makes this setting useless. Examples: an entry of a param card for a generator that "
    "has none, a shower whose particles are not read, a Delphes card although Delphes does not run, an efficiency, "
    "which MadMiner's reader of Delphes files does not support. Remove one of the two, so that the study describes "
    "what is done.",
)
MMC327 = Code(
    "MMC327",
    "Delphes needs one card",
    "The card of Delphes is a file beside the study (`card`), or one that Delphes ships (`shipped_card`). No card is "
    "needed if every event file comes with the output of Delphes.",
)


@rule(MMC327, MMC319)
def delphes_card(ctx: Context) -> Iterator[Diagnostic]:
    """Delphes has one card if it runs."""
    detector = ctx.get("detector")
    if detector is None or ctx.reader != "delphes" or not _knows_files(ctx):
        return
    given = [key for key in ("card", "shipped_card") if key in detector]
    if not runs_delphes(ctx):
        for key in given:
            message = f"`{key}` has no effect: every event file comes with the output of Delphes"
            yield ctx.problem(MMC319, ("detector", key), message, "remove it", key=True)
    elif not given:
        help_text = "add `card: FILE`, or the name of one that Delphes ships: `shipped_card: delphes_card_CMS.tcl`"
        yield ctx.problem(MMC327, ("detector",), "Delphes has no card", help_text, key=True)
    elif len(given) > 1:
        path = ("detector", "shipped_card")
        yield ctx.problem(MMC327, path, "Delphes has two cards", "keep `card` or `shipped_card`", key=True)


MMC328 = Code(
    "MMC328",
    "Delphes needs showered events",
    "Delphes simulates the response of the detector to stable particles and clusters hadrons into jets. The embedded "
    "generator stops at parton level. With MadGraph write `shower: {program: pythia8}`. An event file needs a HepMC "
    "file, or the output of Delphes. Delphes runs on all event files or on none.",
)


@rule(MMC328)
def showered_events(ctx: Context) -> Iterator[Diagnostic]:
    """Delphes reads showered events."""
    if ctx.reader != "delphes" or not _knows_files(ctx):
        return
    path = ("detector", "simulation")
    origin = ctx.origin
    if origin is not None and DETECT.name not in origin.stages:
        message = f"Delphes needs showered events, and the generator {origin.name} stops at parton level"
        others = " or ".join(
            f"`generator: {name}`" for name, other in GENERATORS.items() if DETECT.name in other.stages
        )
        help_text = f"take `simulation: smearing`, or {others} with a shower"
        yield ctx.problem(MMC328, path, message, help_text)
    elif ctx.get("generation", "shower") == "none":
        message = "Delphes needs showered events, and the study has no shower"
        yield ctx.problem(MMC328, path, message, "add `shower: {program: pythia8}` to `generation`")
    elif runs_delphes(ctx):
        for at, file in _files(ctx):
            if at and "hepmc" not in file:
                brought = "delphes" in file
                message = f"Delphes runs on all files, but {show(file['lhe'])} has no showered events"
                help_text = "name them: `hepmc: …`, or " + (
                    "give the output of Delphes for the other files too" if brought else "its output: `delphes: …`"
                )
                yield ctx.problem(MMC328, at, message, help_text)


@rule(MMC319)
def without_effect(ctx: Context) -> Iterator[Diagnostic]:
    """Efficiencies, the shower and the files of Delphes have an effect on the observables."""
    if ctx.reader == "delphes":
        if ctx.get("efficiencies") and ctx.reads_particles:
            message = "`efficiencies` have no effect: MadMiner's reader of Delphes files does not support them"
            yield ctx.problem(MMC319, ("efficiencies",), message, "put them into the card of Delphes", key=True)
        for path, file in _files(ctx) if runs_delphes(ctx) else ():
            if {"delphes", "hepmc"} <= set(file):
                message = "the output of Delphes has no effect: other files lack it, so Delphes runs on all files"
                yield ctx.problem(MMC319, (*path, "delphes"), message, "give it for all files, or for none", key=True)
        return
    for path, file in _files(ctx):
        for key in ("hepmc", "delphes"):
            if key in file:
                message = f"`{key}` has no effect: with smearing, the reader takes the particles of the LHE file"
                help_text = "remove it, or write `detector: {simulation: delphes}`"
                yield ctx.problem(MMC319, (*path, key), message, help_text, key=True)
    if isinstance(ctx.get("generation", "shower"), dict):
        message = "the shower has no effect: with smearing, the reader takes the particles before the shower"
        help_text = "write `detector: {simulation: delphes}`, or `shower: none`"
        yield ctx.problem(MMC319, ("generation", "shower"), message, help_text, key=True)
