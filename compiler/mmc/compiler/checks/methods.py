"""Rules about methods: their required and foreign settings, estimators, points and priors."""

from collections.abc import Iterator, Mapping
from math import inf
from typing import Any

from mmc.compiler.catalogue.methods import (
    DOUBLE,
    ESTIMATORS,
    METHODS,
    MORPHING_AWARE,
    SCORE,
    SUGGESTED,
    EstimatorType,
    LearningMethod,
    names_of,
    names_with_score_term,
)
from mmc.compiler.catalogue.names import IN_BASIS
from mmc.compiler.checks.context import Context, rule
from mmc.compiler.checks.systematics import has_no_systematics
from mmc.compiler.language.diagnostics import Code, Diagnostic, one_of, show, suggestion
from mmc.compiler.language.document import Path


def methods_of(ctx: Context) -> Iterator[tuple[str, LearningMethod, Mapping[str, Any]]]:
    """The name, the method and the entry of each entry of `methods` whose method is known."""
    for name, entry in ctx.entries("methods").items():
        method = METHODS.get(entry.get("method", name))
        if method is not None:
            yield name, method, entry


def estimator_of(method: LearningMethod, entry: Mapping[str, Any]) -> EstimatorType:
    """The type of estimator of an entry."""
    return method.family.estimator_of(entry.get("estimator"))


MMC501 = Code(
    "MMC501",
    "The entry does not say which method it is",
    "The name of an entry of `methods` is also its method, unless the key `method` names it: `alices: {…}` or "
    "`wide: {method: alices, …}`. docs/study-language.md lists all methods, under `methods`.",
)


@rule(MMC501)
def which_method(ctx: Context) -> Iterator[Diagnostic]:
    """The method of every entry is known."""
    for name, entry in ctx.entries("methods").items():
        if "method" not in entry and name not in METHODS:
            message = f"{show(name)} is not the name of a method"
            help_text = suggestion(name, METHODS, f"add `method: {SUGGESTED.name}`, say", "add `method: {}`, say")
            yield ctx.problem(MMC501, ("methods", name), message, help_text, key=True)


MMC502 = Code(
    "MMC502",
    "A method lacks a point for its training",
    "Ratio methods need `theta0` and `theta1`; all other methods need `theta`. docs/study-language.md "
    "describes the methods.",
)


@rule(MMC502)
def reference_points(ctx: Context) -> Iterator[Diagnostic]:
    """Every method has the points at which it trains."""
    for name, method, entry in methods_of(ctx):
        for key in method.family.points:
            if key not in entry:
                example = (
                    "{random: {n: 1000}}" if key in method.family.varied else f"{{benchmark: {_a_benchmark(ctx)}}}"
                )
                message = f"the {method.family.name} method {method.name} lacks `{key}`"
                yield ctx.problem(MMC502, ("methods", name), message, f"add `{key}: {example}`", key=True)


def _a_benchmark(ctx: Context) -> str:
    return next(iter(ctx.names("benchmarks") or ["sm"]))


MMC503 = Code(
    "MMC503",
    "A setting does not belong to the method",
    "The method does not use this setting, so it would be ignored: `theta` is for all but ratio methods, "
    "`theta0`, `theta1` and `estimator` for ratio methods, `calibration` for all but score methods, `score_bins` for "
    "score methods, `scale_parameters` for ratio and likelihood methods, `alpha` for methods whose loss has a score "
    "term, `n_components`, `n_mades` and `batch_norm` for likelihood methods and `dropout_prob` for all others, "
    "`nesterov_momentum` for the optimiser sgd, "
    "`early_stopping_patience` for early stopping.",
)


@rule(MMC503)
def foreign_settings(ctx: Context) -> Iterator[Diagnostic]:
    """Methods have only settings that they use."""
    for name, method, entry in methods_of(ctx):
        path = ("methods", name)
        for key in ("theta", "theta0", "theta1"):
            if key in entry and key not in method.family.points:
                message = f"`{key}` does not belong to the {method.family.name} method {method.name}"
                help_text = f"it takes {' and '.join(f'`{point}`' for point in method.family.points)}"
                yield ctx.problem(MMC503, (*path, key), message, help_text, key=True)
        if method.family is SCORE and ctx.given(*path, "calibration"):
            message = f"`calibration` has no effect: {method.name} does not estimate a ratio"
            yield ctx.problem(MMC503, (*path, "calibration"), message, "remove it", key=True)
        if method.family is not SCORE and "score_bins" in entry:
            message = f"`score_bins` has no effect: {method.name} has no score"
            yield ctx.problem(MMC503, (*path, "score_bins"), message, "remove it", key=True)
        estimator = estimator_of(method, entry)
        if entry.get("nuisance_mode") == "profile" and not estimator.can_learn_nuisance:
            message = (
                f"`nuisance_mode` has no effect: a {estimator.name} estimator depends on the parameters of the study "
                "only"
            )
            help_text = "remove it, or choose another " + ("`estimator`" if estimator.is_morphing_aware else "method")
            yield ctx.problem(MMC503, (*path, "nuisance_mode"), message, help_text, key=True)
        if len(method.family.estimators) == 1 and "estimator" in entry:
            message = f"`estimator` has no effect: {method.name} has only one type of estimator"
            yield ctx.problem(MMC503, (*path, "estimator"), message, "remove it", key=True)
        for key, reason in _unused(method, entry):
            message = f"`{key}` has no effect: {reason}"
            for place in ((*path, "training", key), (*path, "scan", f"training.{key}")):
                if ctx.given(*place):
                    yield ctx.problem(MMC503, place, message, "remove it", key=True)


MMC532 = Code(
    "MMC532",
    "There is no systematic uncertainty to profile",
    "Nuisance parameters come from the systematic uncertainties of the samples. Declare the uncertainties in "
    "`systematics` and name them in the samples, or do not profile: limits then use nominal values. The generator "
    "`pythia8` has no systematic uncertainties. The nuisance parameters of a MadMiner event file are known only when "
    "its jobs run.",
)


@rule(MMC532)
def learned_nuisance_parameters(ctx: Context) -> Iterator[Diagnostic]:
    """Methods that learn nuisance parameters have samples with systematic uncertainties."""
    for name, _, entry in methods_of(ctx):
        if entry.get("nuisance_mode") != "profile":
            continue
        group = entry.get("group", next(iter(ctx.names("groups") or ()), None))
        if has_no_systematics(ctx, group):
            where = "" if group is None else f" of the group {show(group)}"
            message = f"no sample{where} has a systematic uncertainty that could be learned"
            help_text = "name one in a sample, `systematics: [lumi]`, say, or remove this"
            yield ctx.problem(MMC532, ("methods", name, "nuisance_mode"), message, help_text)


@rule(MMC503)
def score_bins(ctx: Context) -> Iterator[Diagnostic]:
    """Bins of the score are for studies with a score method."""
    has_score = any(method.family is SCORE for _, method, _ in methods_of(ctx))
    if ctx.given("evaluation", "score_bins") and ctx.sound("methods") and not has_score:
        path = ("evaluation", "score_bins")
        message = f"`score_bins` has no effect: the study has none of the score methods {one_of(names_of(SCORE))}"
        yield ctx.problem(MMC503, path, message, "remove it", key=True)


def _unused(method: LearningMethod, entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The hyperparameters that a method does not use, each with the reason."""
    training, scan, estimator = entry["training"], entry["scan"], estimator_of(method, entry)

    def values(key: str) -> list[Any]:
        scanned: list[Any] = scan.get(f"training.{key}", [training[key]])
        return scanned

    reasons = {
        "alpha": f"it belongs to {', '.join(names_with_score_term())}, not to {method.name}",
        "scale_parameters": f"a {estimator.name} estimator does not scale parameters"
        if estimator.takes_parameters
        else f"the parameters are not inputs of {method.name}",
        "dropout_prob": f"the network of {method.name} has no dropout",
    }
    for kind in ESTIMATORS.values():
        owners = [other for other, declared in METHODS.items() if kind in declared.family.estimators]
        reasons |= dict.fromkeys(
            kind.own_hyperparameters, f"it belongs to {' and '.join(owners)}, not to {method.name}"
        )
    for key in method.foreign_hyperparameters(estimator):
        yield key, reasons[key]
    if "sgd" not in values("optimizer"):
        yield "nesterov_momentum", "it belongs to the optimizer sgd"
    if True not in values("early_stopping"):
        yield "early_stopping_patience", "there is no early stopping"


MMC508 = Code(
    "MMC508",
    "There are more parameter points than samples",
    "Samples are divided among the parameter points. With more points than samples, some points have no samples.",
)


@rule(MMC508)
def points_and_samples(ctx: Context) -> Iterator[Diagnostic]:
    """Every parameter point gets at least one sample."""
    for name, _, entry in methods_of(ctx):
        for place in ("theta", "theta0", "theta1"):
            path: Path = ("methods", name, place)
            theta = entry.get(place, {})
            if "random" in theta:
                count, path = theta["random"]["n"], (*path, "random", "n")
            else:
                count = len(theta.get("points", theta.get("benchmarks", ())))
            for key in ("samples", "validation_samples"):
                if count > entry.get(key, count):
                    message = f"{count:,} parameter points share {entry[key]:,} {key.replace('_', ' ')}"
                    yield ctx.problem(MMC508, path, message, f"use at most {entry[key]:,} points, or more samples")


MMC520 = Code(
    "MMC520",
    "Several points are given for a single one",
    "Score methods learn the score at one point. Ratio methods learn the ratio to one denominator, unless the "
    "estimator is `double_parameterized_ratio`, which depends on numerator and denominator.",
)


@rule(MMC520)
def single_points(ctx: Context) -> Iterator[Diagnostic]:
    """Reference points are single points, unless the estimator depends on them."""
    for name, method, entry in methods_of(ctx):
        if estimator_of(method, entry).varies_with_denominator:
            continue
        for key in (point for point in method.family.points if point not in method.family.varied):
            kind = next(iter(entry.get(key, ())), "point")
            if kind not in ("benchmark", "point"):
                message = f"`{key}` of {method.name} is a single point, not `{kind}`"
                help_text = f"give one point, as in `{{benchmark: {_a_benchmark(ctx)}}}`"
                if DOUBLE in method.family.estimators:
                    help_text += f", or write `estimator: {DOUBLE.name}`"
                yield ctx.problem(MMC520, ("methods", name, key, kind), message, help_text, key=True)


MMC521 = Code(
    "MMC521",
    "The estimator is not possible for this study",
    "`quadratic_morphing_aware_ratio` needs weights with each parameter's square and no higher power. It and "
    "`morphing_aware_ratio` need the morphing of the study. The autoregressive layers of likelihood methods need at "
    "least one hidden layer each.",
)


@rule(MMC521)
def possible_estimators(ctx: Context) -> Iterator[Diagnostic]:
    """An estimator can be built for the study's parameters, its points and its network."""
    for name, method, entry in methods_of(ctx):
        path, estimator = ("methods", name), estimator_of(method, entry)
        others = [f"{key} is {power}" for key, power in _powers(ctx) if power != 2]
        if estimator.is_quadratic and others:
            message = f"{estimator.name} needs weights that are quadratic in each parameter; {', '.join(others)}"
            yield ctx.problem(MMC521, (*path, "estimator"), message, f"use {MORPHING_AWARE.name}")
        if estimator.is_morphing_aware and ctx.get("morphing") == "none":
            message = f"{estimator.name} needs morphing, which `morphing: none` switches off"
            yield ctx.problem(MMC521, (*path, "estimator"), message, "remove `estimator`")
        if estimator.needs_hidden_layer:
            for place, hidden in _values(entry, "n_hidden"):
                if not hidden:
                    message = f"the network of {method.name} needs at least one hidden layer"
                    at = (*path, *place)
                    yield ctx.problem(MMC521, at, message, "give the number of units of a layer, as in `[100]`")


def _powers(ctx: Context) -> Iterator[tuple[str, int]]:
    """The largest powers in the weights, with the keys that give them."""
    for name, entry in ctx.entries("parameters").items():
        yield f"`max_power` of {name}", entry["max_power"]
    overall = ctx.get("morphing", "max_overall_power")
    if isinstance(overall, int):
        yield "`morphing.max_overall_power`", overall


def coordinates(ctx: Context, theta: Mapping[str, Any]) -> dict[str, float]:
    """The coordinates of a point by parameter, as far as they are known."""
    point = theta.get("point", ctx.entries("benchmarks").get(theta.get("benchmark", ""), {}))
    return {key: value for key, value in point.items() if key != IN_BASIS}


def _values(entry: Mapping[str, Any], key: str) -> list[tuple[Path, Any]]:
    """The paths and values of a hyperparameter: one, or several in a scan."""
    scanned = entry["scan"].get(f"training.{key}")
    if scanned is None:
        return [(("training", key), entry["training"][key])]
    return [(("scan", f"training.{key}", k), value) for k, value in enumerate(scanned)]


MMC514 = Code(
    "MMC514",
    "A network sees no observable",
    "The list after `all_but` has all observables, so nothing is left.",
)


@rule(MMC514)
def features(ctx: Context) -> Iterator[Diagnostic]:
    """Some observables are left."""
    every = ctx.names("observables")
    places: list[tuple[Path, Any]] = [
        (("feature_sets", name), said) for name, said in ctx.entries("feature_sets").items()
    ]
    places += [(("methods", name, "features"), entry.get("features")) for name, entry in ctx.entries("methods").items()]
    for path, said in places:
        if isinstance(said, Mapping) and every and set(every) <= set(said["all_but"]):
            yield ctx.problem(MMC514, path, "no observable is left", "leave some of them in", key=True)


MMC522 = Code(
    "MMC522",
    "A prior extends beyond the range of its parameter",
    "The mean plus or minus one standard deviation is outside the range, so many points are drawn outside the range "
    "for which the morphing basis is optimised. There, weights are large, have both signs, and few events dominate "
    "the cross section.",
    "warning",
)


@rule(MMC522)
def gaussians_in_range(ctx: Context) -> Iterator[Diagnostic]:
    """Most of a Gaussian prior is within the range of the parameter."""
    ranges = {name: entry["range"] for name, entry in ctx.entries("parameters").items()}
    for path, value, _ in ctx.priors:
        for name, prior in value.items():
            low, high = ranges.get(name, (-inf, inf))
            mean, width = prior.get("gaussian", (low, 0.0))
            if low <= mean <= high and (mean - width < low or mean + width > high):
                message = (
                    f"the prior leaves the range of {name}, {show(low)} to {show(high)}, within one standard deviation"
                )
                yield ctx.problem(MMC522, (*path, name, "gaussian"), message, "use a narrower prior")


MMC509 = Code(
    "MMC509",
    "A prior has no width",
    "The second number of a Gaussian prior is its standard deviation and must be above zero.",
)


@rule(MMC509)
def priors(ctx: Context) -> Iterator[Diagnostic]:
    """Gaussian priors have a width."""
    for path, value, _ in ctx.priors:
        for name, prior in value.items():
            if "gaussian" in prior and prior["gaussian"][1] <= 0:
                message = f"the standard deviation of the prior of {name} is {show(prior['gaussian'][1])}"
                at = (*path, name, "gaussian", 1)
                yield ctx.problem(MMC509, at, message, "a Gaussian prior is [mean, standard deviation]")
