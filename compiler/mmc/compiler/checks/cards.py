"""Rules about cards: settings and card files must not set what the study itself sets."""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from mmc.compiler.catalogue import parton_sets
from mmc.compiler.catalogue.generators import MADGRAPH, UFO
from mmc.compiler.checks.beams import LEPTONS, beam_energies
from mmc.compiler.checks.context import Context, rule
from mmc.compiler.checks.detector import MMC319
from mmc.compiler.checks.events import counts
from mmc.compiler.checks.files import is_there
from mmc.compiler.checks.madgraph import places_of_parameters, samples, shared
from mmc.compiler.inputs import cards
from mmc.compiler.language.diagnostics import Code, Diagnostic, show
from mmc.compiler.language.document import Path

_LPP = {"p": 1, "pbar": -1, **dict.fromkeys(LEPTONS, 0)}
_TRUE = ("true", ".true.", "t")
_EVENTS, _SEED = "`events` and `events_per_job` of a sample", "`seed`"
_PDF, _SYSTEMATICS = "`generation.beams.pdf`", "`systematics`"
RUN_CARD = {
    "nevents": _EVENTS,
    "iseed": _SEED,
    "python_seed": _SEED,
    **dict.fromkeys(("ebeam1", "ebeam2"), "`generation.beams.energy`"),
    **dict.fromkeys(("lpp1", "lpp2"), "`generation.beams.particles`"),
    **dict.fromkeys(("pdlabel", "pdlabel1", "pdlabel2", "lhaid"), _PDF),
    "gridpack": "`events.samples`, which reads the files that a gridpack wrote: mmc makes and starts none",
    **dict.fromkeys(("use_syst", "systematics_program", "systematics_arguments"), _SYSTEMATICS),
    **dict.fromkeys(("sys_scalefact", "sys_alpsfact", "sys_matchscale", "sys_pdf"), _SYSTEMATICS),
}
"""The settings that a run card must not contain, each with its place in the study."""
_MATCHING = (*cards.MERGING, "xqcut")
_PYTHIA = {
    "beams:": "`generation.beams`",
    "random:": _SEED,
    "main:numberofevents": _EVENTS,
    "hepmcoutput:": "nowhere: mmc chooses the output file of each job",
}
"""The same for Pythia: the start of a name in lower case, and its place in the study."""
_MADGRAPH_DEFAULTS = {("main:numberofevents", "-1"), ("hepmcoutput:file", "auto"), ("random:setseed", "off")}
"""The entries of the Pythia card that MadGraph writes; they change nothing."""


class Card(NamedTuple):
    """The run card of a sample or of one of its slices, or the param card of a sample."""

    path: Path
    """Where the study names the file."""
    file: str
    sample: Mapping[str, Any]
    settings: frozenset[str] = frozenset()
    """The settings, in lower case, that the study has in place of those of a run card."""


def run_card_places(ctx: Context) -> Iterator[tuple[Path, Iterable[Any]]]:
    """The places of the study with settings of run cards, each with the samples that use them."""
    every = samples(ctx)
    if every:
        yield ("generation", "run_card"), every.values()
    for name, sample in every.items():
        path: Path = ("generation", "samples", name)
        yield (*path, "run_card"), [sample]
        yield from (((*path, "slices", key), [sample]) for key in sample.get("slices", ()))


MMC320 = Code(
    "MMC320",
    "A setting of a card is set by the study",
    "The study sets numbers of events, beams, parton distributions, seeds and systematic variations, each in one "
    "place. `mmc` derives the number of events and the seed of every job from them and writes these into the cards.",
)


@rule(MMC320)
def run_card_settings(ctx: Context) -> Iterator[Diagnostic]:
    """Settings of the run card do not set what the study sets."""
    for path, concerned in run_card_places(ctx):
        for name, value in (ctx.get(*path) or {}).items():
            place = RUN_CARD.get(name.lower())
            if place is None:
                continue
            if name.lower() == "use_syst":
                varied = any(_varies(ctx, sample) for sample in concerned)
                if (str(value).lower() in _TRUE) == varied:
                    continue
            yield _setting(ctx, (*path, name), name, place)


MMC333 = Code(
    "MMC333",
    "Jets are matched to the shower by a card",
    "Samples with different numbers of jets overlap after the shower. `merging` of a sample merges them (MLM, CKKW-L): "
    "it sets `ickkw`, `xqcut` and `ptlund` in the run card, and what Pythia needs. Settings of the run card alone "
    "would change the events and not the shower. Shower-kT MLM and merging in Durham kT (`ktdurham`) are not "
    "supported, as Pythia's Python package does not have their scales.",
)


@rule(MMC333)
def matching(ctx: Context) -> Iterator[Diagnostic]:
    """Events with different numbers of jets are merged by `merging` alone."""
    if ctx.get("generation", "shower") in (None, "none"):
        return
    for path, concerned in run_card_places(ctx):
        for name, value in (ctx.get(*path) or {}).items():
            if name.lower() in _MATCHING and cards.is_positive(str(value)):
                message = f"`{name}` changes the events for merging, but not the shower"
                yield ctx.problem(MMC333, (*path, name), message, _merged(concerned), key=True)
    for card in run_cards(ctx):
        for entry in _run_card(ctx, card.file, _MATCHING):
            if cards.is_positive(entry.value) and entry.name not in card.settings and "merging" not in card.sample:
                message = f"line {entry.line} of {card.file[:100]} changes the events for merging, but not the shower"
                help_text = f"{_merged([card.sample])}; or write `{entry.name}: 0` beside `file`"
                yield ctx.problem(MMC333, card.path, message, help_text)


def _merged(concerned: Iterable[Mapping[str, Any]]) -> str:
    if any("merging" in sample for sample in concerned):
        return "remove it: `merging` sets it"
    return "write it in the sample, as in `merging: {scheme: mlm, jets: 2, xqcut: 20 GeV}`"


@rule(MMC320)
def pythia_settings(ctx: Context) -> Iterator[Diagnostic]:
    """Settings of Pythia do not set what the study sets."""
    path = ("generation", "shower", "settings")
    for name in ctx.entries(*path) if ctx.origin in (MADGRAPH, UFO) else ():
        place = place_of_pythia(name)
        if place is not None:
            yield _setting(ctx, (*path, name), name, place)


def _setting(ctx: Context, path: Path, name: str, place: str) -> Diagnostic:
    message = f"`{name}` is set by the study and cannot be set here"
    return ctx.problem(MMC320, path, message, f"remove it; its place is {place}", key=True)


def place_of_pythia(name: str) -> str | None:
    """The place in the study of a setting of Pythia that the study sets; None for other settings."""
    return next((place for start, place in _PYTHIA.items() if name.lower().startswith(start)), None)


MMC321 = Code(
    "MMC321",
    "A card contradicts the study",
    "The study sets numbers of events, beams, parton distributions, seeds and systematic variations, and mmc writes "
    "them into the cards of every job. A different value in a card file is overruled, as in cards of a collaboration: "
    "the study counts. Change the study if the card is right. A line that agrees with the study is not mentioned, and "
    "neither is `iseed = 0`. Every job has its own seed.",
    "warning",
)


@rule(MMC321)
def run_card_files(ctx: Context) -> Iterator[Diagnostic]:
    """Run cards do not contradict the study."""
    for card in run_cards(ctx):
        accepted = _accepted(ctx, card.sample)
        for entry in _run_card(ctx, card.file, tuple(RUN_CARD)):
            if entry.name in accepted and not _agrees(accepted[entry.name], entry.value):
                yield _contradiction(ctx, card.path, card.file, entry, RUN_CARD[entry.name])


@rule(MMC321)
def other_card_files(ctx: Context) -> Iterator[Diagnostic]:
    """Cards of Pythia and Delphes do not contradict the study."""
    path: Path = ("generation", "shower", "card")
    file = ctx.get(*path)
    for entry in cards.pythia(card_text(ctx, file) or "") if file is not None else ():
        place = place_of_pythia(entry.name)
        if place is not None and (entry.name.lower(), entry.value.lower()) not in _MADGRAPH_DEFAULTS:
            yield _contradiction(ctx, path, file, entry, place)
    path, file = ("detector", "card"), ctx.get("detector", "card")
    for entry in cards.delphes_seeds(card_text(ctx, file) or "") if file is not None else ():
        yield _contradiction(ctx, path, file, entry, "`seed`, from which every job has its own")


MMC322 = Code(
    "MMC322",
    "A param card lacks a parameter",
    "mmc sets each parameter in the param card at its `lha_block` and `lha_id`; MadMiner fails if the card has no "
    "such entry. Without `param_card`, mmc takes the card that MadGraph writes for the process.",
)


@rule(MMC322)
def param_cards(ctx: Context) -> Iterator[Diagnostic]:
    """Param cards of signals have an entry for every parameter."""
    signals = {card.path: card.file for card in param_cards_of(ctx) if not card.sample["background"]}
    for path, file in signals.items():
        text = card_text(ctx, file) or ""
        for parameter, place in places_of_parameters(ctx).items() if cards.param_card(text) else ():
            if cards.missing_entries(text, [place.lower()]):
                message = f"{file[:100]} has no entry {place} for the parameter {show(parameter)}"
                help_text = "correct `lha_block` and `lha_id`, or remove `param_card`: MadGraph then writes the card"
                yield ctx.problem(MMC322, path, message, help_text)


MMC339 = Code(
    "MMC339",
    "MadGraph computes an entry of the param card from others",
    "Entries below the line `Dependent parameters` of a block follow from other entries. MadGraph writes them into the "
    "card for other programs and ignores their values, so all benchmarks would be the same point. Take a parameter of "
    "the model, or a model in which this one is free.",
)


@rule(MMC339)
def dependent_entries(ctx: Context) -> Iterator[Diagnostic]:
    """No parameter and no entry of the study is one that MadGraph computes."""
    places = places_of_parameters(ctx)
    for path, file in {card.path: card.file for card in param_cards_of(ctx)}.items():
        dependent = cards.dependent(card_text(ctx, file) or "")
        for parameter, place in places.items() if dependent else ():
            if place.lower() in dependent:
                message = f"{file[:100]} has {place}, the parameter {show(parameter)}, below `Dependent parameters`"
                yield ctx.problem(MMC339, path, message, "MadGraph ignores its value: take a parameter of the model")
        for entry in (ctx.get(*path[:-1]) or {}) if dependent else ():
            if entry.lower() in dependent:
                message = f"{file[:100]} has {entry} below `Dependent parameters`: the entry has no effect"
                yield ctx.problem(MMC339, (*path[:-1], entry), message, "remove it", key=True)


@rule(MMC319, MMC322)
def param_card_entries(ctx: Context) -> Iterator[Diagnostic]:
    """Param cards have every entry that the study sets, and no such entry is a parameter of the study."""
    own = {place.lower(): name for name, place in places_of_parameters(ctx).items()}
    shared: Path = ("generation", "param_card")
    places = [shared, *(("generation", "samples", name, "param_card") for name in samples(ctx))]
    for path in places if ctx.origin is MADGRAPH else ():
        file = ctx.get(*path, "file") or ctx.get(*shared, "file")
        text = None if file is None else card_text(ctx, file)
        said = {key.lower(): key for key in ctx.get(*path) or {} if key != "file"}
        for key in said.keys() & own.keys():
            message = (
                f"`{said[key]}` has no effect: this entry is the parameter {show(own[key])}, set at every benchmark"
            )
            yield ctx.problem(MMC319, (*path, said[key]), message, "remove it", key=True)
        for key in cards.missing_entries(text, said) if text is not None and said else ():
            message = f"{file[:100]} has no entry {said[key]}"
            yield ctx.problem(MMC322, (*path, said[key]), message, "correct it, or remove it", key=True)


def param_cards_of(ctx: Context) -> Iterator[Card]:
    """The param card files of the samples."""
    for name, sample in samples(ctx).items():
        places: tuple[Path, ...] = (("generation", "samples", name, "param_card"), ("generation", "param_card"))
        path = next((place for place in places if ctx.get(*place, "file") is not None), None)
        if path is not None:
            yield Card((*path, "file"), ctx.get(*path, "file"), sample)


MMC380 = Code(
    "MMC380",
    "A card is not a text file",
    "MadGraph, Pythia and Delphes read cards line by line: a card is UTF-8 text of at most 2 MB.",
)


@rule(MMC380)
def texts(ctx: Context) -> Iterator[Diagnostic]:
    """Cards are text files."""
    named = {card.path: card.file for card in run_cards(ctx)}
    places: list[Path] = [("generation", "shower", "card"), ("detector", "card"), ("generation", "param_card", "file")]
    places += [("generation", "samples", name, "param_card", "file") for name in samples(ctx)]
    named |= {path: ctx.get(*path) for path in places if ctx.get(*path) is not None}
    for path, file in named.items():
        if is_there(ctx, file) and ctx.read_text(file) is None:
            yield ctx.problem(MMC380, path, f"{show(file)} is not a card: it is not UTF-8 text, or larger than 2 MB")


def card_text(ctx: Context, file: str) -> str | None:
    """The text of a card; None if the file cannot be read, which another rule reports."""
    return ctx.read_text(file) if is_there(ctx, file) else None


def _run_card(ctx: Context, file: str, names: tuple[str, ...]) -> tuple[cards.Entry, ...]:
    """The different settings with these names of a run card."""
    text = card_text(ctx, file)
    return () if text is None else _settings(text, names)


@lru_cache(maxsize=32)
def _settings(text: str, names: tuple[str, ...]) -> tuple[cards.Entry, ...]:
    found: dict[tuple[str, str], cards.Entry] = {}
    for entry in cards.run_card(text):
        if entry.name in names:
            found.setdefault((entry.name, entry.value), entry)
    return tuple(found.values())


def _contradiction(ctx: Context, path: Path, file: str, entry: cards.Entry, place: str) -> Diagnostic:
    message = f"line {entry.line} of {file[:100]} sets {entry.name} to {entry.value[:60]}, which the study overrules"
    help_text = f"change {place} if the card is right"
    if entry.name == "gridpack":
        help_text = "mmc makes no gridpacks and starts none: name the files that a gridpack wrote in `events.samples`"
    return ctx.problem(MMC321, path, message, help_text)


def run_cards(ctx: Context) -> Iterator[Card]:
    """The run card files of the samples and their slices."""
    for name, sample in samples(ctx).items():
        own: Path = ("generation", "samples", name)
        for slices in [(*own, "slices", key) for key in sample.get("slices", ())] or [()]:
            places: tuple[Path, ...] = (slices, (*own, "run_card"), ("generation", "run_card"))
            path = next((place for place in places if place and ctx.get(*place, "file") is not None), None)
            if path is not None:
                own_settings = (key.lower() for place in places if place for key in ctx.get(*place) or {})
                yield Card((*path, "file"), ctx.get(*path, "file"), sample, frozenset(own_settings))


def _varies(ctx: Context, sample: Mapping[str, Any]) -> bool:
    """Whether a sample has a systematic uncertainty for which MadGraph writes weights."""
    known = ctx.entries("systematics")
    return any(known.get(name, {}).get("effect") in ("scale", "pdf") for name in sample["systematics"])


def _accepted(ctx: Context, sample: Mapping[str, Any]) -> dict[str, set[Any]]:
    """For each setting that the study sets, the values that agree with the study; text is in lower case."""
    energies, particles = beam_energies(ctx), ctx.get("generation", "beams", "particles")
    pdf = ctx.get("generation", "beams", "pdf")
    number = None if pdf is None or pdf in parton_sets.MADGRAPHS_OWN else parton_sets.number_of(pdf)
    accepted: dict[str, set[Any]] = {
        "nevents": {*counts(ctx, sample), shared(ctx, sample, "events_per_job")},
        "iseed": {0},
        "gridpack": {"f", "false", ".false.", 0},
        "python_seed": {-2},  # MadGraph's value for "the same as iseed"
    }
    if energies is not None:
        accepted |= {"ebeam1": {energies[0]}, "ebeam2": {energies[1]}}
    if particles is not None:
        accepted |= {"lpp1": {_LPP[particles[0]]}, "lpp2": {_LPP[particles[1]]}}
    if number is not None:
        accepted["lhaid"] = {number}  # MadGraph reads it for LHAPDF sets only
    if pdf is not None:
        label = pdf if number is None else "lhapdf"
        accepted |= {"pdlabel": {label}, "pdlabel1": {label}, "pdlabel2": {label}}
    if _varies(ctx, sample):  # otherwise MadGraph does not use these settings
        accepted |= {name: set() for name, place in RUN_CARD.items() if place == _SYSTEMATICS}
        accepted["use_syst"] = {*_TRUE, 1}
    return accepted


def _agrees(accepted: set[Any], value: str) -> bool:
    return value.strip("'\"").lower() in accepted or cards.number(value) in accepted
