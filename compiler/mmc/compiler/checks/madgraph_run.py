"""Rules about what MadGraph does beside generating a process: decays, widths, and lines of the reweight card."""

from collections.abc import Iterator, Mapping
from typing import Any

from mmc.compiler.catalogue.generators import MADGRAPH, UFO
from mmc.compiler.checks.context import Context, energy_gev, rule
from mmc.compiler.checks.detector import MMC319
from mmc.compiler.checks.madgraph import lines_of, samples, shared
from mmc.compiler.inputs.madgraph_settings import process_refusal, reweight_refusal
from mmc.compiler.inputs.process_lines import particles_of
from mmc.compiler.inputs.process_words import final_state
from mmc.compiler.language.diagnostics import Code, Diagnostic, one_of, show
from mmc.compiler.language.document import Path

MMC384 = Code(
    "MMC384",
    "MadSpin cannot do this decay",
    "MadSpin decays particles of the final state of a process: `t > w+ b, w+ > l+ vl`. In its mode `madspin` each "
    "particle decays to two; decays to three and more need `spinmode: none`. Decays that depend on the parameters "
    "belong into the process itself, as in `p p > t t~, (t > w+ b, w+ > l+ vl), t~ > w- b~`: MadSpin runs after the "
    "reweighting, so its decays are those of the sampled benchmark in all weights.",
)


@rule(MMC384)
def decays(ctx: Context) -> Iterator[Diagnostic]:
    """Each decay is one of a particle in the final state."""
    for name, sample in samples(ctx).items():
        there = _outgoing(ctx, sample)
        for index, text in enumerate(sample.get("madspin", {}).get("decays", ())):
            path: Path = ("generation", "samples", name, "madspin", "decays", index)
            steps = [step.partition(">") for step in text.replace("(", " ").replace(")", " ").split(",")]
            first = steps[0][0].strip()
            if process_refusal(text) is not None or not all(mark for _, mark, _ in steps):
                yield ctx.problem(MMC384, path, f"{show(text[:60])} is not a decay", "write it as in `t > w+ b`")
            elif first not in there:
                message = f"no process of sample {show(name)} has {show(first)} in its final state"
                yield ctx.problem(MMC384, path, message, f"the final states have {one_of(sorted(there), 20)}")
            elif sample["madspin"]["spinmode"] == "madspin" and any(len(right.split()) != 2 for *_, right in steps):
                message = f"{show(text[:60])} is not made of decays to two particles"
                yield ctx.problem(MMC384, path, message, "add `spinmode: none`, or write intermediate particles")


def _outgoing(ctx: Context, sample: Mapping[str, Any]) -> set[str]:
    """The labels and particles in the final states of a sample."""
    labels = ctx.labels(sample)
    found: set[str] = set()
    for word in (word for line in lines_of(sample) for word in final_state(line)):
        try:
            found |= {word, *particles_of(word, labels)}
        except ValueError:  # a label that is defined by itself: MadGraph refuses it
            found.add(word)
    return found


MMC385 = Code(
    "MMC385",
    "The line cannot be in the reweight card",
    "mmc writes the reweight card: a `launch` for each benchmark. Before them it may have the lines that change how "
    "MadGraph reweights: `change process p p > t t~ NP<=1` (with `--add` for more), `change mode LO`, "
    "`change keep_ordering True`, `change use_eventid True`, `change allow_missing_finalstate True`. With "
    "`change model` MadGraph would need a whole param card for each benchmark: generate with the model that has the "
    "parameters, and limit its orders in `process` (`NP=0`). `change boost` is Python code.",
)


@rule(MMC319, MMC385)
def reweight_cards(ctx: Context) -> Iterator[Diagnostic]:
    """Lines of the reweight card change how MadGraph reweights, and nothing else."""
    for name, sample in samples(ctx).items():
        path: Path = ("generation", "samples", name, "reweight_card")
        if sample["background"] and "reweight_card" in sample:
            message = "`reweight_card` has no effect: a background is not reweighted"
            yield ctx.problem(MMC319, path, message, "remove it", key=True)
        for index, line in enumerate(sample.get("reweight_card", ())):
            refused = reweight_refusal(line)
            if refused is not None:
                help_text = "remove it, or write `change process` with a process"
                yield ctx.problem(MMC385, (*path, index), refused.reason, help_text)


MMC386 = Code(
    "MMC386",
    "Only widths are computed from the model",
    "`auto` is the value of a width, as in `decay 25: auto`: MadGraph, or the generator `ufo`, computes it from the "
    "model, at each benchmark. Other entries of the param card and other programs need a number.",
)


@rule(MMC386)
def automatic_widths(ctx: Context) -> Iterator[Diagnostic]:
    """`auto` is the value of a width, with a generator that computes it."""
    for path, entries in _param_cards(ctx):
        for key, value in entries.items():
            if value == "auto" and not (key.lower().startswith("decay ") and ctx.origin in (MADGRAPH, UFO)):
                yield ctx.problem(MMC386, (*path, key), f"`{key}` cannot be `auto`", "write a number")
            elif value == "auto" and key.lower() == "decay all":
                yield ctx.problem(MMC386, (*path, key), "`decay all` cannot be `auto`", "name each particle")


MMC387 = Code(
    "MMC387",
    "The merging is not complete",
    "MLM needs the cut of MadGraph's events, `xqcut`, and a matching scale `qcut` that is larger. CKKW-L needs its "
    "scale, `ptlund`, and the process without additional jets, `core`. Merged events are showered by Pythia and have "
    "the order LO; merging at NLO (FxFx, UNLOPS) is not supported.",
)
_OF_SCHEME = {"mlm": (("xqcut",), ("qcut",)), "ckkwl": (("ptlund", "core"), ())}
"""The keys that a scheme needs, and those that it may have."""


@rule(MMC387)
def merging(ctx: Context) -> Iterator[Diagnostic]:
    """A merged sample has the scales of its scheme, a shower, and the order LO."""
    for name, sample in samples(ctx).items():
        path: Path = ("generation", "samples", name, "merging")
        entry = sample.get("merging")
        if entry is None:
            continue
        needed, possible = _OF_SCHEME[entry["scheme"]]
        if missing := [key for key in needed if key not in entry]:
            message = f"{entry['scheme']} needs `{missing[0]}`"
            example = "core: 'pp>e+e-'" if missing[0] == "core" else f"{missing[0]}: 20 GeV"
            yield ctx.problem(MMC387, path, message, f"add `{example}`, say", key=True)
        for key in entry.keys() - {"scheme", "jets", *needed, *possible}:
            yield ctx.problem(MMC387, (*path, key), f"{entry['scheme']} has no `{key}`", "remove it", key=True)
        qcut, xqcut = (energy_gev(ctx, *path, key) for key in ("qcut", "xqcut"))
        if qcut is not None and xqcut is not None and qcut < xqcut:
            message = f"the matching scale {entry['qcut']} is below the cut of the events, {entry['xqcut']}"
            yield ctx.problem(MMC387, (*path, "qcut"), message, "take about 1.5 times `xqcut`")
        if ctx.get("generation", "shower") == "none":
            message = "merging is a part of the shower, and the study has none"
            yield ctx.problem(MMC387, path, message, "add `shower: {program: pythia8}`, or remove `merging`", key=True)
        if shared(ctx, sample, "order") == "NLO":
            yield ctx.problem(MMC387, path, "merging at NLO is not supported", "write `order: LO`", key=True)


def _param_cards(ctx: Context) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    places: list[Path] = [("generation", "param_card")]
    places += [("generation", "samples", name, "param_card") for name in ctx.entries("generation", "samples")]
    places += [("events", "samples", name, "reweight", "param_card") for name in ctx.entries("events", "samples")]
    for path in places:
        entries = ctx.get(*path)
        if isinstance(entries, dict):
            yield path, entries
