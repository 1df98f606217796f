"""Rules about normalisations that float in a combination."""

from collections.abc import Iterator

from mmc.compiler.catalogue.baselines import RATE
from mmc.compiler.checks.context import Context, rule
from mmc.compiler.checks.regions import binned_in_all, has_bins, in_regions
from mmc.compiler.language.diagnostics import Code, Diagnostic, one_of, show, suggestion
from mmc.compiler.language.document import Path

MMC565 = Code(
    "MMC565",
    "A normalisation cannot float",
    "The factor on the cross section of a sample is fitted in the bins of the regions that contain the sample, with "
    "the parameters. So the sample is in one of the regions, the number of events is part of the likelihood, and "
    "each likelihood is that of a histogram with the same bins at all points: the rate, histograms, sally.",
)
MMC566 = Code(
    "MMC566",
    "A floating normalisation is not constrained",
    "A rate measures one number for each region. With as many floating normalisations as regions, these describe any "
    "data at each point, so nothing is left that measures the parameters.",
)


@rule(MMC565)
def possible(ctx: Context) -> Iterator[Diagnostic]:
    """What floats is a sample of the regions, and their likelihoods have bins."""
    for name, entry in ctx.entries("combinations").items():
        if "floating" not in entry or not ctx.sound("combinations", name):
            continue
        path: Path = ("combinations", name, "floating")
        samples = _samples(ctx, list(entry["of"]))
        for index, sample in enumerate(entry["floating"] if samples is not None else ()):
            if sample not in (samples or ()):
                message = f"no region of the combination has a sample {show(sample)}"
                help_text = suggestion(sample, samples or (), f"the samples are {one_of(samples or ())}")
                yield ctx.problem(MMC565, (*path, index), message, help_text)
        if ctx.origin is not None and not ctx.origin.reads_particles:
            message = "a MadMiner file does not contain the sample of each event"
            yield ctx.problem(MMC565, path, message, "generate the events, or name the files of each sample", key=True)
        if ctx.get("evaluation", "include_xsec") is False:
            message = "without the number of events, normalisations are not measured"
            yield ctx.problem(MMC565, path, message, "remove `include_xsec: false`, or this", key=True)
        if isinstance(entry["of"], dict):
            for region, what in entry["of"].items():
                if what in in_regions(ctx, region) and not has_bins(ctx, what):
                    message = f"the likelihood of {show(what)} has no bins in which a normalisation can be fitted"
                    help_text = "name `rate`, a histogram or sally"
                    yield ctx.problem(MMC565, ("combinations", name, "of", region), message, help_text)
        elif binned_in_all(ctx, entry["of"]) == []:
            message = "no rate, histogram or score method is evaluated in all of the regions"
            yield ctx.problem(MMC565, path, message, "add `baselines: {rate: true}`", key=True)


@rule(MMC566)
def constrained(ctx: Context) -> Iterator[Diagnostic]:
    """The regions measure more numbers than normalisations float."""
    for name, entry in ctx.entries("combinations").items():
        n_regions, n_floating = len(entry["of"]), len(entry.get("floating", ()))
        if n_floating < n_regions:
            continue
        of = entry["of"]
        if set(of.values() if isinstance(of, dict) else binned_in_all(ctx, of)) == {RATE.name}:
            message = f"{n_regions} rates measure {n_regions} numbers, and {n_floating} normalisations float"
            help_text = "add a region, use a histogram in a region, or let fewer float"
            yield ctx.problem(MMC566, ("combinations", name, "floating"), message, help_text, key=True)


def _samples(ctx: Context, of: list[str]) -> list[str] | None:
    """The samples of regions or groups; None if these are not known."""
    regions, groups, every = ctx.entries("regions"), ctx.entries("groups"), list(ctx.samples)
    if not every or not set(of) <= {*regions, *groups}:
        return None
    named = [regions[name]["samples"] if name in regions else groups[name] for name in of]
    return list(dict.fromkeys(sample for own in named for sample in (every if own == "all" else own)))
