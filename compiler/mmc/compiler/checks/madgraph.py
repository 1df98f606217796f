"""Rules about MadGraph: entries of parameters in the param card, process lines, orders, slices of phase space."""

from collections.abc import Iterator, Mapping
from typing import Any

from mmc.compiler.catalogue.generators import MADGRAPH
from mmc.compiler.checks.context import Context, rule
from mmc.compiler.checks.detector import MMC319
from mmc.compiler.expressions.checker import check_expression, transformed
from mmc.compiler.expressions.parts import MMC407
from mmc.compiler.inputs.cards import Number, asks_for_corrections, numbers
from mmc.compiler.inputs.madgraph_settings import process_refusal
from mmc.compiler.inputs.process_words import final_state
from mmc.compiler.inputs.refusals import words
from mmc.compiler.language.diagnostics import Code, Diagnostic, show
from mmc.compiler.language.document import Path

_MOST_EVALUATED = 30_000
"""The largest number of characters of a transform, times values of its parameter."""
_COMMANDS = ("generate", "add", "define", "import", "output", "launch", "set")


def samples(ctx: Context) -> dict[str, Any]:
    """The samples that MadGraph generates; empty for other generators."""
    return ctx.samples if ctx.origin is MADGRAPH else {}


def shared(ctx: Context, sample: Mapping[str, Any], key: str) -> Any:
    """A setting of a sample: its own value, or the one for all samples; None if there is neither."""
    return sample[key] if key in sample else ctx.get("generation", key)


MMC318 = Code(
    "MMC318",
    "A parameter has no place in the param card",
    "MadGraph reads the value of a parameter from the param card: `lha_block` is the block and `lha_id` the number "
    "of the entry in it. Each parameter needs both, and two parameters cannot share an entry.",
)


@rule(MMC318, MMC319)
def places_in_the_param_card(ctx: Context) -> Iterator[Diagnostic]:
    """Each parameter has its own entry in the param card."""
    seen: dict[str, str] = {}
    places, origin = places_of_parameters(ctx), ctx.origin
    if origin is not None and origin.param_card == "none":
        return
    for name, entry in ctx.entries("parameters").items():
        path = ("parameters", name)
        missing = [key for key in ("lha_block", "lha_id") if key not in entry]
        if origin is not None and missing and (origin.param_card == "needed" or len(missing) == 1):
            message = f"parameter {show(name)} does not name its entry in the param card"
            example = {"lha_block": "lha_block: dim6", "lha_id": "lha_id: 2"}
            help_text = f"add `{', '.join(example[key] for key in missing)}`, say"
            yield ctx.problem(MMC318, path, message, help_text, key=True)
        elif not missing:
            place = places[name].casefold()
            other = seen.setdefault(place, name)
            if other != name:
                message = f"{show(name)} and {show(other)} are the same entry of the param card, {place}"
                yield ctx.problem(MMC318, (*path, "lha_id"), message, "give one of them another place, or remove it")
        if origin is MADGRAPH and ctx.given(*path, "coefficient"):
            message = "`coefficient` has no effect: MadGraph finds the parameter by `lha_block` and `lha_id`"
            yield ctx.problem(MMC319, (*path, "coefficient"), message, "remove it", key=True)


def places_of_parameters(ctx: Context) -> dict[str, str]:
    """Block and number of each parameter that names its entry of the param card, as in `dim6 2` or `dsqmix 1 2`."""
    return {
        name: f"{entry['lha_block']} {numbers(_number(entry['lha_id']))}"
        for name, entry in ctx.entries("parameters").items()
        if "lha_block" in entry and "lha_id" in entry
    }


def _number(number: Any) -> Number:
    return number if isinstance(number, int) else (number[0], number[1])


MMC408 = Code(
    "MMC408",
    "A transform does not depend on the parameter",
    "A transform computes the number in the param card from the parameter's value, `theta`: `16.52*theta`. Without "
    "`theta` every benchmark would get the same card.",
)


@rule(MMC407, MMC408)
def transforms(ctx: Context) -> Iterator[Diagnostic]:
    """Each transform depends on the parameter and has a value at every benchmark and at the ends of the range."""
    for name, entry in ctx.entries("parameters").items():
        text, path = entry.get("transform"), ("parameters", name, "transform")
        if text is None or check_expression(text, "transform"):
            continue
        low, high = entry["range"]
        if low >= high:
            continue
        known = [transformed(text, low + part * (high - low))[0] for part in (0.0, 0.3, 1.0)]
        if None not in known and len(set(known)) == 1:
            message = f"`{text[:60]}` is the same for every value of {show(name)}"
            yield ctx.problem(MMC408, path, message, "the value of the parameter is `theta`: `16.52*theta`")
            continue
        points = {low: "the start of the range", high: "the end of the range"}
        for key, point in ctx.entries("benchmarks").items():
            if name in point:
                points.setdefault(float(point[name]), f"the benchmark {show(key)}")
        if len(text) * len(points) > _MOST_EVALUATED:
            message = f"the transform is too long for {len(points):,} different values of {show(name)}"
            yield ctx.problem(MMC407, path, message, "make it shorter, or use fewer benchmarks")
            continue
        for theta, where in points.items():
            problems = transformed(text, theta)[1]
            if problems:
                message = f"the transform has no value at {where}, theta = {show(theta)}: {problems[0].message}"
                yield ctx.problem(MMC407, path, message, "take another transform, or move the point")
                break


def lines_of(sample: Mapping[str, Any]) -> list[str]:
    """The process lines of a sample."""
    return [sample["process"]] if isinstance(sample["process"], str) else sample["process"]


MMC332 = Code(
    "MMC332",
    "A process line is not a process",
    "A process line is the text after `generate` in MadGraph, such as `p p > e+ e- j QCD=1`, and nothing else: mmc "
    "writes the commands. Write several processes as a list, labels in `definitions`, and the model in `model`. A `;` "
    "or a line break would start another command, a `#` or `!` a comment.",
)


@rule(MMC332)
def process_lines(ctx: Context) -> Iterator[Diagnostic]:
    """A process line is a process and nothing else."""
    for name, sample in samples(ctx).items():
        for index, line in enumerate(lines_of(sample)):
            path: Path = ("generation", "samples", name, "process")
            path = path if isinstance(sample["process"], str) else (*path, index)
            found = process_refusal(line)
            word = line.split(maxsplit=1)[0].lower() if line.split() else ""
            if found is not None:
                what = show(found) if found.isprintable() else "a line break"
                message = f"a process line cannot contain {what}"
                yield ctx.problem(MMC332, path, message, "write each process as an entry of a list: `[…, …]`")
            elif word in _COMMANDS:
                message = f"`{word}` is a command of MadGraph, not part of the process"
                yield ctx.problem(MMC332, path, message, _INSTEAD.get(word, _INSTEAD["generate"]))
            elif ">" not in line:
                message = f"{show(line)} is not a process: it has no `>`"
                yield ctx.problem(MMC332, path, message, "write the initial and the final state, as in `p p > e+ e-`")


_INSTEAD = {
    "generate": "remove it: mmc writes the commands",
    "add": "remove it, and write the processes as a list",
    "define": "write it in `definitions`",
    "import": "write it in `model`",
    "set": "write it in `run_card` or `param_card`",
}


MMC324 = Code(
    "MMC324",
    "The order does not fit the process",
    "Brackets in a process name its corrections, `p p > t t~ [QCD]`; its order is then `NLO`. Without brackets, and "
    "for loop-induced processes (`[noborn=QCD]`), the order is `LO`. Signals are generated at LO, with a `k_factor`: "
    "at NLO, MadGraph either names the weights differently from what MadMiner reads, or reweights events as if they "
    "were at LO. Events at NLO are matched to one shower and are meaningless without it. mmc asks for weights of "
    "scales and parton distributions at LO only.",
)


_LOOP_INDUCED = (
    "a process whose lowest order is a loop has the order LO and `[noborn=QCD]`, as in `g g > h [noborn=QCD]`"
)


@rule(MMC324)
def orders(ctx: Context) -> Iterator[Diagnostic]:
    """The order agrees with the process, and samples at next-to-leading order are possible."""
    for name, sample in samples(ctx).items():
        path = ("generation", "samples", name)
        order = shared(ctx, sample, "order")
        lines = lines_of(sample)
        corrected = [line for line in lines if asks_for_corrections(line)]
        induced = next((line for line in lines if _is_loop_induced(line, shared(ctx, sample, "model"))), None)
        if order == "LO" and induced is not None:
            message = f"`{induced.strip()[:60]}` has no diagrams without a loop in this model"
            yield ctx.problem(MMC324, (*path, "process"), message, _LOOP_INDUCED)
        elif order == "LO" and corrected:
            message = f"`{corrected[0].strip()[:60]}` asks for corrections, but the order is LO"
            help_text = f"add `order: NLO`, or remove the brackets; {_LOOP_INDUCED}"
            yield ctx.problem(MMC324, (*path, "process"), message, help_text)
        elif order == "NLO" and len(corrected) < len(lines):
            at = (*path, "order" if ctx.given(*path, "order") else "process")
            message = f"the order of sample {show(name)} is NLO, but its process does not name the corrections"
            yield ctx.problem(MMC324, at, message, "name them in brackets, `p p > t t~ [QCD]`, or write `order: LO`")
        elif order == "NLO":
            yield from _next_to_leading(ctx, name, sample)


_COLOURLESS = words("a z h w+ w- e- e+ mu- mu+ ta- ta+ ve vm vt ve~ vm~ vt~ l+ l- vl vl~")


def _is_loop_induced(line: str, model: Any) -> bool:
    """Whether two gluons become particles without colour, which in the Standard Model takes a loop."""
    if "[" in line or not isinstance(model, str) or model.partition("-")[0] not in ("sm", "loop_sm"):
        return False
    outgoing = final_state(line)
    return line.partition(">")[0].split() == ["g", "g"] and bool(outgoing) and set(outgoing) <= _COLOURLESS


def _next_to_leading(ctx: Context, name: str, sample: Mapping[str, Any]) -> Iterator[Diagnostic]:
    path = ("generation", "samples", name)
    at = (*path, "order") if ctx.given(*path, "order") else ("generation", "order")
    if not sample["background"]:
        message = f"sample {show(name)} depends on the parameters and cannot have the order NLO"
        help_text = f"generate it at LO with a `k_factor`: weights at NLO cannot be used; {_LOOP_INDUCED}"
        yield ctx.problem(MMC324, at, message, help_text)
    if ctx.get("generation", "shower") == "none":
        message = f"sample {show(name)} has the order NLO, and events at NLO are meaningless before the shower"
        yield ctx.problem(MMC324, at, message, "add `shower: {program: pythia8}`, or write `order: LO`")
    known = ctx.entries("systematics")
    varied = [key for key in sample["systematics"] if known.get(key, {}).get("effect") in ("scale", "pdf")]
    if varied:
        message = f"{show(varied[0])} cannot be varied at NLO: mmc asks for weights of scales and PDF sets at LO only"
        help_text = "name it in samples at LO only, or describe it with `effect: norm`"
        yield ctx.problem(MMC324, (*path, "systematics"), message, help_text)


MMC330 = Code(
    "MMC330",
    "Signals have different models",
    "The model of every signal must have the parameters in its param card, with the same meaning. Two restrictions of "
    "one model are fine; a process that does not depend on the parameters is a background.",
    "warning",
)


@rule(MMC330)
def models_of_signals(ctx: Context) -> Iterator[Diagnostic]:
    """The parameters mean the same in every signal sample."""
    first: tuple[str, Any] | None = None
    for name, sample in samples(ctx).items():
        model = shared(ctx, sample, "model")
        if sample["background"] or model is None:
            continue
        if first is None:
            first = name, model
        elif model != first[1]:
            one, other = _named(first[1]), _named(model)
            message = f"samples {show(first[0])} and {show(name)} have the models {one} and {other}"
            help_text = "make sure that the parameters mean the same in both; mark a background by `background: true`"
            yield ctx.problem(MMC330, ("generation", "samples", name, "model"), message, help_text)


def _named(model: Any) -> str:
    return model if isinstance(model, str) else " with the restriction ".join(map(show, model.values()))


MMC323 = Code(
    "MMC323",
    "A slice of phase space has no cuts or repeats another slice",
    "The cross sections of slices add up, so slices must not overlap. Each slice needs settings of the run card that "
    "differ from those of the other slices. mmc cannot check whether different cuts overlap.",
)


@rule(MMC323)
def slices(ctx: Context) -> Iterator[Diagnostic]:
    """Slices differ from the whole phase space and from each other."""
    for name, sample in samples(ctx).items():
        seen: dict[str, str] = {}
        common = {**(ctx.get("generation", "run_card") or {}), **sample["run_card"]} if "slices" in sample else {}
        for key, settings in sample.get("slices", {}).items():
            path = ("generation", "samples", name, "slices", key)
            if not settings:
                message = f"the slice {show(key)} is the whole phase space of sample {show(name)}"
                yield ctx.problem(MMC323, path, message, "add its cuts, as in `{ptj: 20, ptjmax: 100}`", key=True)
                continue
            own = {name: value for name, value in settings.items() if repr(value) != repr(common.get(name))}
            other = seen.setdefault(repr(sorted(own.items())), key)
            if other != key:
                message = f"the slices {show(other)} and {show(key)} are the same part of phase space"
                yield ctx.problem(MMC323, path, message, "change or remove one: cross sections add up", key=True)
