"""Rules about names: distinct as MadMiner and file systems write them, and free of other meanings."""

from collections.abc import Iterator

from mmc.compiler.catalogue.baselines import BASELINES, names_of_limits
from mmc.compiler.catalogue.names import IN_BASIS, madminer_name
from mmc.compiler.checks.basis import completing
from mmc.compiler.checks.context import Context, rule
from mmc.compiler.expressions.vocabulary import RESERVED
from mmc.compiler.language.diagnostics import Code, Diagnostic, did_you_mean, one_of, show
from mmc.compiler.language.document import Path

_SECTIONS: tuple[tuple[Path, bool], ...] = (
    (("parameters",), False),
    (("benchmarks",), True),
    (("generation", "samples"), True),
    (("events", "samples"), True),
    (("observables",), False),
    (("systematics",), False),
    (("groups",), True),
    (("methods",), True),
    (("evaluation", "baselines", "histograms"), True),
)
"""Sections of names, and whether jobs and so files are called after them."""
_NUISANCE = "_nuisance_param_"
"""What the names of the benchmarks of systematic uncertainties hold."""


MMC207 = Code(
    "MMC207",
    "Two names become the same",
    "MadMiner writes blanks and `-` in names as `_`, and file names may not tell upper from lower case. Names of "
    "the same kind must still differ then.",
)


@rule(MMC207)
def collisions(ctx: Context) -> Iterator[Diagnostic]:
    """Names of one kind differ after MadMiner's renaming."""
    slices = tuple(((*ctx.samples_path, name, "slices"), True) for name in ctx.samples)
    for path, makes_files in (*_SECTIONS, *slices):
        seen: dict[str, str] = {}
        for name in ctx.entries(*path):
            stored = madminer_name(name)
            other = seen.setdefault(stored.casefold() if makes_files else stored, name)
            if other != name:
                same = madminer_name(other) == stored
                reason = f"MadMiner writes both as `{stored}`" if same else "jobs and files are called after them"
                message = f"{show(name)} and {show(other)} are the same name: {reason}"
                yield ctx.problem(MMC207, (*path, name), message, "give one of them another name", key=True)


MMC208 = Code(
    "MMC208",
    "A name has a meaning already",
    "An observable cannot have the name of one of the reader's objects or functions, as cuts could not see both, "
    "nor that of a default observable; a benchmark cannot be called `default` nor as MadMiner calls those with "
    "which it completes the basis or that belong to systematic uncertainties; a parameter cannot be called "
    "`in_basis`; a method cannot be called as a baseline.",
)


@rule(MMC208)
def reserved(ctx: Context) -> Iterator[Diagnostic]:
    """No name means something else already."""
    for name in ctx.entries("observables"):
        path: Path = ("observables", name)
        if ctx.reads_particles and madminer_name(name) in RESERVED:
            message = f"{show(name)} is what the event reader calls something else, so cuts could not use it"
            yield ctx.problem(MMC208, path, message, f"call it `{name}_1`, say", key=True)
        elif madminer_name(name) in ctx.default_observables:
            message = f"{show(name)} is one of MadMiner's default observables already"
            yield ctx.problem(MMC208, path, message, "leave one of them out", key=True)
    for name in ctx.entries("parameters"):
        if name == IN_BASIS:
            message = f"{show(name)} cannot be a parameter: in a benchmark it says whether that is part of the basis"
            yield ctx.problem(MMC208, ("parameters", name), message, "take another name", key=True)
    central = {f"{madminer_name(name)}_central" for name in ctx.entries("systematics")}
    for name in ctx.entries("benchmarks"):
        stored = madminer_name(name)
        if stored == "default":
            meaning = "all benchmarks that are not named"
        elif ctx.reads_particles and stored in completing(ctx):
            meaning = "one that MadMiner adds"
        elif _NUISANCE in stored or stored in central:
            meaning = "one of a systematic uncertainty"
        else:
            continue
        message = f"{show(name)} cannot be a benchmark: it means {meaning}"
        yield ctx.problem(MMC208, ("benchmarks", name), message, "take another name", key=True)
    for name in ctx.entries("methods"):
        if madminer_name(name).casefold() in BASELINES:
            message = f"{show(name)} is the name of a baseline"
            yield ctx.problem(MMC208, ("methods", name), message, "take another name, and say `method: …`", key=True)


MMC204 = Code(
    "MMC204",
    "A method or baseline does not exist",
    f"The name is none of the study's `methods` and none of the baselines {one_of(names_of_limits())}.",
)


@rule(MMC204)
def colours(ctx: Context) -> Iterator[Diagnostic]:
    """Colours are given to methods and baselines that there are."""
    methods = ctx.names("methods")
    if methods is None:
        return
    known = [*methods, *names_of_limits()]
    for name in ctx.entries("plots", "colors"):
        if name not in known:
            guess = did_you_mean(name, known)
            help_text = f"did you mean `{guess}`?" if guess else f"there are {one_of(known)}"
            message = f"{show(name)} is no method or baseline of the study"
            yield ctx.problem(MMC204, ("plots", "colors", name), message, help_text, key=True)
