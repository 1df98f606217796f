"""Rules about combinations of regions."""

from collections.abc import Iterator
from contextlib import suppress
from itertools import combinations
from typing import Any

from mmc.compiler.catalogue.baselines import BASELINES
from mmc.compiler.checks.annotations import MMC561
from mmc.compiler.checks.context import Context, rule
from mmc.compiler.checks.files import is_there
from mmc.compiler.checks.likelihood_scans import MMC524, without_grid
from mmc.compiler.checks.regions import binned_in_all, has_bins, in_regions
from mmc.compiler.inputs.observed_events import ObservedError, n_shared, parse_observed
from mmc.compiler.language.diagnostics import Code, Diagnostic, one_of, show, suggestion
from mmc.compiler.language.document import Path

MMC563 = Code(
    "MMC563",
    "There is nothing to combine",
    "A combination multiplies the likelihoods of methods and baselines that are evaluated in its regions or groups: "
    "each that all of them have, or the one that it names for each. A method with a `scan` has several likelihoods in "
    "a region, so it cannot be named.",
)
MMC567 = Code(
    "MMC567",
    "Results of another study cannot be combined so",
    "The limits of another study are its -2 ln λ on a grid, with the error of its simulation. So they are combined on "
    "a grid, with the method or baseline that the study names for each region, without toys and without "
    "normalisations that float.",
)
MMC564 = Code(
    "MMC564",
    "A combination is not possible",
    "The data of the regions must be independent. Groups combine samples, and the same data are compared with each of "
    "them; so only regions with other cuts can be combined, or groups of which the study says that they are of "
    "different data (`independent: true`), each with its own events. An observed event is in one region alone. Toys "
    "are drawn in the bins of the regions, and no normalisation floats in them.",
)


@rule(MMC563, MMC567)
def others(ctx: Context) -> Iterator[Diagnostic]:
    """Two likelihoods at least are combined; those of other studies on a grid."""
    for name, entry in ctx.entries("combinations").items():
        path: Path = ("combinations", name)
        if len(entry["of"]) < 2 and "others" not in entry:
            message = "a combination has at least two regions or groups"
            yield ctx.problem(MMC563, (*path, "of"), message, "add a region, or results of `others`", key=True)
        if "others" not in entry:
            continue
        why = {
            "`of` does not name the method or baseline of each region": isinstance(entry["of"], list),
            "normalisations float in bins, which the limits of another study do not have": "floating" in entry,
            "toys are not drawn for another study": ctx.get("evaluation", "confidence") == "toys",
            "the limits of another study are known on a grid, and this study has none": without_grid(ctx),
        }
        for message in (text for text, is_so in why.items() if is_so):
            help_text = "write `of: {REGION: METHOD}`" if isinstance(entry["of"], list) else "remove one of the two"
            yield ctx.problem(MMC567, (*path, "others"), message, help_text, key=True)


@rule(MMC561, MMC563)
def members(ctx: Context) -> Iterator[Diagnostic]:
    """A combination has regions or groups of the study, with something to combine."""
    places = [*ctx.entries("regions"), *ctx.entries("groups")]
    if not (ctx.sound("regions") and ctx.sound("groups") and ctx.sound("methods")):
        return
    for name, entry in ctx.entries("combinations").items():
        path: Path = ("combinations", name, "of")
        of, named = entry["of"], isinstance(entry["of"], dict)
        unknown = False
        for index, region in enumerate(of):
            if region not in places:
                unknown = True
                help_text = (
                    suggestion(region, places, lambda: f"there are {one_of(places)}") if places else "there are none"
                )
                message = f"the study has no region or group {show(region)}"
                yield ctx.problem(MMC561, (*path, region if named else index), message, help_text, key=named)
        if unknown:
            continue
        if named:
            for region, what in of.items():
                there = in_regions(ctx, region)
                if what not in there or _is_scanned(ctx, what):
                    scanned = f"{show(what)} has a `scan`, so several likelihoods" if what in there else ""
                    message = scanned or f"{show(what)} is not evaluated in {show(region)}"
                    help_text = suggestion(what, there, f"it has {one_of(there)}") if there else ""
                    yield ctx.problem(MMC563, (*path, region), message, help_text)
        elif not set.intersection(*(set(in_regions(ctx, region)) for region in of)):
            message = f"no method or baseline is evaluated in all of {one_of(of, len(of))}"
            help_text = "name one for each, as in `of: {one: sally, other: rate}`, or add `baselines: {rate: true}`"
            yield ctx.problem(MMC563, path, message, help_text, key=True)


def _is_scanned(ctx: Context, method: str) -> bool:
    entry: dict[str, Any] = ctx.entries("methods").get(method, {})
    return bool(entry.get("scan")) and "tuning" not in entry


@rule(MMC564)
def possible(ctx: Context) -> Iterator[Diagnostic]:
    """The data of a combination are independent, and its critical values can be calculated."""
    for name, entry in ctx.entries("combinations").items():
        path: Path = ("combinations", name)
        several = bool(ctx.entries("groups")) and len(entry["of"]) > 1
        if several and not entry["independent"]:
            message = "the same data are compared with each group, so their likelihoods are not independent"
            help_text = "select the data by `cuts` of `regions`, or write `independent: true` if the data are different"
            yield ctx.problem(MMC564, (*path, "of"), message, help_text, key=True)
        if several and ctx.get("evaluation", "observed") is not None:
            message = "the same observed events are compared with each group"
            help_text = "write `regions`, each with its own observed events"
            yield ctx.problem(MMC564, (*path, "of"), message, help_text, key=True)
        for first, second in combinations(filter(ctx.entries("regions").get, entry["of"]), 2):
            n = _n_shared(ctx, first, second)
            if n:
                message = f"{n:,} observed events are in both {first} and {second}"
                help_text = "write each event into the file of one region"
                yield ctx.problem(MMC564, (*path, "of"), message, help_text, key=True)
        if ctx.get("evaluation", "confidence") == "toys":
            yield from _toys(ctx, name, entry)
        if name in BASELINES or name in ctx.entries("methods"):
            message = f"{show(name)} is the name of a method or baseline"
            yield ctx.problem(MMC564, path, message, "choose another name", key=True)


def _n_shared(ctx: Context, *regions: str) -> int:
    """The number of observed events in both of two regions, as far as the compiler can tell."""
    observed = ctx.once(_observed)
    if not set(regions) <= observed.keys():
        return 0
    one, other = (observed[name] for name in regions)
    common = one.keys() & other.keys()
    return n_shared(*(list(zip(*(columns[name] for name in common), strict=True)) for columns in (one, other)))


def _observed(ctx: Context) -> dict[str, dict[str, tuple[float, ...]]]:
    """The observables of the observed events of each region, where these can be read; other rules say why not."""
    found, every = {}, ctx.names("observables")
    for region, entry in ctx.entries("regions").items():
        names, file = entry.get("observables", every), entry.get("observed", {}).get("file")
        text = ctx.read_text(file) if names and file is not None and is_there(ctx, file) else None
        with suppress(ObservedError):
            if text is not None:
                found[region] = dict(zip(names, zip(*parse_observed(text, names), strict=True), strict=True))
    return found


def _toys(ctx: Context, name: str, entry: dict[str, Any]) -> Iterator[Diagnostic]:
    """Toys of a combination are drawn in the bins of all its regions."""
    path: Path = ("combinations", name)
    of = entry["of"]
    if "floating" in entry:
        message = "toys do not fit normalisations that float"
        yield ctx.problem(MMC564, (*path, "floating"), message, "remove `confidence: toys`, or this", key=True)
    if ctx.get("evaluation", "systematics") == "profile":
        message = "toys of a combination do not fit nuisance parameters"
        help_text = "remove `confidence: toys`, or write `systematics: nominal`"
        yield ctx.problem(MMC564, (*path, "of"), message, help_text, key=True)
    without = [what for what in of.values() if not has_bins(ctx, what)] if isinstance(of, dict) else []
    if without or (isinstance(of, list) and binned_in_all(ctx, of) == []):
        message = "toys are drawn in bins, and " + (f"{show(without[0])} has none" if without else "there are none")
        help_text = "remove `confidence: toys`, or combine the rate, histograms or sally"
        yield ctx.problem(MMC564, (*path, "of"), message, help_text, key=True)


@rule(MMC524)
def on_a_grid(ctx: Context) -> Iterator[Diagnostic]:
    """Without a grid, likelihoods with bins are combined."""
    for name, entry in ctx.entries("combinations").items() if without_grid(ctx) else ():
        of = entry["of"]
        if not set(of) <= {*ctx.entries("regions"), *ctx.entries("groups")}:
            continue
        combined = list(of.values()) if isinstance(of, dict) else binned_in_all(ctx, of)
        without = [item for item in combined if not has_bins(ctx, item)]
        if without or not combined:
            what = f"the likelihood of {show(without[0])} has" if without else "the likelihoods have"
            message = f"{what} no bins, so they are combined on a grid, and the study has none"
            help_text = "write a `grid`, or combine the rate, histograms or sally"
            yield ctx.problem(MMC524, ("combinations", name, "of"), message, help_text, key=True)
