"""Rules about names: distinct after MadMiner's renaming and as file names, and without another meaning."""

from collections.abc import Iterator

from mmc.compiler.catalogue.baselines import BASELINES, FISHER, names_of_limits
from mmc.compiler.catalogue.labels import label_problem
from mmc.compiler.catalogue.names import IN_BASIS, madminer_name
from mmc.compiler.checks.basis import completing
from mmc.compiler.checks.context import Context, rule
from mmc.compiler.language.diagnostics import Code, Diagnostic, one_of, show, suggestion
from mmc.compiler.language.document import Path

_SECTIONS: tuple[tuple[Path, bool], ...] = (
    (("parameters",), False),
    (("benchmarks",), True),
    (("generation", "samples"), True),
    (("events", "samples"), True),
    (("events", "tables"), True),
    (("observables",), False),
    (("systematics",), False),
    (("groups",), True),
    (("regions",), True),
    (("methods",), True),
    (("mixtures",), True),
    (("evaluation", "baselines", "histograms"), True),
)
"""Sections of names, each with whether jobs, and so files, are named after them."""
_NUISANCE = "_nuisance_param_"
"""A part of the names of MadMiner's benchmarks for systematic uncertainties."""


MMC207 = Code(
    "MMC207",
    "Two names become the same",
    "MadMiner replaces blanks and `-` in names by `_`, and some file systems do not distinguish upper and lower case. "
    "Names of the same kind must still differ then.",
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
                reason = f"MadMiner writes both as `{stored}`" if same else "jobs and files are named after them"
                message = f"{show(name)} and {show(other)} are the same name: {reason}"
                yield ctx.problem(MMC207, (*path, name), message, "give one of them another name", key=True)


MMC208 = Code(
    "MMC208",
    "A name already has another meaning",
    "An observable cannot have the name of a default observable. A benchmark cannot have the name `default`, or a "
    "name that MadMiner gives to the benchmarks that it adds to the basis or to those of systematic uncertainties. A "
    "parameter cannot have the name `in_basis`. A method, or a histogram of the Fisher information, "
    "cannot have the name of a baseline.",
)


@rule(MMC208)
def reserved(ctx: Context) -> Iterator[Diagnostic]:
    """No name has another meaning."""
    for name in ctx.entries("observables"):
        path: Path = ("observables", name)
        if madminer_name(name) in ctx.default_observables:
            message = f"{show(name)} is already one of MadMiner's default observables"
            yield ctx.problem(MMC208, path, message, "remove one of them", key=True)
    for name in ctx.entries("parameters"):
        if name == IN_BASIS:
            message = f"{show(name)} cannot be a parameter: this key of a benchmark says whether it is in the basis"
            yield ctx.problem(MMC208, ("parameters", name), message, "choose another name", key=True)
    added = completing(ctx) if ctx.reads_particles else {}
    central = {f"{madminer_name(name)}_central" for name in ctx.entries("systematics")}
    for name in ctx.entries("benchmarks"):
        stored = madminer_name(name)
        if stored == "default":
            meaning = "all benchmarks without their own number of events"
        elif stored in added:
            meaning = "a benchmark that MadMiner adds"
        elif _NUISANCE in stored or stored in central:
            meaning = "a benchmark of a systematic uncertainty"
        else:
            continue
        message = f"{show(name)} cannot be a benchmark: it means {meaning}"
        yield ctx.problem(MMC208, ("benchmarks", name), message, "choose another name", key=True)


@rule(MMC208)
def names_of_baselines(ctx: Context) -> Iterator[Diagnostic]:
    """No method and no histogram of the Fisher information has the name of a baseline."""
    path: Path = ("evaluation", *FISHER.section, "histograms")
    for name in ctx.entries(*path):
        if madminer_name(name) in BASELINES:
            message = f"{show(name)} already has a meaning among the Fisher information matrices"
            yield ctx.problem(MMC208, (*path, name), message, "choose another name", key=True)
    for name in ctx.entries("methods"):
        if madminer_name(name).casefold() in BASELINES:
            message = f"{show(name)} is the name of a baseline"
            yield ctx.problem(MMC208, ("methods", name), message, "choose another name, and add `method: …`", key=True)


MMC220 = Code(
    "MMC220",
    "A label is drawn as plain text",
    "A label is math between two `$`, with matched braces, at most six levels of them, and common commands of TeX such "
    "as `\\Lambda`, `\\mathcal`, `\\frac`. mmc draws any other label as plain text, with its `$` and `\\`, so that no "
    "label can end the job that draws the figures.",
    "warning",
)


@rule(MMC220)
def labels(ctx: Context) -> Iterator[Diagnostic]:
    """Labels are drawn as they are meant."""
    for section in ("parameters", "observables"):
        for name, entry in ctx.entries(section).items():
            problem = label_problem(entry.get("label", ""))
            if problem is not None:
                message = f"the label of {show(name)} is drawn as plain text: {problem}"
                help_text = "correct the formula; a `$` that is not math is written `\\$`"
                yield ctx.problem(MMC220, (section, name, "label"), message, help_text)


MMC204 = Code(
    "MMC204",
    "A method or baseline does not exist",
    f"The name is neither in the study's `methods` nor one of the baselines {one_of(names_of_limits())}.",
)


@rule(MMC204)
def colours(ctx: Context) -> Iterator[Diagnostic]:
    """Colours are for methods and baselines that exist."""
    methods = ctx.names("methods")
    if methods is None:
        return
    known = dict.fromkeys([*methods, *names_of_limits()])
    for name in ctx.entries("plots", "colors"):
        if name not in known:
            help_text = suggestion(name, known, lambda: f"there are {one_of(known)}")
            message = f"the study has no method or baseline {show(name)}"
            yield ctx.problem(MMC204, ("plots", "colors", name), message, help_text, key=True)
