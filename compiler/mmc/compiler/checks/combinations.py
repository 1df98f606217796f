"""Rules about combinations of regions."""

from collections.abc import Iterator
from typing import Any

from mmc.compiler.catalogue.baselines import BASELINES
from mmc.compiler.checks.annotations import MMC561
from mmc.compiler.checks.context import Context, rule
from mmc.compiler.checks.likelihood_scans import MMC524, without_grid
from mmc.compiler.checks.regions import binned_in_all, has_bins, in_regions
from mmc.compiler.language.diagnostics import Code, Diagnostic, one_of, show, suggestion
from mmc.compiler.language.document import Path

MMC563 = Code(
    "MMC563",
    "There is nothing to combine",
    "A combination multiplies the likelihoods of methods and baselines that are evaluated in its regions or groups: "
    "each that all of them have, or the one that it names for each. A method with a `scan` has several likelihoods in "
    "a region, so it cannot be named.",
)
MMC564 = Code(
    "MMC564",
    "A combination is not possible",
    "The data of the regions must be independent. Groups combine samples, and the same data are compared with each of "
    "them; so only regions with other cuts can be combined, or groups of which the study says that they are of "
    "different data (`independent: true`), each with its own events. Critical values from toys are those of a single "
    "region.",
)


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
    """The data of a combination are independent, and its limits are asymptotic."""
    for name, entry in ctx.entries("combinations").items():
        path: Path = ("combinations", name)
        if ctx.entries("groups") and not entry["independent"]:
            message = "the same data are compared with each group, so their likelihoods are not independent"
            help_text = "select the data by `cuts` of `regions`, or write `independent: true` if the data are different"
            yield ctx.problem(MMC564, (*path, "of"), message, help_text, key=True)
        if ctx.entries("groups") and ctx.get("evaluation", "observed") is not None:
            message = "the same observed events are compared with each group"
            help_text = "write `regions`, each with its own observed events"
            yield ctx.problem(MMC564, (*path, "of"), message, help_text, key=True)
        if ctx.get("evaluation", "confidence") == "toys":
            message = "combinations have no critical values from toys"
            yield ctx.problem(MMC564, path, message, "remove `confidence: toys`, or the combination", key=True)
        if name in BASELINES or name in ctx.entries("methods"):
            message = f"{show(name)} is the name of a method or baseline"
            yield ctx.problem(MMC564, path, message, "choose another name", key=True)


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
