"""Rules about methods: what each needs, what does not belong to it, and its points."""

from collections.abc import Iterator, Mapping
from typing import Any

from mmc.checks.context import Context, rule
from mmc.diagnostics import Diagnostic, did_you_mean, one_of, show
from mmc.study import METHODS_WITH_ALPHA, RATIO_METHODS, SCORE_METHODS


def methods_of(ctx: Context) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """The name, the method and the entry of all methods that say what they are."""
    for name, entry in ctx.entries("methods").items():
        method = entry.get("method", name)
        if method in (*RATIO_METHODS, *SCORE_METHODS):
            yield name, method, entry


@rule("MMC501")
def which_method(ctx: Context) -> Iterator[Diagnostic]:
    """Every entry says which method it is."""
    known = (*RATIO_METHODS, *SCORE_METHODS)
    for name, entry in ctx.entries("methods").items():
        if "method" not in entry and name not in known:
            guess = did_you_mean(name, known) or "alices"
            message = f"{show(name)} is none of the methods {one_of(known)}"
            yield ctx.problem("MMC501", ("methods", name), message, f"add `method: {guess}`, say", key=True)


@rule("MMC502")
def reference_points(ctx: Context) -> Iterator[Diagnostic]:
    """Every method has the points that it trains at."""
    for name, method, entry in methods_of(ctx):
        needed = ("theta",) if method in SCORE_METHODS else ("theta0", "theta1")
        for key in needed:
            if key not in entry:
                kind = "score" if method in SCORE_METHODS else "ratio"
                example = "{random: {n: 1000}}" if key == "theta0" else f"{{benchmark: {_a_benchmark(ctx)}}}"
                message = f"the {kind} method {method} lacks `{key}`"
                yield ctx.problem("MMC502", ("methods", name), message, f"add `{key}: {example}`", key=True)


def _a_benchmark(ctx: Context) -> str:
    return next(iter(ctx.names("benchmarks") or ["sm"]))


@rule("MMC503")
def foreign_settings(ctx: Context) -> Iterator[Diagnostic]:
    """No method is given a setting that it does not use."""
    for name, method, entry in methods_of(ctx):
        path = ("methods", name)
        for key in ("theta0", "theta1") if method in SCORE_METHODS else ("theta",):
            if key in entry:
                kind, others = ("score", "theta") if method in SCORE_METHODS else ("ratio", "theta0` and `theta1")
                message = f"`{key}` does not belong to the {kind} method {method}"
                yield ctx.problem("MMC503", (*path, key), message, f"it takes `{others}`", key=True)
        if method in SCORE_METHODS and ctx.given(*path, "calibration"):
            message = f"`calibration` has no effect: {method} estimates no ratio"
            yield ctx.problem("MMC503", (*path, "calibration"), message, "remove it", key=True)
        for key, reason in _unused(method, entry):
            message = f"`{key}` has no effect: {reason}"
            for place in ((*path, "training", key), (*path, "scan", f"training.{key}")):
                if ctx.given(*place):
                    yield ctx.problem("MMC503", place, message, "remove it", key=True)


@rule("MMC503")
def score_bins(ctx: Context) -> Iterator[Diagnostic]:
    """Bins of the score are given where there is a score."""
    methods = [method for _, method, _ in methods_of(ctx)]
    if ctx.given("evaluation", "score_bins") and ctx.sound("methods") and not {*methods} & {*SCORE_METHODS}:
        path = ("evaluation", "score_bins")
        message = f"`score_bins` has no effect: the study has none of the score methods {one_of(SCORE_METHODS)}"
        yield ctx.problem("MMC503", path, message, "remove it", key=True)


def _unused(method: str, entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The hyperparameters that an entry does not use, each with the reason."""
    training, scan = entry["training"], entry["scan"]

    def values(key: str) -> list[Any]:
        scanned: list[Any] = scan.get(f"training.{key}", [training[key]])
        return scanned

    if method not in METHODS_WITH_ALPHA:
        yield "alpha", f"it belongs to {', '.join(METHODS_WITH_ALPHA)}, not to {method}"
    if method in SCORE_METHODS:
        yield "scale_parameters", f"{method} has no parameters among its inputs"
    if "sgd" not in values("optimizer"):
        yield "nesterov_momentum", "it belongs to the optimizer sgd"
    if True not in values("early_stopping"):
        yield "early_stopping_patience", "there is no early stopping"


@rule("MMC508")
def points_and_samples(ctx: Context) -> Iterator[Diagnostic]:
    """Every parameter point gets at least one sample."""
    for name, _, entry in methods_of(ctx):
        theta = entry.get("theta0", {})
        path = ("methods", name, "theta0")
        if "random" in theta:
            count, path = theta["random"]["n"], (*path, "random", "n")  # type: ignore[assignment]
        else:
            count = len(theta.get("points", theta.get("benchmarks", ())))
        for key in ("samples", "validation_samples"):
            if count > entry.get(key, count):
                message = f"{count:,} parameter points share {entry[key]:,} {key.replace('_', ' ')}"
                yield ctx.problem("MMC508", path, message, f"take at most {entry[key]:,} points, or more samples")


@rule("MMC509")
def priors(ctx: Context) -> Iterator[Diagnostic]:
    """Gaussian priors have a width."""
    for path, value, schema in ctx.annotated("x-keys-refer-to"):
        if schema["x-keys-refer-to"] != "parameters" or path[-1] != "priors":
            continue
        for name, prior in value.items():
            if "gaussian" in prior and prior["gaussian"][1] <= 0:
                message = f"the standard deviation of the prior of {name} is {show(prior['gaussian'][1])}"
                at = (*path, name, "gaussian", 1)
                yield ctx.problem("MMC509", at, message, "a Gaussian prior is [mean, standard deviation]")


@rule("MMC512")
def with_morphing(ctx: Context) -> Iterator[Diagnostic]:
    """Nothing is asked between the benchmarks where there is no morphing."""
    if ctx.get("morphing") != "none" or not ctx.reads_particles:
        return
    wanted = {"methods": "need joint scores", "evaluation": "needs cross sections between benchmarks"}
    for section, reason in wanted.items():
        if ctx.data.get(section):
            message = f"`{section}` {reason}, and the study says `morphing: none`"
            help_text = "remove `morphing: none`, or stop after the events"
            yield ctx.problem("MMC512", (section,), message, help_text, key=True)
