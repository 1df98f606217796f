"""Rules about the evaluation: histograms, grids, luminosity."""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

from mmc.compiler.catalogue.baselines import BASELINES, FISHER, HISTOGRAM, Baseline
from mmc.compiler.catalogue.histograms import (
    MOST_POINTS_FOR_TOYS,
    SALLY,
    SCORE_LIKELIHOODS,
    ScoreLikelihood,
    adaptive_bins,
)
from mmc.compiler.catalogue.methods import METHODS, SCORE
from mmc.compiler.checks.basis import components_of
from mmc.compiler.checks.context import Context, rule
from mmc.compiler.checks.files import is_there
from mmc.compiler.checks.likelihood_scans import without_grid
from mmc.compiler.checks.methods import MMC532, methods_of
from mmc.compiler.checks.shape import MMC108
from mmc.compiler.checks.systematics import has_no_systematics
from mmc.compiler.inputs.observed_events import ObservedError, parse_observed
from mmc.compiler.inputs.tables import kind_of
from mmc.compiler.language.diagnostics import Code, Diagnostic, one_of, show
from mmc.compiler.language.document import Path
from mmc.compiler.language.quantities import luminosity_name, parse_quantity
from mmc.compiler.study.model import POINTS_OF_AXIS

MOST_CELLS = 1_000_000
"""More points of a grid or cells of a histogram need too much memory."""
MOST_PRODUCTS = 500_000_000
"""At most so many products of two weights in the cells of a histogram: 4 GB."""


def _asked(ctx: Context) -> list[Baseline]:
    """The baselines that the study asks for."""
    return [kind for kind in BASELINES.values() if kind.asked(ctx.data.get("evaluation"))]


def histograms(ctx: Context) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every valid histogram, with its path."""
    single, named = (("evaluation", *section) for section in (HISTOGRAM.section, HISTOGRAM.named_section))
    information = ("evaluation", *FISHER.section, "histograms")
    several = ((*section, name) for section in (named, information) for name in ctx.entries(*section))
    for path in (single, *several):
        histogram = ctx.get(*path)
        if histogram is not None:
            yield path, histogram


MMC506 = Code(
    "MMC506",
    "Bins are not possible",
    "Edges must increase, logarithmic bins must start above zero, and bins must be for observables of the histogram.",
)


@rule(MMC506)
def bins(ctx: Context) -> Iterator[Diagnostic]:
    """Bins belong to an observable of the histogram and have a width."""
    for histogram_path, histogram in histograms(ctx):
        observables = frozenset(histogram["observables"])
        for name, binning in histogram["bins"].items():
            path = (*histogram_path, "bins", name)
            if name not in observables:
                message = f"the histogram has no observable {show(name)}"
                help_text = f"it has {one_of(histogram['observables'])}"
                yield ctx.problem(MMC506, path, message, help_text, key=True)
            yield from _edges(ctx, path, binning)
    path = ("evaluation", "fisher_information", "bins")
    yield from _edges(ctx, path, ctx.get(*path))
    path = ("evaluation", "fisher_information", "per_bin")
    for name, binning in ctx.entries(*path).items():
        yield from _edges(ctx, (*path, name), binning)
    chosen = _score_likelihood(ctx.get("evaluation", "score_likelihood"))
    for name, method, entry in methods_of(ctx):
        path, binning = ("methods", name, "score_bins"), entry.get("score_bins")
        yield from _edges(ctx, path, binning)
        if method.likelihoods and not isinstance(binning, int | None) and not method.likelihood(chosen.name).fixed:
            message = f"the components of {method.likelihood(chosen.name).name} differ from point to point"
            yield ctx.problem(MMC506, path, message, "write a number of adaptive bins")


def _edges(ctx: Context, path: Path, binning: Any) -> Iterator[Diagnostic]:
    if isinstance(binning, list):
        for index, (low, high) in enumerate(pairwise(binning), start=1):
            if float(high) <= float(low):
                message = f"the edge {show(high)} is not above {show(low)}"
                yield ctx.problem(MMC506, (*path, index), message, "write the edges in increasing order")
                return
    elif isinstance(binning, dict) and binning["scale"] == "log" and binning["range"][0] <= 0:
        message = f"bins equal in the logarithm cannot start at {show(binning['range'][0])}"
        yield ctx.problem(MMC506, (*path, "range"), message, "start above zero, or write `scale: linear`")


MMC507 = Code(
    "MMC507",
    "A grid or histogram has too many cells",
    "The number of cells is the product of the numbers of points or bins of all axes. Above a million, limits take "
    "days and too much memory. A histogram may have fewer where the squared amplitude has many components, as each "
    "cell holds products of the weights at all benchmarks. For so many parameters, use `derivatives` or ratio methods "
    "instead of methods that learn the score.",
)


@rule(MMC507)
def cells(ctx: Context) -> Iterator[Diagnostic]:
    """Grids and histograms are not too large."""
    points = _grid_points(ctx)
    if points > MOST_CELLS:
        message = f"the grid has {_many(points)} points; at most {MOST_CELLS:,} are possible"
        where: Path = ("evaluation", "grid") if ctx.given("evaluation", "grid") else ("evaluation",)
        help_text = "take fewer points per parameter, or `scans: [{over: each}]` instead of the grid"
        yield ctx.problem(MMC507, where, message, help_text, key=True)
    yield from _score_cells(ctx)
    for path, histogram in histograms(ctx):
        observables, given = histogram["observables"], histogram["bins"]
        count = _product(_bin_count(given.get(name, adaptive_bins(len(observables)))) for name in observables)
        if count > (most := _most_cells(ctx)):
            message = f"the histogram has {_many(count)} cells; at most {most:,} are possible"
            key = "bins" if given else "observables"
            yield ctx.problem(MMC507, (*path, key), message, "take fewer bins, or fewer observables", key=True)


def _score_cells(ctx: Context) -> Iterator[Diagnostic]:
    """Histograms of the score are not too large."""
    parameters, score_bins = ctx.names("parameters"), ctx.get("evaluation", "score_bins")
    if not parameters or ctx.get("evaluation") is None:
        return
    chosen = _score_likelihood(ctx.get("evaluation", "score_likelihood"))
    most = _most_cells(ctx)
    if score_bins is not None:
        components = len(chosen.axes(len(parameters)))
        if _product(score_bins for _ in range(components)) > most:
            message = f"{score_bins} bins in each of {components} components are more than {most:,} cells"
            yield ctx.problem(MMC507, ("evaluation", "score_bins"), message, _fewer(components, most))
            return
    for name, method, entry in methods_of(ctx):
        if method.likelihoods:
            bins = method.likelihood(chosen.name).axes(len(parameters))
            own = entry.get("score_bins", score_bins)
            bins = bins if own is None else (_bin_count(own),) * len(bins)
            if _product(bins) > most:
                message = (
                    f"{bins[-1]} bins in each of {len(parameters)} components of the score of {show(name)} are more "
                )
                message += f"than {most:,} cells"
                yield ctx.problem(MMC507, ("methods", name), message, _fewer(len(bins), most), key=True)


def _most_cells(ctx: Context) -> int:
    """The largest number of cells of a histogram, each of which holds products of the weights at all benchmarks."""
    return min(MOST_CELLS, MOST_PRODUCTS // (ctx.once(components_of) or 1) ** 2)


def _fewer(components: int, most: int) -> str:
    """What to do against too many cells of the score."""
    if 2**components <= most:
        return "write `score_bins: 2`"
    return "for so many parameters use `derivatives` or a ratio method, whose likelihoods have no bins"


def _grid_points(ctx: Context) -> int:
    """The number of points of the grid, 0 if it is not known."""
    axes, parameters = ctx.get("evaluation", "grid"), ctx.names("parameters")
    if axes is None or not parameters or without_grid(ctx):
        return 0
    return _product(axes.get(name, {}).get("points", POINTS_OF_AXIS) for name in parameters)


_COUNTED = 10**15
"""Larger products are not computed."""


def _product(numbers: Iterable[int]) -> int:
    """The product of whole numbers, as far as it is counted."""
    product = 1
    for number in numbers:
        product = min(product * number, _COUNTED)
    return product


def _many(count: int) -> str:
    return f"{count:,}" if count < _COUNTED else f"more than {_COUNTED:,}"


def _bin_count(binning: Any) -> int:
    if isinstance(binning, list):
        return len(binning) - 1
    count: int = binning["n"] if isinstance(binning, dict) else binning
    return count


MMC510 = Code(
    "MMC510",
    "Nothing would be evaluated",
    "The study has no methods, no baselines and no Fisher information, so `evaluation` has no effect.",
    "warning",
)


@rule(MMC510)
def something_to_evaluate(ctx: Context) -> Iterator[Diagnostic]:
    """The evaluation has methods, baselines or Fisher information to evaluate."""
    evaluation = ctx.get("evaluation")
    if evaluation is None or ctx.names("methods") != []:
        return
    if not _asked(ctx):
        message = "there is nothing to evaluate: no methods, no baselines, no Fisher information"
        yield ctx.problem(MMC510, ("evaluation",), message, "add `baselines: {rate: true}`, say", key=True)


MMC511 = Code("MMC511", "The luminosity is zero", "At zero luminosity no events are expected, so there are no limits.")


@rule(MMC511, MMC108)
def some_luminosity(ctx: Context) -> Iterator[Diagnostic]:
    """Every luminosity is above zero, and is given once."""
    several = ctx.get("evaluation", "luminosity")
    places: list[Path] = [("evaluation", "luminosity")]
    if isinstance(several, list):
        places = [("evaluation", "luminosity", index) for index in range(len(several))]
    found = set()
    for path in (*places, *(("regions", name, "luminosity") for name in ctx.entries("regions"))):
        text = ctx.get(*path)
        try:
            luminosity = 1.0 if text is None else parse_quantity(text, "luminosity")
        except ValueError:  # reported as MMC110
            continue
        if luminosity == 0:
            yield ctx.problem(MMC511, path, "the luminosity is zero", "write `300 fb^-1`, say")
        elif len(path) == 3 and path[0] == "evaluation":
            name = luminosity_name(luminosity)
            if name in found and several.count(text) == 1:  # the same text twice is a problem of shape
                yield ctx.problem(MMC108, path, f"{show(text)} is in the list twice, as {name}", "keep one of them")
            found.add(name)


MMC530 = Code(
    "MMC530",
    "Observed events cannot be used",
    "The file of observed events is comma-separated text. Its first row names the columns, in any order: each "
    "observable of the study once, and possibly further columns. Every other row is an event, with a finite number "
    "for each observable; no event is there twice. `n_observed` is the number of all observed events, where the file "
    "holds only some of them. Jobs read and check a file of more than 2 MB; the compiler does not.",
)


@rule(MMC530)
def observed(ctx: Context) -> Iterator[Diagnostic]:
    """Observed events have a number for each observable. A file of more than 2 MB is checked by its jobs only."""
    every = ctx.names("observables")
    places: dict[Path, Any] = {("evaluation", "observed", "file"): every}
    for name, entry in ctx.entries("regions").items():
        places[("regions", name, "observed", "file")] = entry.get("observables", every)
    for path, observables in places.items():
        file = ctx.get(*path)
        if isinstance(file, str) and kind_of(file) is not None:
            message = f"observed events are comma-separated text, and {show(file)} ends like another kind of table"
            yield ctx.problem(MMC530, path, message, "write the observables of each event into a CSV file")
            continue
        text = None if file is None or not is_there(ctx, file) else ctx.read_text(file)
        if text is None or not observables:
            continue
        try:
            n = len(parse_observed(text, observables))
        except ObservedError as error:
            message = f"the observed events of {show(file)} cannot be used: {error}"
            help_text = "the first row names the columns, every other row is an event with a number for each observable"
            yield ctx.problem(MMC530, path, message, help_text)
            continue
        number = (*path[:-1], "n_observed")
        n_observed = ctx.get(*number)
        if isinstance(n_observed, int) and n_observed < n:
            message = f"{show(file)} holds {n:,} observed events, more than `n_observed: {n_observed}`"
            yield ctx.problem(
                MMC530, number, message, "it is the number of all observed events, also of those not in the file"
            )


MMC531 = Code(
    "MMC531",
    "An option of the evaluation has no effect",
    "`score_likelihood` applies to the method sally only, and differs from its default only with several parameters. "
    "`include_xsec: both` needs methods, histograms or truth: only these have limits without the rate. `observed` "
    "needs methods, rate or histograms: only these read observed events. `systematics: profile` needs a likelihood "
    "with nuisance parameters: the rate, histograms, score methods, or ratios and densities that learn the nuisance "
    "parameters (`nuisance_mode: profile`).",
)


@rule(MMC531)
def without_effect(ctx: Context) -> Iterator[Diagnostic]:
    """Options of the likelihood have an effect."""
    likelihood, methods = ctx.get("evaluation", "score_likelihood"), ctx.names("methods")
    if likelihood is not None and methods is not None:
        path: Path = ("evaluation", "score_likelihood")
        choosing = [method.name for method in METHODS.values() if len(method.likelihoods) > 1]
        if not {*choosing} & {entry.get("method", name) for name, entry in ctx.entries("methods").items()}:
            message = f"the study has no method {' or '.join(choosing)}"
            yield ctx.problem(MMC531, path, message, "remove it", key=True)
        elif not _score_likelihood(likelihood).fixed and len(ctx.names("parameters") or (1, 2)) == 1:
            message = f"with one parameter there is one direction, so {likelihood} equals {SALLY.name}"
            yield ctx.problem(MMC531, path, message, "remove it", key=True)
    if methods != []:
        return
    asked = _asked(ctx)
    if ctx.get("evaluation", "include_xsec") == "both" and not any(kind.without_rate for kind in asked):
        message = "no limit of the study is computed without the rate: there are no methods, and none of the baselines "
        message += one_of(kind.name for kind in BASELINES.values() if kind.without_rate)
        yield ctx.problem(MMC531, ("evaluation", "include_xsec"), message, "remove it", key=True)
    if ctx.given("evaluation", "observed") and not any(kind.reads_observed for kind in asked):
        message = "nothing reads the observed events: the study has no methods, and none of the baselines "
        message += one_of(kind.name for kind in BASELINES.values() if kind.reads_observed)
        yield ctx.problem(MMC531, ("evaluation", "observed"), message, "add `baselines: {rate: true}`, say", key=True)


def _score_likelihood(chosen: str | None) -> ScoreLikelihood:
    """The likelihood that the study chooses for the score methods with several likelihoods."""
    return SALLY if chosen is None else next(entry for entry in SCORE_LIKELIHOODS if entry.name == chosen)


MMC533 = Code(
    "MMC533",
    "Critical values cannot come from toys",
    "Toys are drawn from the events of all benchmarks, weighted to many points of the grid. So `confidence: toys` "
    "needs morphing and `event_weights: balanced`. With `systematics: profile`, nuisance parameters are fitted to each "
    "toy in bins that all points share: those of the rate, histograms and sally, not in ratios that learn them. "
    "The likelihoods of a thousand toys must fit into memory: the grid has at most 50,000 points.",
)
NO_TOYS = {
    ("morphing", "none"): "toys need weights between the benchmarks",
    ("evaluation", "event_weights", "madminer"): "toys are drawn from balanced events",
}
"""Choices that exclude toys, each as its path and value, and the reasons."""


@rule(MMC533)
def toys(ctx: Context) -> Iterator[Diagnostic]:
    """Toys can be drawn and evaluated."""
    path: Path = ("evaluation", "confidence")
    if ctx.get(*path) != "toys":
        return
    for (*other, value), reason in NO_TOYS.items():
        if ctx.get(*other) == value:
            message = f"{reason}, and the study has `{other[-1]}: {value}`"
            yield ctx.problem(MMC533, path, message, "remove one of them")
    if ctx.get("evaluation", "systematics") == "profile":
        likelihood = ctx.get("evaluation", "score_likelihood")
        for name, method, entry in methods_of(ctx):
            varied = method.family is SCORE or entry.get("nuisance_mode") == "profile"
            if varied and not method.has_bins(likelihood):
                message = (
                    f"{show(name)} has no bins that all points share, in which nuisance parameters are fitted to toys"
                )
                help_text = (
                    "use `sally` with `nuisance_mode: profile`, write `systematics: nominal`, or remove `confidence`"
                )
                yield ctx.problem(MMC533, path, message, help_text)
    points = _grid_points(ctx)
    if points > MOST_POINTS_FOR_TOYS:
        message = f"the grid has {_many(points)} points; toys need at most {MOST_POINTS_FOR_TOYS:,}"
        yield ctx.problem(MMC533, path, message, "take fewer points per parameter, or remove `confidence`")


@rule(MMC531, MMC532)
def profiled(ctx: Context) -> Iterator[Diagnostic]:
    """Profiling needs systematic uncertainties and a likelihood with nuisance parameters."""
    path: Path = ("evaluation", "systematics")
    if ctx.get(*path) != "profile":
        return
    if has_no_systematics(ctx):
        message = "no sample has a systematic uncertainty that could be profiled"
        yield ctx.problem(MMC532, path, message, "name one in a sample, `systematics: [lumi]`, say, or remove this")
    learned = any(
        method.family is SCORE or entry.get("nuisance_mode") == "profile" for _, method, entry in methods_of(ctx)
    )
    knows = learned or any(kind.knows_nuisance for kind in _asked(ctx))
    if ctx.sound("methods") and ctx.sound("evaluation", "baselines") and not knows:
        message = "no likelihood of the study has nuisance parameters: it has no score, and none of the baselines "
        message += one_of(kind.name for kind in BASELINES.values() if kind.knows_nuisance)
        help_text = "set `nuisance_mode: profile` in a method, add `baselines: {rate: true}`, or remove this"
        yield ctx.problem(MMC531, path, message, help_text)
