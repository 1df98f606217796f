"""Rules about methods that learn from simulated events, each of which has a point of its own."""

from collections.abc import Iterator, Mapping
from typing import Any

from mmc.compiler.catalogue.calibrations import STEPPED
from mmc.compiler.catalogue.generators import TABLES
from mmc.compiler.catalogue.methods import RATIO, LearningMethod, names_of
from mmc.compiler.checks.context import Context, rule
from mmc.compiler.checks.files import is_there
from mmc.compiler.checks.methods import methods_of
from mmc.compiler.checks.tables import MMC360, MMC362, wrong_columns, wrong_kind
from mmc.compiler.language.diagnostics import Code, Diagnostic, one_of, show
from mmc.compiler.language.document import Path

KEY = "simulated"

MMC366 = Code(
    "MMC366",
    "The method cannot learn from these simulated events",
    "`theta0: {simulated: SAMPLE}` takes the events under `simulated` of a sample of tables, the only sample of the "
    "study, with `morphing: none`. Ratio methods learn from them; `theta1` is their denominator. Methods that learn "
    "from the joint ratio or the joint score need its columns. These events have no weights, and no "
    "part of them may be left out: cuts, efficiencies, bootstrap samples, nuisance parameters, and calibrations that "
    "compare weights are not possible.",
)


def is_simulated(entry: Mapping[str, Any]) -> bool:
    """Whether a method learns from simulated events with points of their own."""
    return any(KEY in entry.get(key, {}) for key in ("theta", "theta0", "theta1"))


@rule(MMC366)
def what_learns(ctx: Context) -> Iterator[Diagnostic]:
    """Methods that learn from simulated events have what they need."""
    for name, method, entry in methods_of(ctx):
        if is_simulated(entry):
            yield from _flaws(ctx, ("methods", name), method, entry)


def _flaws(ctx: Context, path: Path, method: LearningMethod, entry: Mapping[str, Any]) -> Iterator[Diagnostic]:
    samples = {key: sample[KEY] for key, sample in ctx.samples.items() if ctx.origin is TABLES and KEY in sample}
    at: Path = (*path, "theta0", KEY)
    if method.family is not RATIO or KEY not in entry.get("theta0", {}):
        message = "only `theta0` of ratio methods can be the points of simulated events"
        yield ctx.problem(MMC366, path, message, f"use one of {one_of(names_of(RATIO))}", key=True)
        return
    if entry["theta0"][KEY] not in samples or len(ctx.samples) > 1:
        message = f"{show(entry['theta0'][KEY])} is not the only sample of the study, with events under `simulated`"
        there = f"the samples with such events are {one_of(list(samples))}" if samples else "no sample has such events"
        yield ctx.problem(MMC366, at, message, there)
        return
    events = samples[entry["theta0"][KEY]]
    where: Path = (*ctx.samples_path, entry["theta0"][KEY], KEY)
    if entry.get("theta1") != {"benchmark": events["denominator"]}:
        message = f"the denominator of the simulated events is {show(events['denominator'])}"
        help_text = f"write `theta1: {{benchmark: {events['denominator']}}}`"
        yield ctx.problem(MMC366, (*path, "theta1") if "theta1" in entry else path, message, help_text, key=True)
    if method.joint_ratio and "ratio" not in events:
        message = f"{method.name} learns from the joint ratio"
        yield ctx.problem(MMC366, path, message, "name its column: `ratio: COLUMN` of `simulated`", key=True)
    needed = ["theta", *(["score"] if method.score_term else [])]
    for key in needed:
        missing = [parameter for parameter in ctx.names("parameters") or () if parameter not in events.get(key, {})]
        if missing:
            message = f"`{key}` of the simulated events has no column for {one_of(missing)}"
            help_text = f"write `{key}: {{{missing[0]}: COLUMN}}`"
            yield ctx.problem(MMC366, (*where, key) if key in events else where, message, help_text, key=True)
    yield from _impossible(ctx, path, entry)


def _impossible(ctx: Context, path: Path, entry: Mapping[str, Any]) -> Iterator[Diagnostic]:
    ensemble = entry.get("ensemble")
    wrong = {
        "calibration": entry.get("calibration") in STEPPED,
        "ensemble": isinstance(ensemble, Mapping) and ensemble.get("samples") == "each",
        "nuisance_mode": entry.get("nuisance_mode") == "profile",
        "estimator": entry.get("estimator", RATIO.estimator.name) != RATIO.estimator.name,
    }
    for key in (key for key, is_wrong in wrong.items() if is_wrong):
        message = f"`{key}` needs weighted events: simulated events have no weights"
        yield ctx.problem(MMC366, (*path, key), message, "remove it", key=True)
    for key in ("cuts", "efficiencies", "regions"):
        if ctx.get(key):
            message = f"`{key}` change the ratio of simulated events by an efficiency that depends on the parameters"
            yield ctx.problem(MMC366, (key,), message, "let the simulator select events", key=True)
    if ctx.get("morphing") not in (None, "none"):
        message = "simulated events have no weights at benchmarks, which morphing needs"
        yield ctx.problem(MMC366, (*path, "theta0", KEY), message, "write `morphing: none`", key=True)


@rule(MMC360, MMC362)
def tables_of_simulated(ctx: Context) -> Iterator[Diagnostic]:
    """Tables of simulated events are of a known kind, and npz files have the columns."""
    for name, sample in ctx.samples.items() if ctx.origin is TABLES else ():
        path: Path = (*ctx.samples_path, name)
        for number, text in enumerate(sample.get(KEY, {}).get("paths", ())):
            at: Path = (*path, KEY, "paths", number)
            yield from wrong_kind(ctx, at, text)
            known = ctx.read_columns(text) if is_there(ctx, text) else None
            if known is not None:
                yield from wrong_columns(ctx, at, text, _wanted(path, sample), known)


def _wanted(path: Path, sample: Mapping[str, Any]) -> dict[str, Path | None]:
    """The columns of simulated events, each with where the study names it."""
    events = sample[KEY]
    wanted: dict[str, Path | None] = {}
    for key in ("theta", "score"):
        wanted |= {column: (*path, KEY, key, name) for name, column in events.get(key, {}).items()}
    wanted |= {events[key]: (*path, KEY, key) for key in ("label", "ratio") if key in events}
    return {**{column: (*path, "columns", name) for name, column in sample.get("columns", {}).items()}, **wanted}
