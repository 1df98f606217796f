"""How often the limits of one run include the true point, for data from the events of other runs.

    python benchmarks/coverage.py RUN RUN ... [--methods rate,histogram,sally,derivatives] [--luminosities 139,556]
        [--fresh N] [--sets N] [--zoom FACTOR] [--points N] [--toys]

RUN are the folders of finished runs of one study with different seeds (`mmc run`). Each gives its networks. By default
its own events also give the rate, the templates and the calibration. With `--fresh N`, N simulations of the same size
are drawn for each network from the events of the other runs instead: of every sample, as many events as a binomial
number of those that were generated, with replacement. Data sets at the true point (`--sets` for each likelihood) are
drawn from the events of all other runs, which these networks have not seen. The limits are those of mmc.

Prints one JSON object: for each luminosity in fb^-1, method and confidence level, the mean coverage with its standard
error, with the statistical error of the simulation in the limits (`with`) and `without` it, and the smallest and the
largest coverage of a single network. The standard error is from the spread between networks, over which that between
simulations is averaged. At a high luminosity the region is small: `--zoom 2` halves the ranges of the grid, whose steps
would otherwise make regions too large. `--points 13` makes the grid coarser, for speed. With `--toys` the critical
values are from toys, and there is only `with`.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, product
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from mmc.compiler.catalogue.stages import COMBINE
from mmc.compiler.settings.baselines import BaselineSettings
from mmc.compiler.settings.configuration import job_entry
from mmc.compiler.settings.encoding import from_json
from mmc.compiler.settings.evaluation import EvaluateSettings
from mmc.compiler.settings.limits import GridAxis, LimitSettings
from mmc.jobs.learning.estimators import Estimator, LogRatio
from mmc.jobs.learning.polynomials import FLOOR
from mmc.jobs.madminer.event_file import Array, EventFile
from mmc.jobs.madminer.event_rows import DATASETS, LABELS
from mmc.jobs.statistics.baselines import density
from mmc.jobs.statistics.calibration import EVERY, Calibration
from mmc.jobs.statistics.closure.toys import blocks, lowest, minus_2_log
from mmc.jobs.statistics.ensemble_spread import EnsembleSpread
from mmc.jobs.statistics.evaluated import Evaluated
from mmc.jobs.statistics.evaluation import load_model
from mmc.jobs.statistics.event_errors import EventErrors
from mmc.jobs.statistics.expectation import Expectation
from mmc.jobs.statistics.limits import Limits
from mmc.jobs.statistics.neyman import Cells, with_toys
from mmc.jobs.statistics.problem import LimitProblem
from mmc.jobs.statistics.profiling import ShapeLikelihood
from mmc.jobs.statistics.scanning.density import BinnedDensity
from mmc.jobs.statistics.score import score_density
from scipy.sparse import csr_array

LEVELS = (0.68, 0.95)
METHODS = ("rate", "histogram", "sally", "derivatives")


@dataclass(frozen=True)
class Nature:
    """The events of several runs together."""

    x: Array
    shares: Array
    """Their probabilities at the true point."""
    cross_section: float
    """At the true point, in pb: the mean of the runs."""

    @classmethod
    def of(cls, files: Sequence[EventFile], theta: Mapping[str, float]) -> "Nature":
        """All events of some runs; each run has the same weight."""
        parts = [file.balanced("all") for file in files]
        row = files[0].coefficients(files[0].coordinates(theta)[np.newaxis])[0]
        weights = np.concatenate([part.weights @ row for part in parts]) / len(parts)
        if weights.min() < 0.0:
            raise SystemExit("some events have negative weights at the true point: no data can be drawn from them")
        return cls(np.concatenate([part.x for part in parts]), weights / weights.sum(), float(weights.sum()))


@dataclass(frozen=True)
class Source:
    """What data sets are drawn from, and how many for each likelihood."""

    nature: Nature
    sets: int
    random: np.random.Generator
    training_error: bool
    """Whether limits include the error of the training."""


@dataclass(frozen=True)
class Data:
    """Data sets: the sums of their log ratios at all points, shape (points, sets), and their sizes, (sets,)."""

    sums: Array
    sizes: Array


Measured = tuple[LimitProblem, Limits, Data]
"""A simulation, its limits, and the data on which they are tried."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", metavar="RUN", type=Path, nargs="+")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--luminosities", default="139,556")
    parser.add_argument("--fresh", type=int, default=0, help="so many simulations for each network, from other runs")
    parser.add_argument("--sets", type=int, default=1000, help="so many data sets for each likelihood")
    parser.add_argument("--zoom", type=float, default=1.0, help="divide the ranges of the grid by this factor")
    parser.add_argument("--points", type=int, help="points of the grid along each parameter")
    parser.add_argument("--toys", action="store_true", help="limits with critical values from toys")
    parser.add_argument("--training-error", action="store_true", help="limits that include the error of the training")
    arguments = parser.parse_args()
    files = [EventFile.of(_events(run), _limits(run)) for run in arguments.runs]
    covered: dict[str, dict[str, list[dict[str, Array]]]] = {}
    for k, run in enumerate(arguments.runs):
        others = [other for other in arguments.runs if other != run]
        nature = Nature.of([file for i, file in enumerate(files) if i != k], _limits(run).theta_true)
        random = np.random.default_rng(k)
        with tempfile.TemporaryDirectory() as folder:
            fresh = _fresh(Path(folder), run, others, arguments.fresh, random)
            for luminosity, method, found in _measured(run, fresh or [files[k]], nature, arguments, random):
                covered.setdefault(luminosity, {}).setdefault(method, []).append(found)
                shown = {name: values.round(4).tolist() for name, values in found.items()}
                sys.stderr.write(f"{luminosity} fb^-1, {method}, {run}: {shown}\n")
    print(json.dumps({luminosity: {m: _summary(v) for m, v in each.items()} for luminosity, each in covered.items()}))


def _measured(
    run: Path, files: Sequence[EventFile], nature: Nature, arguments: Any, random: np.random.Generator
) -> Iterator[tuple[str, str, dict[str, Array]]]:
    """Luminosity, method, and the mean coverage over some simulations, with the networks of a run."""
    source = Source(nature, arguments.sets, random, arguments.training_error)
    for luminosity, method in product(arguments.luminosities.split(","), arguments.methods.split(",")):
        limits = replace(
            _limits(run),
            luminosity_pb=1000.0 * float(luminosity),
            grid=_grid(_limits(run).grid, arguments),
            confidence="toys" if arguments.toys else "asymptotic",
        )
        problems = [LimitProblem.of(file, limits) for file in files]
        likelihoods = _baseline if method in ("rate", "histogram") else _estimator
        found = [_coverage(*each) for each in likelihoods(run, method, problems, source)]
        yield luminosity, method, {name: np.mean([entry[name] for entry in found], axis=0) for name in found[0]}


def _baseline(run: Path, method: str, problems: Sequence[LimitProblem], source: Source) -> Iterator[Measured]:
    """The limits of a baseline from each simulation, with data."""
    settings = from_json(BaselineSettings, _settings(run, "baselines", method))
    return (_binned(*density(problem, settings), source) for problem in problems)


def _estimator(run: Path, method: str, problems: Sequence[LimitProblem], source: Source) -> Iterator[Measured]:
    """The limits of an estimator from each simulation, with data; what the networks say of nature is kept."""
    job = _settings(run, "evaluate", method)
    evaluated = from_json(EvaluateSettings, job)
    models = [run / "out" / "train" / name for name in job.get("members") or [job["train_job"]]]
    estimator = load_model(problems[0], evaluated, models)
    if evaluated.score is not None:
        x = source.nature.x
        scores = partial(_remembered, x, estimator.score(x), estimator.score)
        for problem in problems:
            found = score_density(problem, evaluated, evaluated.score, estimator)
            yield _binned(problem, replace(found, summary=scores), source)
        return
    data = _drawn(problems[0], estimator, source)
    for problem in problems:
        spread = EnsembleSpread(estimator, problem, evaluated).variance if source.training_error else None
        yield _unbinned(replace(problem, training=spread), evaluated, estimator, data, source)


def _remembered(x: Array, values: Array, function: Callable[[Array], Array], y: Array) -> Array:
    return values if y is x else function(y)


def _binned(problem: LimitProblem, found: BinnedDensity, source: Source) -> Measured:
    """Of a histogram; the data are Poisson numbers in its bins."""
    table, nature = found.log_ratio(problem.coefficients), source.nature
    problem = replace(problem, template=found.template)
    shares = np.bincount(found.binning.index(found.summary(nature.x)), nature.shares, found.binning.size)
    means = problem.luminosity * nature.cross_section * shares
    counts = source.random.poisson(means, (source.sets, len(shares))).T
    own = found.sums @ problem.true_coefficients
    cells = partial(Cells.binned, problem, table, found.binning, lambda events: found.summary(events.x))
    limits = _limits_of(problem, table @ (own / own.sum()), cells, source.random)
    return problem, limits, Data(table @ counts, counts.sum(axis=0).astype(float))


def _log_ratio(estimator: Estimator) -> LogRatio:
    """ln r of an estimator; of a polynomial in single precision, which is that of its network."""
    if not estimator.can_be_negative:
        return estimator.log_ratio

    def found(points: Array, x: Array) -> Array:
        rows, directions = estimator.coefficients(x), estimator.direction(points)
        return np.asarray(np.log(np.maximum(directions.astype(np.float32) @ rows.astype(np.float32).T, FLOOR)))

    return found


def _drawn(problem: LimitProblem, estimator: Estimator, source: Source) -> Data:
    """Data sets of single events, with the ratio as it was trained."""
    nature, sets, random, log_ratio = source.nature, source.sets, source.random, _log_ratio(estimator)
    sizes = random.poisson(problem.luminosity * nature.cross_section, sets)
    chosen = np.searchsorted(np.cumsum(nature.shares), random.random(sizes.sum()) * nature.shares.sum())
    chosen = np.minimum(chosen, len(nature.x) - 1)
    pairs = np.repeat(np.arange(sets), sizes), chosen
    counts = csr_array((np.ones(len(chosen), dtype=np.float32), pairs), shape=(sets, len(nature.x))).tocsc()
    sums = np.zeros((len(problem.points), sets))
    for rows in blocks(len(nature.x), len(problem.points)):
        some = counts[:, rows].tocsr()
        used = np.unique(some.indices)
        logs = log_ratio(problem.points, nature.x[rows][used])
        sums += (some[:, used] @ logs.T).T
    return Data(sums, sizes.astype(float))


def _unbinned(
    problem: LimitProblem, settings: EvaluateSettings, estimator: Estimator, data: Data, source: Source
) -> Measured:
    """Of a ratio, which may be normalised by the events of the simulation."""
    denominator = problem.file.point(settings.reference)
    row = problem.file.coefficients(denominator[np.newaxis])[0]
    events = problem.file.part(problem.simulation)
    log_ratio = _log_ratio(estimator)
    simulated = Evaluated(log_ratio, problem.points, events.x)
    shift = np.zeros((len(problem.points), 1))
    if settings.calibration == "normalisation":
        shift = Calibration.fit("normalisation", simulated, problem, denominator).apply(shift, EVERY)
    elif settings.calibration != "none":
        raise SystemExit(f"the coverage of ratios with `calibration: {settings.calibration}` is not measured")
    errors = EventErrors.of(problem)
    expectation = Expectation(problem.asimov[1], events.probabilities(row), len(problem.points), errors)
    for rows, logs in simulated:
        expectation.add(logs + shift, rows)
    problem = replace(problem, errors=None if errors is None else errors.errors)

    def cells() -> Cells:
        tested = Evaluated(log_ratio, problem.points, problem.file.part(problem.partition).x)
        return Cells.of_events(problem, lambda: (logs + shift for _, logs in chain(tested, simulated)))

    limits = _limits_of(problem, expectation.likelihood.mean_log, cells, source.random)
    return problem, limits, replace(data, sums=data.sums + shift * data.sizes)


def _limits_of(
    problem: LimitProblem, mean_log: Array | float, cells: Callable[[], Cells], random: np.random.Generator
) -> Limits:
    limits = problem.all_limits(ShapeLikelihood(mean_log), None)
    return (with_toys(problem, limits, cells(), random) if problem.toys else limits)[""]


def _coverage(problem: LimitProblem, limits: Limits, data: Data) -> dict[str, Array]:
    """The part of the data sets whose limits include the true point at each level, shape (levels,)."""
    q = minus_2_log(problem.expected if problem.include_xsec else None, data.sums, data.sizes)
    q_true = q[-1] - lowest(problem.grid, q)
    used = {"with": limits} | ({} if problem.toys else {"without": limits.infinite_simulation})
    return {
        name: np.array([(q_true <= each.critical_values(level)[-1]).mean() for level in LEVELS])
        for name, each in used.items()
    }


def _fresh(folder: Path, run: Path, others: Sequence[Path], n: int, random: np.random.Generator) -> list[EventFile]:
    """``n`` simulations as large as that of a run, from the events of others, written to a folder."""
    if not n:
        return []
    columns = [np.concatenate(each) for each in zip(*map(_rows, others), strict=True)]
    return [_simulated(folder / str(i), run, columns, len(others), random) for i in range(n)]


def _simulated(folder: Path, run: Path, columns: Sequence[Any], n_runs: int, random: np.random.Generator) -> EventFile:
    """A simulation from the events of ``n_runs`` runs, whose columns these are, in a new folder."""
    samples = json.loads(_record(run).read_text(encoding="utf-8"))["samples"]
    rows = []
    for label, sample in enumerate(samples):
        passed, n = np.flatnonzero(columns[-1] == label), sample["n_generated"]
        rows.append(random.choice(passed, random.binomial(n, len(passed) / (n * n_runs))))
    drawn = random.permutation(np.concatenate(rows))
    folder.mkdir()
    path = Path(shutil.copy(_events(run), folder))
    shutil.copy(_record(run), folder)
    with h5py.File(path, "r+") as file:
        for name, column in zip((*DATASETS, LABELS), columns, strict=True):
            del file[f"samples/{name}"]
            file[f"samples/{name}"] = column[drawn]
        n_events = np.bincount(columns[2][drawn], minlength=len(file["benchmarks/names"]))
        file["sample_summary/signal_events"][...] = n_events
    return EventFile.of(path, _limits(run))


def _rows(run: Path) -> list[Any]:
    with h5py.File(_events(run)) as file:
        return [file[f"samples/{name}"][()] for name in (*DATASETS, LABELS)]


def _events(run: Path) -> Path:
    return run / "out" / "combine" / "combine" / "events.h5"


def _record(run: Path) -> Path:
    return _events(run).with_name(COMBINE.record)


def _settings(run: Path, stage: str, job: str) -> Mapping[str, Any]:
    content = json.loads((run / "bundle" / "config" / f"{stage}.json").read_text(encoding="utf-8"))
    return job_entry(content, job).settings


def _limits(run: Path) -> LimitSettings:
    return from_json(BaselineSettings, _settings(run, "baselines", "rate")).limits


def _grid(grid: Mapping[str, GridAxis], arguments: Any) -> dict[str, GridAxis]:
    """Ranges about the same centre."""
    found = {}
    for name, axis in grid.items():
        centre, half = sum(axis.range) / 2.0, (axis.range[1] - axis.range[0]) / (2.0 * arguments.zoom)
        points = arguments.points or axis.points
        found[name] = replace(axis, range=(centre - half, centre + half), points=points)
    return found


def _summary(networks: Sequence[Mapping[str, Array]]) -> dict[str, Any]:
    """The mean over networks, its standard error, and the smallest and the largest coverage."""
    found: dict[str, Any] = {}
    for name in networks[0]:
        values = np.array([entry[name] for entry in networks])
        errors = values.std(axis=0, ddof=1) / len(values) ** 0.5 if len(values) > 1 else np.full(len(LEVELS), np.nan)
        found[name] = {
            str(level): {
                "coverage": round(float(values[:, k].mean()), 4),
                "error": round(float(errors[k]), 4),
                "range": [round(float(end), 4) for end in (values[:, k].min(), values[:, k].max())],
            }
            for k, level in enumerate(LEVELS)
        }
    return found


if __name__ == "__main__":
    main()
