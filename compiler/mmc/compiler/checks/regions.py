"""Rules about regions: what is in them, and what is trained and computed in them."""

from collections.abc import Iterator
from typing import Any

from mmc.compiler.catalogue.baselines import BASELINES, FISHER, HISTOGRAM, names_of_limits
from mmc.compiler.catalogue.methods import METHODS
from mmc.compiler.checks.context import Context, rule
from mmc.compiler.checks.evaluation import histograms
from mmc.compiler.checks.mixtures import samples_of
from mmc.compiler.language.diagnostics import Code, Diagnostic, one_of, show
from mmc.compiler.language.document import Path
from mmc.compiler.study.mixtures import whole_group

MMC560 = Code(
    "MMC560",
    "A setting does not belong to a study with regions",
    "The events of each region are combined separately, with the samples that the region names. So a study with "
    "`regions` has no `groups`, and each region names its own observed events.",
)


@rule(MMC560)
def foreign_settings(ctx: Context) -> Iterator[Diagnostic]:
    """A study with regions has neither groups nor observed events of all regions together."""
    if not ctx.entries("regions"):
        return
    if ctx.given("groups"):
        message = "a study with `regions` has no `groups`"
        help_text = "write a group as a region without cuts, as in `regions: {signal: {samples: [wh]}}`"
        yield ctx.problem(MMC560, ("groups",), message, help_text, key=True)
    path: Path = ("evaluation", "observed", "file")
    if ctx.given(*path):
        message = "it is not known in which regions the observed events are"
        yield ctx.problem(MMC560, path, message, "write `observed` in each region, with a file of its own", key=True)


MMC562 = Code(
    "MMC562",
    "A region lacks an observable",
    "A region with `observables` has only these. Methods, histograms and Fisher information are for regions that have "
    "all observables that they use.",
)


@rule(MMC562)
def observables(ctx: Context) -> Iterator[Diagnostic]:
    """What is trained or computed in a region has its observables there."""
    regions, every = ctx.entries("regions"), ctx.names("observables")
    if not regions or every is None or not ctx.sound("regions"):
        return
    has = {name: set(entry.get("observables", every)) for name, entry in regions.items()}
    for path, needed, said in _uses(ctx):
        lacking = {name: [item for item in needed if item not in has[name]] for name in said or has if name in has}
        if said is None:
            if all(lacking.values()):
                message = f"no region has all of {one_of(needed)}"
                yield ctx.problem(MMC562, path, message, "add them to `observables` of a region")
            continue
        for index, name in enumerate(said):
            if lacking.get(name):
                message = f"the region {show(name)} has no {one_of(lacking[name])}"
                help_text = "add it to `observables` of the region, or remove the region here"
                yield ctx.problem(MMC562, (*path[:-1], "regions", index), message, help_text)


def in_regions(ctx: Context, region: str) -> list[str]:
    """The methods, mixtures and baselines that are evaluated in a region or group, as combinations name them."""
    group = region in ctx.entries("groups")
    first = next(iter(ctx.entries("groups")), None)
    asked = {kind: ctx.get("evaluation", "baselines", kind) for kind in names_of_limits() if kind != HISTOGRAM.name}
    found = [kind for kind, entry in asked.items() if entry]
    methods = {name: entry for name, entry in ctx.entries("methods").items() if "over" not in entry}
    wholes = {name: _whole(ctx, entry) for name, entry in ctx.entries("mixtures").items()}
    learned = {*(entry.get("group", first) for entry in methods.values()), *wholes.values()} or {first}
    if group:
        asked |= {_name(path): entry for path, entry in histograms(ctx) if path[1] == "baselines"}
        groups = {name: [entry["group"]] if _has_group(entry) else learned for name, entry in asked.items() if entry}
        found = [name for name, entry in methods.items() if entry.get("group", first) == region]
        found += [name for name, whole in wholes.items() if whole == region]
        return [name for name, computed in groups.items() if region in computed] + found
    every, entry = ctx.names("observables") or [], ctx.entries("regions").get(region, {})
    has = set(entry.get("observables", every))
    needs = {path: (needed, said) for path, needed, said in _uses(ctx)}
    for name, method in methods.items():
        needed, said = needs.get(("methods", name, "features"), ([], method.get("regions")))
        if region in said if said is not None else set(needed) <= has:
            found.append(name)
    for path, _ in histograms(ctx):
        needed, said = needs.get((*path, "observables"), ([], []))
        if region in said if said is not None else set(needed) <= has:
            found.append(_name(path))
    return found


def _whole(ctx: Context, mixture: dict[str, Any]) -> str | None:
    """The group in which a mixture is evaluated."""
    groups = {name: samples_of(ctx, name) for name in ctx.entries("groups")}
    return whole_group(mixture["of"], groups) if set(mixture["of"]) <= set(groups) else None


def _has_group(baseline: Any) -> bool:
    return isinstance(baseline, dict) and "group" in baseline


def binned_in_all(ctx: Context, of: list[str]) -> list[str]:
    """The methods and baselines with bins that all of some regions have."""
    there = [in_regions(ctx, region) for region in of]
    return [name for name in there[0] if all(name in others for others in there) and has_bins(ctx, name)]


def has_bins(ctx: Context, name: str) -> bool:
    """Whether the likelihood of a method or baseline is that of a histogram with the same bins at all points."""
    if name in BASELINES:
        return BASELINES[name].has_bins
    entry = ctx.entries("methods").get(name)
    if name in ctx.entries("mixtures"):
        return False
    if entry is None:  # a named histogram
        return HISTOGRAM.has_bins
    method = METHODS.get(entry.get("method", name))
    return method is None or method.has_bins(ctx.get("evaluation", "score_likelihood"))


def _name(histogram: Path) -> str:
    return str(histogram[-1])


def _uses(ctx: Context) -> Iterator[tuple[Path, list[str], list[str] | None]]:
    """The places of observables, these observables, and the regions that the study names for them."""
    sets = ctx.entries("feature_sets")
    for name, entry in ctx.entries("methods").items():
        said: Any = entry.get("features")
        said = sets.get(said) if isinstance(said, str) else said
        if isinstance(said, list):
            yield ("methods", name, "features"), said, entry.get("regions")
    information: Path = ("evaluation", *FISHER.section)
    in_information = [ctx.get(*information, "observable")] if ctx.get(*information, "observable") else []
    in_information += list(ctx.entries(*information, "per_bin"))
    for path, histogram in histograms(ctx):
        if path[: len(information)] == information:
            in_information += histogram["observables"]
        else:
            yield (*path, "observables"), histogram["observables"], histogram.get("regions")
    if in_information:
        yield information, list(dict.fromkeys(in_information)), None
