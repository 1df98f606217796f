"""Rules about ratios of one group over another, and about mixtures of groups."""

from collections.abc import Iterator, Mapping
from typing import Any

from mmc.compiler.catalogue.baselines import BASELINES
from mmc.compiler.catalogue.methods import METHODS, MORPHING_AWARE, PARAMETERIZED, RATIO, names_of
from mmc.compiler.checks.context import Context, rule
from mmc.compiler.checks.methods import coordinates, estimator_of, methods_of
from mmc.compiler.language.diagnostics import Code, Diagnostic, one_of, show, suggestion
from mmc.compiler.language.document import Path
from mmc.compiler.study.mixtures import factors_of, whole_group
from mmc.compiler.study.scans import has_training_error

MMC568 = Code(
    "MMC568",
    "A mixture is not possible",
    "A mixture has for each group the ratio of its density to one that is the same for all groups. A method has the "
    "density of its `group` in the numerator, and in the denominator that at `theta1` of the same group, or of the "
    "group `over`. With two methods, the first varies with the parameters, and the second begins where it ends. A "
    "ratio at a single point, and `reference`, are for groups of backgrounds. The groups have no sample in common, and "
    "another group has all their samples. The cross sections come from morphing. The limits do not include the error "
    "of the training.",
)
MMC569 = Code(
    "MMC569",
    "A method cannot have the denominator of another group",
    "Events of two groups have no joint ratio and no joint score. So only carl, which learns from labels, can learn "
    "the ratio of one group over another, from weighted events and without nuisance parameters. Its estimator must not "
    "be 1 at `theta1` by construction, as the ratio of two groups is not. Limits are those of a mixture, which names "
    "the method.",
)


@rule(MMC569)
def over(ctx: Context) -> Iterator[Diagnostic]:
    """What is learned over another group is learned from labels, and a mixture names it."""
    labels_only = [name for name, method in METHODS.items() if method.family is RATIO and not method.learns_from]
    named = {name for _, entry in _sound(ctx) for said in entry["of"].values() for name in factors_of(said)}
    for name, method, entry in methods_of(ctx):
        if "over" not in entry:
            continue
        path: Path = ("methods", name, "over")
        estimator = estimator_of(method, entry)
        why = {
            f"{method.name} does not learn from labels alone": (method.name not in labels_only, "write `method: carl`"),
            f"the ratio of a {estimator.name} is 1 at `theta1`, as of the same group": (
                estimator.is_one_at_denominator,
                f"choose another `estimator`, {PARAMETERIZED.name} or {MORPHING_AWARE.name}",
            ),
            f"the numerator is of {show(entry['over'])} too": (
                _group(ctx, entry) == entry["over"],
                "name another group, or remove it",
            ),
            "simulated events are of one group": ("simulated" in entry.get("theta0", {}), "draw the samples at points"),
            "nuisance parameters would be those of one group": (
                entry.get("nuisance_mode") == "profile",
                "remove `nuisance_mode`",
            ),
            "the closure tests and limits of a tuning are those of one group": (
                entry.get("tuning", {}).get("criterion", "validation_loss") != "validation_loss",
                "write `criterion: validation_loss`",
            ),
            "no mixture names the method, so nobody uses it": (
                ctx.sound("mixtures") and name not in named,
                f"add `mixtures: {{all_samples: {{of: {{{_group(ctx, entry)}: {name}, …}}}}}}`",
            ),
        }
        for message, (is_so, help_text) in why.items():
            if is_so:
                yield ctx.problem(MMC569, path, message, help_text, key=True)


@rule(MMC568)
def mixtures(ctx: Context) -> Iterator[Diagnostic]:
    """Each mixture has a ratio for each of its groups, all with the same denominator."""
    if ctx.entries("regions"):
        for name in ctx.entries("mixtures"):
            help_text = (
                "let `cuts` of a study without `regions` select one region, with `groups`; `others` of a combination "
                "takes the limits of studies of the other regions"
            )
            message = "a mixture has groups of samples, and a study with `regions` has none"
            yield ctx.problem(MMC568, ("mixtures", name), message, help_text, key=True)
        return
    if not (ctx.sound("groups") and ctx.sound("methods") and ctx.samples):
        return
    for name, entry in _sound(ctx):
        path: Path = ("mixtures", name)
        if ctx.get("morphing") == "none":
            message = "without morphing, cross sections are known at benchmarks only"
            possible = one_of([method for method in names_of(RATIO) if not METHODS[method].needs_morphing])
            help_text = f"learn the ratio of all samples together, by one of {possible} of their group, and remove it"
            yield ctx.problem(MMC568, path, message, help_text, key=True)
        if name in BASELINES or name in ctx.entries("methods") or name in ctx.entries("combinations"):
            message = f"{show(name)} is the name of a method, baseline or combination"
            yield ctx.problem(MMC568, path, message, "choose another name", key=True)
        if not set(entry["of"]) <= set(ctx.entries("groups")):
            continue  # the rule about references says so
        yield from _together(ctx, (*path, "of"), entry["of"])
        known = True
        for group, said in entry["of"].items():
            problems = list(_ratio(ctx, (*path, "of", group), group, factors_of(said)))
            known = known and not problems
            yield from problems
        if known:
            yield from _denominators(ctx, (*path, "of"), entry["of"])


def _sound(ctx: Context) -> list[tuple[str, dict[str, Any]]]:
    return [(name, entry) for name, entry in ctx.entries("mixtures").items() if ctx.sound("mixtures", name, "of")]


def _together(ctx: Context, path: Path, of: Mapping[str, Any]) -> Iterator[Diagnostic]:
    """The groups have no sample in common, and another has them all."""
    groups = {name: samples_of(ctx, name) for name in ctx.entries("groups")}
    seen: dict[str, str] = {}
    for group in of:
        for sample in groups[group]:
            if (other := seen.setdefault(sample, group)) != group:
                message = f"{show(sample)} is in {show(other)} and in {show(group)}"
                yield ctx.problem(MMC568, (*path, group), message, "name groups without samples in common", key=True)
                return
    if whole_group(of, groups) is None:
        example = "all" if set(seen) == set(ctx.samples) else f"[{', '.join(seen)}]"
        message = "no group has the samples of these groups, and only these"
        yield ctx.problem(MMC568, path, message, f"add `together: {example}` to `groups`", key=True)


def _ratio(ctx: Context, path: Path, group: str, factors: list[str]) -> Iterator[Diagnostic]:
    """The ratios of a group follow each other, and vary with the parameters if its density does."""
    methods = ctx.entries("methods")
    for name in factors:
        if name not in methods:
            message = f"the study has no method {show(name)}"
            help_text = suggestion(name, methods, f"there are {one_of([*methods, 'reference'])}")
            yield ctx.problem(MMC568, path, message, help_text)
            return
        for message, help_text in _unfit(ctx, name, methods[name], group):
            yield ctx.problem(MMC568, path, message, help_text)
            return
    if len(factors) == 2:
        first, second = (methods[name] for name in factors)
        links = "over" not in first and "over" in second and _is_single(second.get("theta0", {}))
        if not links or coordinates(ctx, first["theta1"]) != coordinates(ctx, second["theta0"]):
            message = f"the numerator of {show(factors[1])} is not the denominator of {show(factors[0])}"
            help_text = f"give {factors[1]} `theta0` as {factors[0]} has `theta1`, and `over` another group"
            yield ctx.problem(MMC568, path, message, help_text)
            return
    varies = bool(factors) and not _is_single(methods[factors[0]]["theta0"])
    signals = [sample for sample in samples_of(ctx, group) if not ctx.samples.get(sample, {}).get("background", True)]
    if signals and not varies:
        message = f"{show(signals[0])} depends on the parameters, and its ratio does not"
        help_text = "name a method whose `theta0` are several points, and that of one point after it if need be"
        yield ctx.problem(MMC568, path, message, help_text)


def _unfit(ctx: Context, name: str, entry: Mapping[str, Any], group: str) -> Iterator[tuple[str, str]]:
    """Why a method is not a ratio of the density of a group to that at a point."""
    method = METHODS.get(entry.get("method", name))
    if method is None or "theta0" not in entry or "theta1" not in entry:
        if method is None or method.family is RATIO:
            return  # other rules say so
        yield f"{method.name} has no ratio to a point of its training", f"name one of {one_of(_ratios(), 9)}"
    elif method.family is not RATIO or estimator_of(method, entry).takes_any_denominator:
        yield f"{show(name)} has no single denominator", f"name one of {one_of(_ratios(), 9)}"
    elif _group(ctx, entry) != group:
        yield f"{show(name)} learns from {show(_group(ctx, entry) or 'all samples')}", f"give it `group: {group}`"
    elif entry.get("nuisance_mode") == "profile":
        yield (
            f"{show(name)} learns nuisance parameters, and a mixture has nominal densities",
            "remove its `nuisance_mode`; for nuisance parameters take sally, or ALICES of all samples together",
        )
    elif has_training_error(entry):
        message = f"the limits of a mixture do not include the error of the training of {show(name)}"
        yield message, "name a method without `error: included`, whose limits alone include it"
    elif entry["scan"] and "tuning" not in entry:
        yield f"{show(name)} has a `scan`, so several ratios", "add `tuning`, or name another method"


def _denominators(ctx: Context, path: Path, of: Mapping[str, Any]) -> Iterator[Diagnostic]:
    """All ratios end at the same density."""
    methods, ends = ctx.entries("methods"), {}
    for group, said in of.items():
        last = methods.get(factors_of(said)[-1]) if factors_of(said) else None
        if last is not None:
            ends[group] = (last.get("over", group), coordinates(ctx, last["theta1"]))
    if not ends:
        yield ctx.problem(MMC568, path, "no group has a method", "name a method for one group at least", key=True)
        return
    denominator, point = next(iter(ends.values()))
    for group, (other, other_point) in ends.items():
        if (other, other_point) != (denominator, point):
            where = "" if other != denominator else " at another point"
            message = f"the ratio of {show(group)} is over {show(other)}{where}, not over {show(denominator)}"
            help_text = "train carl with `over` the same group, and name it after the method"
            yield ctx.problem(MMC568, (*path, group), message, help_text)
    for group in of:
        if group not in ends and group != denominator:
            message = f"the other ratios are over {show(denominator)}, so {show(group)} is not the reference"
            yield ctx.problem(MMC568, (*path, group), message, f"name a method over {denominator}")


def _ratios() -> list[str]:
    return [name for name, method in METHODS.items() if method.family is RATIO]


def _group(ctx: Context, entry: Mapping[str, Any]) -> str | None:
    group: str | None = entry.get("group", next(iter(ctx.entries("groups")), None))
    return group


def samples_of(ctx: Context, group: str) -> tuple[str, ...]:
    """The samples of a group."""
    said = ctx.entries("groups")[group]
    return tuple(ctx.samples) if said == "all" else tuple(said)


def _is_single(theta: Mapping[str, Any]) -> bool:
    return "benchmark" in theta or "point" in theta
