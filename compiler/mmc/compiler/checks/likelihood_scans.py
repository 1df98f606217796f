"""Rules about likelihood scans and simulated experiments: what a minimiser can fit, and what needs a grid."""

from collections.abc import Iterator

from mmc.compiler.catalogue.calibrations import STEPPED
from mmc.compiler.catalogue.methods import RATIO
from mmc.compiler.checks.context import Context, rule
from mmc.compiler.checks.methods import methods_of
from mmc.compiler.checks.points import grid_of
from mmc.compiler.language.diagnostics import Code, Diagnostic, show
from mmc.compiler.language.document import Path
from mmc.compiler.study.likelihood_scans import MOST_PARAMETERS_OF_GRID, POINTS, has_grid
from mmc.compiler.study.scans import has_training_error

SCANS: Path = ("evaluation", "scans")
TOYS: Path = ("evaluation", "observed", "toys")
MOST_FITS = 200_000
"""More fits of a likelihood take days."""


def without_grid(ctx: Context) -> bool:
    """Whether limits have no grid: there are more than three parameters, and the study writes none."""
    parameters = ctx.names("parameters")
    if ctx.get("evaluation") is None or not parameters or not ctx.sound("evaluation", "grid"):
        return False
    return not has_grid(len(parameters), grid_of(ctx))


def _fits(ctx: Context) -> bool:
    """Whether a minimiser fits likelihoods."""
    return without_grid(ctx) or bool(ctx.get(*SCANS)) or ctx.get(*TOYS) is not None


MMC523 = Code(
    "MMC523",
    "A likelihood scan or simulated experiments are not possible",
    "A scan over pairs needs two parameters, and all scans together have at most 200,000 points. Either a file has the "
    "observed events, or `toys` draw simulated experiments, at one point.",
)


@rule(MMC523)
def scans(ctx: Context) -> Iterator[Diagnostic]:
    """Scans have parameters, and not too many points."""
    parameters, entries = ctx.names("parameters"), ctx.get(*SCANS)
    if parameters and entries is not None:
        n, points = len(parameters), 0
        for index, entry in enumerate(entries):
            over = entry["over"]
            if over == "pairs" and n == 1:
                message = "the study has one parameter, so there are no pairs"
                yield ctx.problem(MMC523, (*SCANS, index, "over"), message, "write `over: each`")
            several = 2 if over == "pairs" else 1 if over == "each" else len(over)
            number = n * (n - 1) // 2 if over == "pairs" else n if over == "each" else 1
            points += number * int(entry.get("points", POINTS[several])) ** several
        if points > MOST_FITS:
            message = f"the scans have {points:,} points; at most {MOST_FITS:,} are possible"
            yield ctx.problem(MMC523, SCANS, message, "take fewer points or fewer pairs", key=True)
    observed: Path = ("evaluation", "observed")
    entry = ctx.get(*observed)
    if entry is not None and ("file" in entry) == ("toys" in entry):
        both = "file" in entry
        message = "observed events are either those of a file or toys, not both" if both else "there is no `file`"
        yield ctx.problem(MMC523, observed, message, "write `file: events.csv`, or `toys: {repeat: 100}`", key=True)
    toys = ctx.get(*TOYS)
    if toys is not None and "benchmark" in toys and "point" in toys:
        yield ctx.problem(MMC523, TOYS, "the toys are drawn at two points", "write one of `benchmark` and `point`")


MMC524 = Code(
    "MMC524",
    "This needs a grid",
    "With more than three parameters and no `grid`, limits are found by a minimiser. Critical values from toys, the "
    "error of the training (`error: included`), tuning by limits or closure, combinations of likelihoods without bins, "
    "and nuisance parameters that a ratio has learned are calculated on a grid.",
)


@rule(MMC524)
def needs_grid(ctx: Context) -> Iterator[Diagnostic]:
    """What is calculated on a grid has one."""
    if not without_grid(ctx):
        return
    grid = f"write `grid`, or study at most {MOST_PARAMETERS_OF_GRID} parameters; or remove this"
    if ctx.get("evaluation", "confidence") == "toys":
        message = "critical values come from toys on a grid, and the study has none"
        yield ctx.problem(MMC524, ("evaluation", "confidence"), message, grid)
    profiles = ctx.get("evaluation", "systematics") == "profile"
    for name, method, entry in methods_of(ctx):
        if has_training_error(entry):
            message = f"the error of the training of {show(name)} is calculated on a grid, and the study has none"
            yield ctx.problem(MMC524, ("methods", name, "ensemble", "error"), message, grid)
        criterion = entry.get("tuning", {}).get("criterion")
        if criterion in ("closure", "expected_limit"):
            message = f"{criterion} is calculated on a grid, and the study has none"
            help_text = "write `criterion: validation_loss`, or a `grid`"
            yield ctx.problem(MMC524, ("methods", name, "tuning", "criterion"), message, help_text)
        if profiles and method.family is RATIO and entry.get("nuisance_mode") == "profile":
            message = f"the nuisance parameters of {show(name)} are fitted on a grid, and the study has none"
            yield ctx.problem(MMC524, ("methods", name, "nuisance_mode"), message, grid)


MMC525 = Code(
    "MMC525",
    "A minimiser cannot fit this likelihood",
    "Scans, and limits of more than three parameters, need a likelihood that is smooth in the parameters: with "
    "morphing, the rate, histograms, the truth, SALLY, and ratios that are normalised or not calibrated. The histogram "
    "of SALLINO and adaptive SALLY differs from point to point, and the calibrations `histogram` and `isotonic` have "
    "steps.",
)


@rule(MMC525)
def smooth(ctx: Context) -> Iterator[Diagnostic]:
    """Likelihoods that are fitted are smooth."""
    if not _fits(ctx):
        return
    path: Path = SCANS if ctx.get(*SCANS) else TOYS if ctx.get(*TOYS) is not None else ("evaluation",)
    if ctx.get("morphing") == "none" and ctx.reads_particles:
        message = "without morphing, likelihoods between the benchmarks are not known, so a minimiser cannot fit them"
        yield ctx.problem(MMC525, path, message, "remove this, or write a `grid` of benchmarks", key=True)
    for name, method, entry in methods_of(ctx):
        if entry["calibration"] in STEPPED:
            message = f"the calibration {entry['calibration']} has steps, so a minimiser cannot fit the likelihood"
            help_text = "write `normalisation` or `none`"
            yield ctx.problem(MMC525, ("methods", name, "calibration"), message, help_text)
        chosen = ctx.get("evaluation", "score_likelihood")
        if method.likelihoods and not method.likelihood(chosen).fixed:
            message = f"the likelihood of {show(name)} is a histogram that differs from point to point"
            help_text = "use sally without `score_likelihood`, or a `grid` without scans"
            yield ctx.problem(MMC525, ("methods", name), message, help_text, key=True)
