"""Rules about scans and tuning: hyperparameters, their values and ranges, and whether trials can be compared."""

from collections.abc import Iterator, Mapping
from typing import Any

from mmc.compiler.catalogue.methods import SCORE
from mmc.compiler.checks.context import Context, rule
from mmc.compiler.checks.events import MMC307
from mmc.compiler.checks.methods import methods_of
from mmc.compiler.checks.shape import MMC504, repetitions, shape_problems
from mmc.compiler.language.diagnostics import Code, Diagnostic, one_of, show, suggestion
from mmc.compiler.language.document import Path
from mmc.compiler.language.schema import load_schema
from mmc.compiler.study.scans import (
    MOST_TRAININGS,
    Range,
    ensemble_size,
    has_bootstrap,
    has_training_error,
    scan_of,
    size,
)


@rule(MMC504)
def scans(ctx: Context) -> Iterator[Diagnostic]:
    """Scans vary existing hyperparameters, with possible values, each once."""
    known = load_schema()["definitions"]["training"]["properties"]
    for name, _, entry in methods_of(ctx):
        for key, values in entry["scan"].items():
            path = ("methods", name, "scan", key)
            parameter = _hyperparameter(path)
            if parameter not in known:
                otherwise = f"there are {one_of(known, 20)}"
                help_text = suggestion(parameter, known, otherwise, "did you mean `training.{}`?")
                message = f"`{parameter}` is not a hyperparameter of `training`"
                yield ctx.problem(MMC504, path, message, help_text, key=True)
            elif isinstance(values, list):
                for index, value in repetitions(values):
                    yield ctx.problem(MMC504, (*path, index), f"{show(value)} is twice in the scan")
                yield from _impossible(ctx, path, known[parameter], values)
            else:
                yield from _range(ctx, path, known[parameter], values, entry)


def _impossible(ctx: Context, path: Path, schema: Mapping[str, Any], values: list[Any]) -> Iterator[Diagnostic]:
    """The values that are not possible for a hyperparameter."""
    whole = {**schema, "definitions": load_schema()["definitions"]}
    for index, value in enumerate(values):
        if next(shape_problems(value, whole), None) is not None:
            message = f"`{_hyperparameter(path)}` cannot be {show(value)}"
            yield ctx.problem(MMC504, (*path, index), message, f"it is: {schema['description'].rstrip('.').lower()}")


def _range(
    ctx: Context, path: Path, schema: Mapping[str, Any], values: Mapping[str, Any], method: Mapping[str, Any]
) -> Iterator[Diagnostic]:
    """What is wrong with a range."""
    name = _hyperparameter(path)
    if _search(method) in ("", "grid"):
        message = f"a grid needs a list of values of `{name}`, not a range"
        yield ctx.problem(MMC504, path, message, "list the values, or add `tuning: {search: random, …}`")
    elif schema.get("type") not in ("number", "integer"):
        yield ctx.problem(MMC504, path, f"`{name}` is not a number, so it has no range", "list the values to try")
    elif values["scale"] == "log" and values["range"][0] <= 0:
        message = f"a logarithmic range cannot start at {show(values['range'][0])}"
        yield ctx.problem(MMC504, (*path, "range"), message, "start above zero, or write `scale: linear`")
    else:
        yield from _impossible(ctx, (*path, "range"), schema, values["range"])


def _hyperparameter(path: Path) -> str:
    return str(path[3]).removeprefix("training.")


def _search(entry: Mapping[str, Any]) -> str:
    """The search of a method; empty without tuning."""
    search: str = entry.get("tuning", {}).get("search", "")
    return search


MMC544 = Code(
    "MMC544",
    "An adaptive search with bootstrap samples",
    "With `samples: each`, every network of an ensemble has samples of its own. A search with Optuna trains all "
    "networks in one job, from one set of samples. Search with `grid` or `random`, or remove `samples: each`.",
)


@rule(MMC544)
def bootstrap(ctx: Context) -> Iterator[Diagnostic]:
    """The networks of an adaptive search learn from the same samples."""
    for name, _, entry in methods_of(ctx):
        if has_bootstrap(entry) and _search(entry) == "optuna":
            message = f"the search of {name} trains all networks of an ensemble on the same samples"
            path = ("methods", name, "ensemble", "samples")
            yield ctx.problem(MMC544, path, message, "write `samples: same`, or search with `grid` or `random`")


MMC545 = Code(
    "MMC545",
    "Limits cannot include the error of the training",
    "`error: included` adds the spread of an ensemble to the error of its limits. Networks that learn from the same "
    "samples do not show the statistical error of these, so it needs `samples: each`. It applies to ratios: limits "
    "from scores are histograms filled by the same network, so a badly trained network makes them weaker but not "
    "wrong. Toys keep the networks fixed, and MadMiner's event weights have limits without errors.",
)
NO_TRAINING_ERROR = {
    ("confidence", "toys"): "toys keep the networks fixed",
    ("event_weights", "madminer"): "limits have no errors",
}
"""Choices of `evaluation` that exclude it, and the reasons."""


@rule(MMC545)
def training_error(ctx: Context) -> Iterator[Diagnostic]:
    """The spread of an ensemble can be part of its limits."""
    for name, method, entry in methods_of(ctx):
        if not has_training_error(entry):
            continue
        path = ("methods", name, "ensemble", "error")
        if not has_bootstrap(entry):
            message = (
                f"the networks of {name} learn from the same samples, and do not show the statistical error of these"
            )
            yield ctx.problem(MMC545, path, message, "add `samples: each`, or remove this")
        if method.family is SCORE:
            message = f"{name} estimates a score, whose limits have no error from the training"
            yield ctx.problem(MMC545, path, message, "remove it")
        for (option, value), reason in NO_TRAINING_ERROR.items():
            if ctx.get("evaluation", option) == value:
                message = f"{reason}, and the study has `{option}: {value}`"
                yield ctx.problem(MMC545, path, message, "remove one of them")


MMC542 = Code(
    "MMC542",
    "A search has nothing to choose from",
    "`tuning` chooses among the settings of `scan`, so `scan` needs at least two. A random search must draw fewer "
    "settings than the scan has; otherwise write `search: grid`.",
)


@rule(MMC307, MMC542)
def trials(ctx: Context) -> Iterator[Diagnostic]:
    """There are settings to choose from, and not more trainings than allowed."""
    for name, _, entry in methods_of(ctx):
        path = ("methods", name)
        try:
            scan = scan_of(entry["scan"])
        except KeyError:  # a hyperparameter that does not exist, which another rule reports
            continue
        if any(isinstance(values, Range) and values.low >= values.high for values in scan.values()):
            continue  # likewise
        choices = size(scan)
        wanted = entry.get("tuning", {}).get("trials")
        if "tuning" in entry and choices < 2:
            message = f"the tuning of {name} has nothing to choose from"
            help_text = "add `scan: {training.initial_lr: [0.001, 0.003]}`, say"
            yield ctx.problem(MMC542, (*path, "tuning"), message, help_text, key=True)
        elif _search(entry) == "random" and wanted >= choices:
            message = f"{wanted:,} random trials are too many: the scan has only {choices:,.0f} settings"
            help_text = "write `search: grid`, which trains all of them, or reduce `trials`"
            yield ctx.problem(MMC542, (*path, "tuning", "trials"), message, help_text)
        trainings = (choices if wanted is None else wanted) * ensemble_size(entry)
        most = entry.get("allow_trainings", MOST_TRAININGS)
        if most < trainings < float("inf"):
            where = (*path, "scan") if wanted is None else (*path, "tuning", "trials")
            message = f"the scan of {name} has {trainings:,.0f} trainings; {most:,} are allowed"
            help_text = f"try fewer values, or add `allow_trainings: {trainings:.0f}` to the method"
            yield ctx.problem(MMC307, where, message, help_text, key=True)


MMC541 = Code(
    "MMC541",
    "Losses of different kinds would be compared",
    "With `criterion: validation_loss` the trial with the smallest validation loss is chosen. Some hyperparameters "
    "change the definition of the loss, such as `alpha`, the weight of the score term. The losses of their trials "
    "cannot be compared: the smallest `alpha` would win, however good the network is. Use `criterion: closure` or "
    "`criterion: expected_limit`, which compare the quality of the estimators.",
)
MMC543 = Code(
    "MMC543",
    "The criterion needs an evaluation",
    "`closure` and `expected_limit` need the luminosity, the true point and the grid of `evaluation`, which the study "
    "does not have. `validation_loss` does not need them.",
)


@rule(MMC541, MMC543)
def criteria(ctx: Context) -> Iterator[Diagnostic]:
    """The criterion can be computed, and compares losses of the same definition."""
    for name, method, entry in methods_of(ctx):
        path = ("methods", name, "tuning", "criterion")
        criterion = entry.get("tuning", {}).get("criterion")
        if criterion in ("closure", "expected_limit") and "evaluation" not in ctx.data:
            message = f"`{criterion}` needs the section `evaluation`"
            yield ctx.problem(MMC543, path, message, "add it, or use `validation_loss`")
        if criterion == "validation_loss":
            for key in entry["scan"]:
                parameter = key.removeprefix("training.")
                if parameter in method.loss_depends_on:
                    message = f"the loss of {method.name} depends on `{parameter}`, so it cannot compare the trials"
                    yield ctx.problem(MMC541, path, message, "use `closure` or `expected_limit`")
