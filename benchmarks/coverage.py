"""How often the limits of one run include the true point, for data from the events of other runs.

    python benchmarks/coverage.py RUN RUN ... [--methods rate,histogram,sally] [--luminosities 139,556] [--others N]
        [--templates N] [--zoom FACTOR] [--toys]

RUN are the folders of finished runs of one study with different seeds (`mmc run`). Each run gives its networks. The
events of this and of the next N - 1 runs (`--templates`) give the rate, the templates and the calibration, one after
the other. Toys at the true point are drawn from the events of the other runs, which these likelihoods have not seen.
Prints one JSON object: for each luminosity in fb^-1, method and confidence level, the mean coverage with its standard
error, with the statistical error of the simulation in the limits (`with`; the rate also `without`), and the smallest
coverage of a single likelihood. The standard error is from the spread between networks or between sets of templates,
whichever is larger. At a high luminosity the region is small: `--zoom 2` halves the ranges of the grid, whose steps
would otherwise make regions too large. With `--toys` the critical values are from toys, and there is only `with`.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from mmc.compiler.settings.baselines import BaselineSettings
from mmc.compiler.settings.encoding import from_json
from mmc.compiler.settings.evaluation import EvaluateSettings
from mmc.compiler.settings.limits import GridAxis, LimitSettings
from mmc.jobs.madminer.event_file import Array, EventFile, Events
from mmc.jobs.statistics.baselines import LIKELIHOODS
from mmc.jobs.statistics.evaluation import evaluate_estimator, load_model
from mmc.jobs.statistics.problem import LimitProblem
from scipy.special import chdtri

LEVELS = (0.68, 0.95)
RATE_TOYS = 20_000


@dataclass(frozen=True)
class Nature(Events):
    """Events of other runs. Their probabilities sum to the ratio of the expected events there and in the run itself."""

    rates: Array
    """Cross sections of the run itself at the benchmarks."""

    def probabilities(self, coefficients: Array) -> Array:
        """Weights at a point over the cross section of the run itself, so that toys have the rate of the others."""
        return np.asarray(self.weights @ coefficients / (self.rates @ coefficients))


@dataclass(frozen=True)
class Transferred(LimitProblem):
    """A problem whose toys are drawn from the events of other runs."""

    nature: Nature = field(kw_only=True)

    @cached_property
    def population(self) -> Events:
        """The events of the other runs."""
        return self.nature

    @cached_property
    def tested_shares(self) -> Array:
        """The probabilities of these events at the true point."""
        return self.nature.probabilities(self.true_coefficients)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", metavar="RUN", type=Path, nargs="+")
    parser.add_argument("--methods", default="rate,histogram,sally")
    parser.add_argument("--luminosities", default="139,556")
    parser.add_argument("--others", type=int, default=100, help="at most so many other runs give the data")
    parser.add_argument("--templates", type=int, default=1, help="so many runs give templates for each network")
    parser.add_argument("--zoom", type=float, default=1.0, help="divide the ranges of the grid by this factor")
    parser.add_argument("--toys", action="store_true", help="limits with critical values from toys")
    arguments = parser.parse_args()
    found: dict[str, Any] = {}
    files = [EventFile.of(_events(run), _limits(run)) for run in arguments.runs]
    for luminosity in arguments.luminosities.split(","):
        for method in arguments.methods.split(","):
            covered: dict[tuple[int, int], dict[str, list[float]]] = {}
            for k, j in _pairs(len(files), arguments.templates):
                run = arguments.runs[k]
                others = [files[i] for i in (*range(k + 1, len(files)), *range(k)) if i != j]
                limits = replace(
                    _limits(run),
                    luminosity_pb=1000.0 * float(luminosity),
                    grid=_zoomed(_limits(run).grid, arguments.zoom),
                    confidence="toys" if arguments.toys else "asymptotic",
                )
                covered[k, j] = _coverage(run, files[j], _nature(others[: arguments.others]), method, limits)
                sys.stderr.write(f"{luminosity} fb^-1, {method}, networks {k}, templates {j}: {covered[k, j]}\n")
            found.setdefault(luminosity, {})[method] = _summary(covered)
    print(json.dumps(found, indent=2))


def _pairs(n_runs: int, n_templates: int) -> Iterator[tuple[int, int]]:
    """The numbers of the run with the networks and of that with the templates."""
    for k in range(n_runs):
        for step in range(n_templates):
            yield k, (k + step) % n_runs


def _zoomed(grid: Mapping[str, GridAxis], factor: float) -> dict[str, GridAxis]:
    """Ranges about the same centre."""
    found = {}
    for name, axis in grid.items():
        centre, half = sum(axis.range) / 2.0, (axis.range[1] - axis.range[0]) / (2.0 * factor)
        found[name] = replace(axis, range=(centre - half, centre + half))
    return found


def _events(run: Path) -> Path:
    return run / "out" / "combine" / "combine" / "events.h5"


def _shared(run: Path, stage: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run / "bundle" / "config" / f"{stage}.json").read_text(encoding="utf-8"))
    return content


def _limits(run: Path) -> LimitSettings:
    return from_json(LimitSettings, _shared(run, "baselines")["shared"])


def _nature(files: Sequence[EventFile]) -> Events:
    """The events of several runs together; each run has the same weight."""
    parts = [file.balanced("all") for file in files]
    return Events(
        np.concatenate([part.x for part in parts]), np.concatenate([part.weights for part in parts]) / len(parts)
    )


def _coverage(run: Path, file: EventFile, nature: Events, method: str, limits: LimitSettings) -> dict[str, list[float]]:
    """The coverage at both levels; of asymptotic limits of the rate also without the error of the simulation."""
    problem = LimitProblem.of(file, limits)
    random = np.random.default_rng(1)
    if method == "rate":
        result, _ = LIKELIHOODS["rate"](problem, BaselineSettings(limits=limits, baseline="rate"), random)
        critical = {"with": [float(result.limits.critical_values(level)[-1]) for level in LEVELS]}
        critical |= {} if problem.toys else {"without": [chdtri(1, 1.0 - level) for level in LEVELS]}
        return _coverage_of_rate(problem, nature, critical, random)
    values = {name: getattr(problem, name) for name in problem.__dataclass_fields__}
    own = Nature(nature.x, nature.weights, problem.rate_sums)
    transferred = Transferred(**values, nature=own)
    if method == "histogram":
        entry = _shared(run, "baselines")
        settings = from_json(BaselineSettings, entry["shared"] | entry["jobs"]["histogram"]["settings"])
        result, _ = LIKELIHOODS["histogram"](transferred, settings, random)
    else:
        entry = _shared(run, "evaluate")
        job = entry["jobs"][method]["settings"]
        evaluated = from_json(EvaluateSettings, entry["shared"] | job)
        models = [run / "out" / "train" / name for name in job.get("members") or [job["train_job"]]]
        result = evaluate_estimator(transferred, evaluated, load_model(transferred, evaluated, models), 1)
    return {"with": [entry["coverage"] for entry in result.verdict.figures["coverage"][: len(LEVELS)]]}


def _coverage_of_rate(
    problem: LimitProblem, nature: Events, critical: Mapping[str, Sequence[float]], random: np.random.Generator
) -> dict[str, list[float]]:
    """Poisson numbers of events with the mean of the other runs, tried on critical values by name."""
    mean = problem.luminosity * float(nature.weights.sum(axis=0) @ problem.true_coefficients)
    n = random.poisson(mean, RATE_TOYS)
    lowest, highest = problem.expected.min(), problem.expected.max()
    best = np.clip(n, lowest, highest)
    mu = problem.n_expected
    q = 2.0 * (n * np.log(best / mu) - best + mu)
    return {name: [float((q <= value).mean()) for value in each] for name, each in critical.items()}


def _summary(covered: Mapping[tuple[int, int], dict[str, list[float]]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in next(iter(covered.values())):
        values = np.array([entry[name] for entry in covered.values()])
        errors = [_error(np.array([pair[which] for pair in covered]), values) for which in (0, 1)]
        for k, level in enumerate(LEVELS):
            found.setdefault(name, {})[str(level)] = {
                "coverage": round(float(values[:, k].mean()), 4),
                "error": round(float(max(error[k] for error in errors)), 4),
                "smallest": round(float(values[:, k].min()), 4),
            }
    return found


def _error(runs: Array, values: Array) -> Array:
    """The standard error of the mean, from the spread of the means of the runs; not a number for a single run."""
    means = np.array([values[runs == run].mean(axis=0) for run in np.unique(runs)])
    if len(means) == 1:
        return np.full(len(LEVELS), np.nan)
    return np.asarray(means.std(axis=0, ddof=1) / len(means) ** 0.5)


if __name__ == "__main__":
    main()
