"""Rules for the values that the schema annotates: references, quantities, intervals and expressions."""

import re
from collections.abc import Iterator

from mmc.compiler.catalogue.names import madminer_name
from mmc.compiler.checks.context import Context, dotted, rule
from mmc.compiler.checks.definitions import scope
from mmc.compiler.checks.shape import MMC110
from mmc.compiler.expressions.calls import MMC403, MMC404
from mmc.compiler.expressions.checker import MMC401, MMC406, TRANSFORM, checked
from mmc.compiler.expressions.lists import MMC402
from mmc.compiler.expressions.parts import MMC405, MMC407, MMC410
from mmc.compiler.expressions.scope import scope_of_transform
from mmc.compiler.language.diagnostics import Code, Diagnostic, Help, one_of, show, suggestion
from mmc.compiler.language.document import Path
from mmc.compiler.language.quantities import UNITS, parse_quantity

MMC201 = Code(
    "MMC201",
    "A benchmark does not exist",
    "The name is not in the study's `benchmarks`. Upper and lower case matter.",
)
MMC202 = Code(
    "MMC202",
    "A parameter does not exist",
    "The name is not in the study's `parameters`. Upper and lower case matter. MadMiner would ignore the value or "
    "fail in the middle of the workflow.",
)
MMC203 = Code(
    "MMC203",
    "An observable does not exist",
    "The name is neither in the study's `observables` nor one of the default observables that the study asks for.",
)
MMC214 = Code(
    "MMC214",
    "A systematic uncertainty does not exist",
    "The name is not in the study's `systematics`. Upper and lower case matter.",
)
MMC215 = Code(
    "MMC215", "A group does not exist", "The name is not in the study's `groups`. Upper and lower case matter."
)
MMC223 = Code(
    "MMC223",
    "A set of features does not exist",
    "The name is not in the study's `feature_sets`. A single observable is written in brackets, `[pt_l]`.",
)
MMC505 = Code(
    "MMC505",
    "A histogram's variable is not an observable",
    "Histograms are filled with observables of the study; the name is not one of them.",
)
MMC561 = Code(
    "MMC561", "A region does not exist", "The name is not in the study's `regions`. Upper and lower case matter."
)
_CODES = {
    "benchmarks": MMC201,
    "parameters": MMC202,
    "observables": MMC203,
    "systematics": MMC214,
    "groups": MMC215,
    "regions": MMC561,
    "feature_sets": MMC223,
}
_WORDS = {"systematics": "systematic uncertainty", "feature_sets": "set of features"}
_HISTOGRAMS = (("evaluation", "baselines"), ("evaluation", "fisher_information"))


@rule(MMC201, MMC202, MMC203, MMC214, MMC215, MMC223, MMC505, MMC561)
def references(ctx: Context) -> Iterator[Diagnostic]:
    """Every name that refers to an entry of a section is the name of an entry."""
    for path, value, schema in ctx.annotated("x-refers-to"):
        if isinstance(value, str):
            yield from _known(ctx, schema["x-refers-to"], value, path, key=False)
    for path, value, schema in ctx.annotated("x-keys-refer-to"):
        for name in value if isinstance(value, dict) else ():
            if name not in schema.get("properties", {}):
                yield from _known(ctx, schema["x-keys-refer-to"], name, (*path, name), key=True)


def _known(ctx: Context, section: str, name: str, path: Path, *, key: bool) -> Iterator[Diagnostic]:
    known = ctx.names(section)
    if known is None or ctx.is_name(section, name):
        return
    in_histogram = any(path[: len(start)] == start for start in _HISTOGRAMS)
    code = MMC505 if section == "observables" and in_histogram else _CODES[section]
    message = f"the study has no {_WORDS.get(section, section[:-1])} {show(name)}"
    help_text: Help = "there are none"
    if known:
        help_text = suggestion(name, known, lambda: f"there are {one_of(known)}")
    elif section == "groups":
        help_text = f"a group is a set of samples: write `groups: {{{name}: [SAMPLE, …], together: all}}`"
        if ctx.entries("regions"):
            help_text = "a study with `regions` has none; write a group as a region with `samples`"
    yield ctx.problem(code, path, message, help_text, key=key)


@rule(MMC110)
def quantities(ctx: Context) -> Iterator[Diagnostic]:
    """Every quantity is a number with a unit of its dimension, and resources of jobs are above zero."""
    for path, value, schema in ctx.annotated("x-dimension"):
        if isinstance(value, list):  # its entries have the annotation too
            continue
        try:
            number = parse_quantity(value, schema["x-dimension"])
            if number == 0 and path[0] == "execution":
                yield ctx.problem(
                    MMC110, path, f"a job cannot run with {show(value)}", "ask for more, or remove the key"
                )
        except ValueError as error:
            message = str(error) if len(value) < 60 else f"{show(value)} is not a quantity of {schema['x-dimension']}"
            yield ctx.problem(MMC110, path, message, _quantity(value, schema["x-dimension"]))


def _quantity(text: str, dimension: str) -> str:
    """How to write a quantity, also from other spellings of a unit, such as `fb-1`, `/fb`, `ifb` and `gev`."""
    number = re.match(r"\s*[\d._]+(?:[eE][+-]?\d+)?", text)
    letters = "".join(re.findall("[a-z]", text[number.end() :].casefold())) if number is not None else ""
    for unit in UNITS[dimension]:
        meant = unit.partition("^")[0].casefold()
        if number is not None and letters in (meant, f"i{meant}", f"inv{meant}"):
            return f"write `{number[0].strip()} {unit}`"
    return f"write a number and a unit: {one_of(UNITS[dimension])}"


MMC111 = Code(
    "MMC111",
    "The ends of an interval are in the wrong order",
    "Intervals are written [smaller, larger]; the two ends must differ.",
)


@rule(MMC111)
def intervals(ctx: Context) -> Iterator[Diagnostic]:
    """Every interval is [smaller, larger]."""
    for path, value, _ in ctx.annotated("x-order"):
        low, high = value
        if low >= high:
            message = f"`{dotted(path)}` starts at {show(low)} and ends at {show(high)}"
            help_text = f"write `[{show(high)}, {show(low)}]`" if low > high else "the two ends must differ"
            yield ctx.problem(MMC111, path, message, help_text)


@rule(MMC401, MMC402, MMC403, MMC404, MMC405, MMC406, MMC407, MMC410)
def expressions(ctx: Context) -> Iterator[Diagnostic]:
    """Every observable, cut, efficiency and transform is an expression that MadMiner can evaluate safely."""
    names = ctx.columns | {madminer_name(name) for name in ctx.names("observables") or ()}
    for path, value, schema in ctx.annotated("x-expression"):
        kind = schema["x-expression"]
        is_own = kind in ("observable", "cut", "efficiency") and ctx.reads_particles
        if isinstance(value, str) and (kind == TRANSFORM or is_own):
            known = scope_of_transform() if kind == TRANSFORM else ctx.once(scope)
            for problem in checked(value, kind, known, names)[0]:
                span = ctx.document.part_span(path, problem.start, problem.end)
                yield ctx.problem(problem.code, path, problem.message, problem.help, span=span)
