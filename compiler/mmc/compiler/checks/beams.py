"""Rules about colliding beams and their parton distributions."""

from collections.abc import Iterator

from mmc.compiler.catalogue import parton_sets
from mmc.compiler.catalogue.generators import MADGRAPH
from mmc.compiler.checks.context import Context, rule
from mmc.compiler.language.diagnostics import Code, Diagnostic, show, suggestion
from mmc.compiler.language.document import Path

MMC381 = Code(
    "MMC381",
    "The set of parton distributions is unknown",
    "A set is named by LHAPDF's name or number: `NNPDF31_nnlo_as_0118` is `303600`. MadGraph also has sets of its own, "
    "such as `nn23lo1`. mmc knows the names of the sets that are used most; write a set that it does not know as "
    "MadGraph needs it, which LHAPDF's file `pdfsets.index` tells: by its number in `beams.pdf`, by its name in "
    "`variation`.",
)


@rule(MMC381)
def parton_distributions(ctx: Context) -> Iterator[Diagnostic]:
    """Sets of parton distributions have a number for the run card, and a name for the weights."""
    path: Path = ("generation", "beams", "pdf")
    pdf = ctx.get(*path) if ctx.origin is MADGRAPH else None
    if pdf is not None and pdf not in parton_sets.MADGRAPHS_OWN and parton_sets.number_of(pdf) is None:
        known = [*parton_sets.MADGRAPHS_OWN, *parton_sets.NUMBERS]
        instead = "write its number, which LHAPDF's file pdfsets.index tells"
        yield ctx.problem(
            MMC381, path, f"mmc does not know the number of the set {show(pdf)}", suggestion(pdf, known, lambda: instead)
        )
    for name, entry in ctx.entries("systematics").items():
        variation = entry.get("variation")
        if entry.get("effect") == "pdf" and variation is not None and parton_sets.name_of(variation) is None:
            message = f"mmc does not know the name of the set {variation}"
            help_text = "write its name, which LHAPDF's file pdfsets.index tells"
            yield ctx.problem(MMC381, ("systematics", name, "variation"), message, help_text)
