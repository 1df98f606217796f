"""Rules about UFO models, and about existing events that are reweighted with them."""

from collections.abc import Iterator, Mapping
from typing import Any

from mmc.compiler.catalogue.generators import EVENT_SAMPLES
from mmc.compiler.checks.context import Context, rule
from mmc.compiler.checks.files import is_readable
from mmc.compiler.checks.madgraph import places_of_parameters
from mmc.compiler.inputs import ufo_model
from mmc.compiler.inputs.ufo_model import Declared
from mmc.compiler.language.diagnostics import Code, Diagnostic, one_of, show
from mmc.compiler.language.document import Path


def models(ctx: Context) -> Iterator[tuple[Path, Any]]:
    """The UFO models that a study names, each with its path: the name of an installed one, or its archive."""
    for path, value, _ in ctx.annotated("x-ufo-model"):
        yield path, value


def _reweighted(ctx: Context) -> Iterator[tuple[Path, dict[str, Any], dict[str, Any]]]:
    """The samples that are reweighted: the path, the sample, and how."""
    for name, sample in ctx.samples.items() if ctx.origin is EVENT_SAMPLES else ():
        if "reweight" in sample:
            yield (*ctx.samples_path, name, "reweight"), sample, sample["reweight"]


MMC350 = Code(
    "MMC350",
    "The model does not have what the study names",
    "`mmc validate` reads the files of a UFO model, without running them: the parameters of the study and the entries "
    "of `param_card` are external parameters of the model, by block and number; `orders` are its coupling orders; "
    "`without` and `undecayed` name its particles. A model that is not at hand is checked by the jobs.",
)


@rule(MMC350)
def what_the_model_has(ctx: Context) -> Iterator[Diagnostic]:
    """A model has the parameters, particles and orders that the study names."""
    for path, model in models(ctx):
        if isinstance(model, dict) and not is_readable(ctx, model["file"]):
            continue  # another rule
        found = ctx.read_model(model)
        if found is None and isinstance(model, dict):
            yield no_model(ctx, (*path, "file"), model["file"])
        if found is not None:
            yield from brings(ctx, (*path[:-1], "restriction"), found, ctx.get(*path[:-1], "restriction"), "none")
        declared = None if found is None else ufo_model.declared(found)
        if declared is not None:
            yield from parameters_of_model(ctx, declared)
            yield from entries_of_model(ctx, path[:-1], declared)
            yield from _words(ctx, path[:-1], declared)


def no_model(ctx: Context, path: Path, file: str) -> Diagnostic:
    """A file that travels is not a model."""
    message = f"{show(file)} is not a UFO model, or an archive of one"
    return ctx.problem(MMC350, path, message, "name the folder of the model, or pack it: `tar czf MODEL.tar.gz MODEL`")


def brings(ctx: Context, path: Path, texts: Mapping[str, str], name: str | None, nothing: str) -> Iterator[Diagnostic]:
    """A restriction that the study names is one of the model's.

    :param nothing: the word for no restriction
    """
    if name not in (None, nothing) and ufo_model.restriction(texts, name) is None:
        there = sorted(file.removeprefix("restrict_").removesuffix(".dat") for file in texts if "restrict_" in file)
        message = f"the model does not bring a restriction {show(name)}"
        yield ctx.problem(MMC350, path, message, f"it brings {one_of([*there, nothing], 12)}")


def parameters_of_model(ctx: Context, model: Declared) -> Iterator[Diagnostic]:
    """The model has every parameter of the study."""
    for name, place in places_of_parameters(ctx).items():
        if place.lower() not in model.entries:
            path = ("parameters", name, "lha_id")
            yield ctx.problem(MMC350, path, f"the model does not have a parameter {place}", _has(place, model))


def entries_of_model(ctx: Context, path: Path, model: Declared) -> Iterator[Diagnostic]:
    """The model has every entry of ``param_card`` in the section ``path``."""
    for place in ctx.entries(*path, "param_card"):
        block, _, number = place.lower().partition(" ")
        known = number == "all" and any(entry.split()[0] == block for entry in model.entries)
        if place != "file" and not known and place.lower() not in model.entries:
            at = (*path, "param_card", place)
            yield ctx.problem(MMC350, at, f"the model does not have a parameter {place}", _has(place, model), key=True)


def _has(place: str, model: Declared) -> str:
    block = place.lower().split()[0]
    there = sorted((entry for entry in model.entries if entry.split()[0] == block), key=_by_number)
    if there:
        return f"its block {block} has {', '.join(entry.partition(' ')[2] for entry in there[:12])}"
    return f"its blocks are {', '.join(sorted({entry.split()[0] for entry in model.entries}))}"


def _by_number(entry: str) -> list[int]:
    return [int(word) for word in entry.split()[1:]]


def _words(ctx: Context, path: Path, model: Declared) -> Iterator[Diagnostic]:
    for order in ctx.entries(*path, "orders"):
        if order not in model.orders:
            message = f"the model does not have an order {show(order)}"
            help_text = f"its orders are {one_of(sorted(model.orders), 12)}"
            yield ctx.problem(MMC350, (*path, "orders", order), message, help_text, key=True)
    for key in ("without", "undecayed"):
        for index, name in enumerate(ctx.get(*path, key) or ()):
            at = (*path, key, index)
            if name.lower() not in model.particles:
                message = f"the model does not have a particle {show(name)}"
                yield ctx.problem(MMC350, at, message, f"its particles are {one_of(list(model.particles), 40)}")
            elif key == "undecayed" and model.spins[name.lower()] != 1:
                message = f"{show(name)} has a spin, so its decay depends on how it was produced"
                yield ctx.problem(MMC350, at, message, "remove it: the weights are those of the decay products")


MMC351 = Code(
    "MMC351",
    "Events cannot be reweighted",
    "A matrix element depends on the parameters through the entries of the param card, so each parameter needs "
    "`lha_block` and `lha_id`. A background does not depend on the parameters and keeps its weights.",
)


@rule(MMC351)
def reweighted(ctx: Context) -> Iterator[Diagnostic]:
    """Reweighted samples are signals, and each parameter has a place in the param card."""
    for path, sample, _ in _reweighted(ctx):
        if sample["background"]:
            message = "a background keeps its weights: it does not depend on the parameters"
            yield ctx.problem(MMC351, path, message, "remove `reweight` or `background`", key=True)
    if any(_reweighted(ctx)):
        places = places_of_parameters(ctx)
        for name in ctx.entries("parameters"):
            if name not in places:
                message = f"parameter {show(name)} does not name its entry in the param card"
                yield ctx.problem(
                    MMC351, ("parameters", name), message, "add `lha_block: dim6, lha_id: 2`, say", key=True
                )
