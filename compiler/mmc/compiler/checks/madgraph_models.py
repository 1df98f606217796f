"""Rules about UFO models that travel with a study to MadGraph."""

from collections.abc import Iterator, Mapping
from typing import Any

from mmc.compiler.checks.context import Context, rule
from mmc.compiler.checks.files import is_readable
from mmc.compiler.checks.madgraph import lines_of, places_of_parameters, samples
from mmc.compiler.checks.reweighting import MMC350, brings, entries_of_model, no_model, parameters_of_model
from mmc.compiler.inputs import process_words, ufo_model
from mmc.compiler.inputs.cards import numbers, param_card
from mmc.compiler.inputs.ufo_model import Declared
from mmc.compiler.language.diagnostics import Code, Diagnostic, one_of, show
from mmc.compiler.language.document import Path

_NONE = "full"
_MOST = 3


def travelling(ctx: Context) -> Iterator[tuple[Path, Mapping[str, str], list[str]]]:
    """The models that travel: the path in the study, the model, and the names of the samples that use it."""
    every = samples(ctx)
    shared = ctx.get("generation", "model")
    if every and isinstance(shared, dict):
        yield ("generation", "model"), shared, [name for name, sample in every.items() if "model" not in sample]
    for name, sample in every.items():
        if isinstance(sample.get("model"), dict):
            yield ("generation", "samples", name, "model"), sample["model"], [name]


@rule(MMC350)
def what_the_model_has(ctx: Context) -> Iterator[Diagnostic]:
    """A model that travels has the parameters, particles and orders that the study names."""
    for path, model, names in travelling(ctx):
        if not is_readable(ctx, model["ufo"]):
            continue  # another rule
        texts = ctx.read_model(model)
        if texts is None:
            yield no_model(ctx, (*path, "ufo"), model["ufo"])
            continue
        yield from _restriction(ctx, path, model, texts)
        declared = ufo_model.declared(texts)
        if declared is None:
            continue
        if any(not ctx.samples[name]["background"] for name in names):
            yield from parameters_of_model(ctx, declared)
        yield from entries_of_model(ctx, path[:-1], declared)
        for name in names:
            yield from _processes(ctx, name, declared)


def _processes(ctx: Context, name: str, model: Declared) -> Iterator[Diagnostic]:
    sample = ctx.samples[name]
    labels = ctx.labels(sample)
    known = {word.lower() for word in (*labels, *process_words.LABELS, *model.particles)}
    pdgs = set(model.particles.values())
    known |= {word for word, pdg in process_words.MADGRAPHS_NAMES.items() if pdg in pdgs}
    many = isinstance(sample["process"], list)
    for index, line in enumerate(lines_of(sample)):
        at: Path = ("generation", "samples", name, "process")
        at = (*at, index) if many else at
        unknown = dict.fromkeys(word for word in process_words.words(line) if word.lower() not in known)
        for word in list(unknown)[:_MOST]:
            message = f"{show(line[:60])}: the model does not have a particle {show(word)}"
            yield ctx.problem(MMC350, at, message, f"its particles are {one_of(list(model.particles), 40)}")
        other = [order for order in process_words.orders(line) if order not in {*model.orders, "WEIGHTED"}]
        if other:
            message = f"{show(line[:60])}: the model does not have an order {show(other[0])}"
            yield ctx.problem(MMC350, at, message, f"its orders are {one_of(sorted(model.orders), 12)}")


MMC383 = Code(
    "MMC383",
    "The restriction of the model fixes a parameter",
    "MadGraph removes from a model the parameters that the restriction sets to 0 or to 1, and makes one parameter of "
    "those of a block that it sets to the same number. A parameter of the study needs a number of its own in the "
    "restriction, such as 9.123e-1: it only says that the parameter is free.",
)


def _restriction(ctx: Context, path: Path, model: Mapping[str, str], texts: Mapping[str, str]) -> Iterator[Diagnostic]:
    name = model.get("restrict")
    if name == _NONE:
        return
    if name is not None and name.endswith(".dat"):
        text = ctx.read_text(name) if is_readable(ctx, name) else ""
    else:
        text = ufo_model.restriction(texts, name)
        yield from brings(ctx, (*path, "restrict"), texts, name, _NONE)
    if text is not None:
        yield from _fixed(ctx, (*path, "restrict") if name is not None else path, param_card(text))


def _fixed(ctx: Context, path: Path, held: Mapping[Any, str]) -> Iterator[Diagnostic]:
    entries = {f"{block} {numbers(number)}": _value(value) for (block, number), value in held.items()}
    for name, place in places_of_parameters(ctx).items():
        here = entries.get(place.lower())
        if here is None:
            continue
        block = place.lower().split()[0]
        same = [
            other
            for other, value in entries.items()
            if other != place.lower() and value == here and other.split()[0] == block
        ]
        if here in (0.0, 1.0):
            message = f"the restriction sets {place}, the parameter {show(name)}, to {here:g}, which fixes it"
            yield ctx.problem(MMC383, path, message, "set it to a number such as 9.123e-1 there, which leaves it free")
        elif same:
            message = f"the restriction gives {place}, the parameter {show(name)}, the number of {same[0]}"
            yield ctx.problem(MMC383, path, message, "MadGraph makes one parameter of both: give each its own number")


def _value(text: str) -> float | None:
    try:
        return float(text.replace("d", "e"))
    except ValueError:
        return None
