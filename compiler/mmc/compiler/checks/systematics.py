"""Rules about systematic uncertainties, and about groups of samples."""

from collections.abc import Iterator
from typing import Any

from mmc.compiler.catalogue.generators import MADGRAPH
from mmc.compiler.checks.context import Context, rule
from mmc.compiler.checks.events import MMC305
from mmc.compiler.language.diagnostics import Code, Diagnostic, one_of, show, suggestion
from mmc.compiler.language.document import Path

MMC325 = Code(
    "MMC325",
    "A sample has two uncertainties of the parton distributions",
    "In each sample, MadGraph takes the weights of one set of parton distributions besides its own. The numbers of "
    "uncertainties of scales and of rates (`norm`) are not limited.",
)


@rule(MMC325)
def varied_once(ctx: Context) -> Iterator[Diagnostic]:
    """In a sample, MadGraph takes one other set of parton distributions."""
    known = ctx.entries("systematics")
    for name, sample in ctx.samples.items() if ctx.origin is MADGRAPH else ():
        first: str | None = None
        for index, key in enumerate(sample["systematics"]):
            if known.get(key, {}).get("effect") != "pdf":
                continue
            if first is not None and key != first:
                message = f"{show(first)} and {show(key)} both vary the parton distributions of sample {show(name)}"
                path = ("generation", "samples", name, "systematics", index)
                yield ctx.problem(MMC325, path, message, "name only one of them")
            first = first or key


MMC326 = Code(
    "MMC326",
    "No sample has a systematic uncertainty",
    "`systematics` describes uncertainties, and each sample names its own. No sample names this one, so it has no "
    "effect.",
    "warning",
)


@rule(MMC326)
def used(ctx: Context) -> Iterator[Diagnostic]:
    """Each systematic uncertainty is in at least one sample."""
    if not ctx.reads_particles or not ctx.sound(*ctx.samples_path):
        return
    names = {key for sample in ctx.samples.values() for key in sample.get("systematics", ())}
    for name in ctx.entries("systematics"):
        if name not in names:
            help_text = f"name it in a sample, `systematics: [{name}]`, or remove it"
            if ctx.origin is not None and not ctx.origin.varies:
                help_text = f"remove it: the generator {ctx.origin.name} has no weights for uncertainties"
            message = f"no sample has the systematic uncertainty {show(name)}"
            yield ctx.problem(MMC326, ("systematics", name), message, help_text, key=True)


MMC546 = Code(
    "MMC546",
    "The uncertainty of a rate is as large as the rate",
    "`variation` of a norm uncertainty is the factor on the rate at one standard deviation: 1.1 for 10 %, not 0.1 or "
    "10. If the uncertainty is a factor of two or more, ignore the warning.",
    "warning",
)
SMALLEST_FACTOR, LARGEST_FACTOR = 0.5, 2.0


@rule(MMC546)
def norms(ctx: Context) -> Iterator[Diagnostic]:
    """The factor at one standard deviation is between a half and two."""
    for name, entry in ctx.entries("systematics").items():
        factor = entry.get("variation")
        if entry.get("effect") != "norm" or factor is None or SMALLEST_FACTOR < factor < LARGEST_FACTOR:
            continue
        message = f"{show(name)} changes rates by a factor of {factor:g} at one standard deviation"
        relative = factor if factor < 1.0 else factor / 100.0
        help_text = f"write `{1.0 + relative:g}` for {100.0 * relative:g} %"
        yield ctx.problem(MMC546, ("systematics", name, "variation"), message, help_text)


def has_no_systematics(ctx: Context, group: str | None = None) -> bool:
    """Whether no sample of a group (or of the study) has a systematic uncertainty; False if this is not known."""
    if not ctx.reads_particles or not ctx.sound(*ctx.samples_path):
        return False
    members = "all" if group is None else ctx.entries("groups").get(group, "all")
    samples = ctx.samples if members == "all" else {name: ctx.samples[name] for name in members if name in ctx.samples}
    return bool(samples) and not any(sample.get("systematics") for sample in samples.values())


MMC216 = Code(
    "MMC216",
    "A sample does not exist",
    "A group or region names a sample that the study does not have. Upper and lower case matter.",
)
MMC219 = Code(
    "MMC219",
    "A sample is in no group",
    "If a study has groups or regions, the events of each are combined separately. The events of this sample are "
    "generated but not used.",
    "warning",
)


@rule(MMC216, MMC219, MMC305)
def groups(ctx: Context) -> Iterator[Diagnostic]:
    """Groups and regions contain samples of the study, and every sample is in one of them.

    There is a signal in each, except in groups from which only mixtures learn.
    """
    if not ctx.reads_particles or not ctx.sound(*ctx.samples_path):
        return
    samples, word = ctx.samples, "group" if "groups" in ctx.data else "region"
    said: dict[Path, Any] = {("groups", name): members for name, members in ctx.entries("groups").items()}
    said |= {("regions", name, "samples"): entry["samples"] for name, entry in ctx.entries("regions").items()}
    every = {path: list(samples) if members == "all" else members for path, members in said.items()}
    mixed = {("groups", name) for entry in ctx.entries("mixtures").values() for name in entry.get("of", ())}
    learned = {("groups", entry.get("group")) for entry in ctx.entries("methods").values() if "over" not in entry}
    for path, members in every.items():
        for index, member in enumerate(members):
            if member not in samples:
                help_text = suggestion(member, samples, lambda: f"there are {one_of(samples)}")
                message = f"the study has no sample {show(member)}"
                yield ctx.problem(MMC216, (*path, index), message, help_text)
        is_learned = path in learned or path not in mixed
        if is_learned and all(member in samples and samples[member]["background"] for member in members):
            message = f"all samples of the {word} {show(path[1])} are backgrounds"
            help_text = "add a sample that depends on the parameters"
            yield ctx.problem(MMC305, path[:2], message, help_text, key=True)
    grouped = {member for members in every.values() for member in members}
    for name in samples if every and ctx.sound("groups") and ctx.sound("regions") else ():
        if name not in grouped:
            message = f"sample {show(name)} is in no {word}, so nothing is learned from its events"
            yield ctx.problem(MMC219, (*ctx.samples_path, name), message, f"add it to a {word}, or remove it", key=True)
