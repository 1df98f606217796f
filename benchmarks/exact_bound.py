"""Exact expected limits of the Drell-Yan study, which no method can improve on.

    python benchmarks/exact_bound.py [--luminosity "139 fb^-1"] [--truth C_LL C_LR] [--points 25] [--toys N]
        [--results FILE ...]

At leading order the likelihood of the mass, the rapidity and the angle is known (``drell_yan.py``). Prints one JSON
object with the expected events, and for each analysis the Fisher information in TeV⁴ (LL, LL-LR, LR) and the allowed
share of the points of the grid and of its area:

- ``rate``: the number of events; with one and with two degrees of freedom
- ``histogram``: of m in 25 bins, equal for the mean over the grid as those of mmc's limits
- ``histogram_at_truth``: the same, equal for the true point as those of mmc's Fisher information
- ``unbinned``: m, |y| and cos θ* with the rate: the bound on all methods

With ``--toys`` also the coverage of each analysis at 68 and 95 %: how often -2 ln λ of the true point is at most the
quantile of χ², for data from the exact likelihood. With ``--results`` also the results of finished runs
(``results.json``) beside the exact ones: mean, ratio, and, for several runs, their scatter and the standard error of
the ratio.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import cumulative_trapezoid
from scipy.interpolate import BarycentricInterpolator, RectBivariateSpline
from scipy.stats import chi2

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from mmc.cli import study_file
from mmc.compiler.language.quantities import parse_quantity
from mmc.compiler.study.build import build_study
from mmc.compiler.study.model import Study
from mmc.jobs.statistics.between_points import highest

from benchmarks.drell_yan import M_HIGH, M_LOW, Experiment, Spectrum, monomials, slopes, spectrum

Floats = NDArray[np.float64]

STUDY = Path(__file__).resolve().parents[1] / "studies" / "drell-yan" / "study.yaml"
LEVELS = (0.68, 0.95)
BINS, TAIL = 25, 0.001
"""Of the histogram of m: the inner edges divide the part between two quantiles, as MadMiner's."""
TOYS_AT_ONCE = 200
AREA_POINTS = 1000
"""Points per axis from which areas are computed."""


def histogram(found: Spectrum, reference: Floats) -> Floats:
    """Cross sections of each monomial in pb in bins of m; shape (5, 25).

    :param reference: the monomials at the point where the bins are equal, shape (5,)
    """
    log_m = np.linspace(np.log(M_LOW), np.log(M_HIGH), 4001)
    curve = BarycentricInterpolator(np.log(found.mass), found.cells.sum(axis=2) * found.mass, axis=1)(log_m)
    cumulated = cumulative_trapezoid(curve, log_m, axis=1, initial=0.0)
    shares = reference @ cumulated / (reference @ cumulated[:, -1])
    levels = np.linspace(TAIL, 1.0 - TAIL, BINS + 1)
    levels[[0, -1]] = 0.0, 1.0
    edges = np.interp(levels, shares, log_m)
    return np.diff([np.interp(edges, log_m, row) for row in cumulated], axis=1)


def analyses(found: Spectrum, points: Floats, truth: Floats) -> dict[str, Floats]:
    """Cross sections of each monomial in pb in the bins of each analysis; shape (5, bins) each.

    :param points: of the grid in TeV^-2, shape (k, 2); ``truth`` has shape (1, 2)
    """
    unbinned = (found.cells * found.weights[:, np.newaxis]).reshape(5, -1)
    return {
        "rate": unbinned.sum(axis=1, keepdims=True),
        "histogram": histogram(found, monomials(points).mean(axis=0)),
        "histogram_at_truth": histogram(found, monomials(truth)[0]),
        "unbinned": unbinned[:, unbinned[0] > 0.0],  # zero where a parton would have more than the proton's momentum
    }


def minus_two_log_ratio(events: Floats, points: Floats, truth: Floats) -> Floats:
    """The expected -2 ln of the extended likelihood ratio of points to the true point; shape (k,).

    :param events: expected events of each monomial in each bin, shape (5, bins)
    :param points: in TeV^-2, shape (k, 2); ``truth`` has shape (1, 2)
    """
    expected = (monomials(truth) @ events)[0]
    there = (point @ events for point in monomials(points))
    return np.array([2.0 * np.sum(n - expected - expected * np.log(n / expected)) for n in there])


def information(events: Floats, truth: Floats) -> list[float]:
    """The Fisher information LL, LL-LR and LR in TeV⁴, for arguments as above."""
    gradients = slopes(truth[0]) @ events
    matrix = gradients / (monomials(truth) @ events) @ gradients.T
    return [float(matrix[0, 0]), float(matrix[0, 1]), float(matrix[1, 1])]


def allowed(statistic: Floats, degrees_of_freedom: int) -> dict[str, dict[str, float]]:
    """The allowed share of the points and of the area at each level.

    :param statistic: -2 ln of the likelihood ratio on the grid, shape (points, points)
    """
    axis = np.arange(len(statistic))
    fine = (np.arange(AREA_POINTS) + 0.5) / AREA_POINTS * axis[-1]
    surface = RectBivariateSpline(axis, axis, statistic)(fine, fine)
    limits = {str(level): chi2.ppf(level, degrees_of_freedom) for level in LEVELS}
    return {
        quantity: {level: float(np.mean(values <= limit)) for level, limit in limits.items()}
        for quantity, values in (("allowed_fraction", statistic), ("allowed_area", surface))
    }


def coverage(events: Floats, points: Floats, truth: Floats, dof: int, toys: int) -> list[float]:
    """How often the exact region at each level includes the true point, with critical values of χ².

    :param events: expected events of each monomial in each bin, shape (5, bins)
    :param points: of a square grid in TeV^-2, shape (k, 2); ``truth`` has shape (1, 2)
    """
    every = np.concatenate([points, truth])
    expected = monomials(every) @ events
    logs, totals, random = np.log(expected), expected.sum(axis=1), np.random.default_rng(1)
    shape, found = (round(len(points) ** 0.5),) * 2, np.zeros(len(LEVELS))
    for start in range(0, toys, TOYS_AT_ONCE):
        size = min(TOYS_AT_ONCE, toys - start)
        excess = random.poisson(expected[-1], (size, len(expected[-1]))) - expected[-1]
        log_likelihood = logs @ excess.T + (logs @ expected[-1] - totals)[:, np.newaxis]
        q = 2.0 * (highest(log_likelihood, shape) - log_likelihood[-1])
        found += [np.count_nonzero(q <= chi2.ppf(level, dof)) for level in LEVELS]
    return [rounded(inside / toys) for inside in found]


@dataclass(frozen=True)
class Bound:
    """The exact results at one luminosity and true point."""

    luminosity_pb: float
    """In pb^-1."""
    truth: Floats
    """In TeV^-2, shape (1, 2)."""
    n_expected: float
    """Expected events at the true point."""
    statistics: Mapping[str, Floats]
    """-2 ln of the likelihood ratio of each analysis on the grid, shape (points, points)."""
    information: Mapping[str, list[float]]
    """LL, LL-LR and LR in TeV⁴, of each analysis."""
    coverage: Mapping[str, list[float]]
    """Of each analysis at each level; empty without toys."""

    def record(self) -> dict[str, Any]:
        """The results for JSON; the rate with one and with two degrees of freedom."""
        found: dict[str, Any] = {"n_expected": rounded(self.n_expected)}
        for name, statistic in self.statistics.items():
            found[name] = {"information": [rounded(value) for value in self.information[name]]}
            found[name] |= {"coverage": self.coverage[name]} if self.coverage else {}
            for dof in (1, 2) if name == "rate" else (2,):
                shares = allowed(statistic, dof)
                found[name][f"{dof} dof"] = {
                    quantity: {level: rounded(share) for level, share in each.items()}
                    for quantity, each in shares.items()
                }
        return found


def bound(study: Study, luminosity_pb: float, truth: Floats, n_points: int, toys: int = 0) -> Bound:
    """The exact results for a study.

    :param truth: in TeV^-2, shape (1, 2)
    :param n_points: of the grid, for each parameter
    :param toys: the number of data sets for the coverage; 0 for no coverage
    :raises ValueError: when the study is not the one of this benchmark
    """
    axes = [np.linspace(*parameter.range, n_points) for parameter in study.parameters]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    found = analyses(spectrum(Experiment.of(study)), points, truth)
    events = {name: luminosity_pb * cross_sections for name, cross_sections in found.items()}
    return Bound(
        luminosity_pb,
        truth,
        (monomials(truth) @ events["rate"]).item(),
        {name: minus_two_log_ratio(each, points, truth).reshape(n_points, n_points) for name, each in events.items()},
        {name: information(each, truth) for name, each in events.items()},
        {
            name: coverage(each, points, truth, 1 if name == "rate" else 2, toys)
            for name, each in (events if toys else {}).items()
        },
    )


def rounded(value: float) -> float:
    """A value with five digits."""
    return float(f"{value:.5g}")


def beside(exact: float, values: Sequence[float]) -> dict[str, float]:
    """The mean of a quantity over runs and its ratio to the exact value, which is not zero; of several runs also their
    scatter (standard deviation) and the standard error of the ratio."""
    found = {"exact": exact, "mean": float(np.mean(values)), "ratio": float(np.mean(values)) / exact}
    if len(values) > 1:
        scatter = float(np.std(values, ddof=1))
        found |= {"scatter": scatter, "ratio_error": scatter / exact / len(values) ** 0.5}
    return {name: rounded(value) for name, value in found.items()}


Record = Mapping[str, Any]


def shares_beside(shares: Mapping[str, Mapping[str, float]], regions: Sequence[Record]) -> dict[str, Any]:
    """The allowed shares of points and area of one region over runs, as far as the runs have them."""
    return {
        quantity: {
            level: beside(share, [region[quantity][level] for region in regions]) for level, share in each.items()
        }
        for quantity, each in shares.items()
        if quantity in regions[0]
    }


def information_beside(exact: Sequence[float], information: Sequence[Record]) -> list[dict[str, float]]:
    """The entries LL, LL-LR and LR of an information matrix over runs."""
    matrices = [np.array(each["matrix"]) for each in information]
    return [beside(value, [m[at] for m in matrices]) for value, at in zip(exact, ((0, 0), (0, 1), (1, 1)), strict=True)]


def compare(exact: Bound, runs: Sequence[Record]) -> dict[str, Any]:
    """The results of runs (``results.json``) of the study beside the exact ones, by the names of their limits.

    Methods are compared with the unbinned likelihood. Limits that contain the statistical error of the simulation are
    also compared without it (``infinite_simulation``).

    :raises ValueError: when a run has another luminosity or true point
    """
    limits: dict[str, list[Record]] = {}
    for run in runs:
        at = [run["evaluation"]["luminosity_pb"], *run["evaluation"]["theta_true"].values()]
        if not np.allclose(at, [exact.luminosity_pb, *exact.truth[0]]):
            raise ValueError(f"a run has the luminosity {at[0]:g} pb^-1 and the true point {at[1:]}: give its options")
        for entry in (*run["baselines"], *run["methods"]):
            limits.setdefault(entry["name"], []).append(entry)
    found: dict[str, Any] = {
        "runs": len(runs),
        "n_expected": beside(exact.n_expected, [run["evaluation"]["n_expected"] for run in runs]),
    }
    for name, entries in limits.items():
        analysis, dof = entries[0].get("baseline", "unbinned"), entries[0].get("degrees_of_freedom", 2)
        if analysis not in exact.statistics:  # the truth, which knows the partons
            continue
        shares = allowed(exact.statistics[analysis], dof)
        found[name] = {"exact": analysis, "dof": dof} | shares_beside(shares, entries)
        if "infinite_simulation" in entries[0]:
            regions = [entry["infinite_simulation"] for entry in entries]
            found[name]["infinite_simulation"] = shares_beside(shares, regions)
        if analysis == "unbinned":
            full = [entry["fisher_information"]["full"] for entry in entries]
            found[name]["information"] = information_beside(exact.information[analysis], full)
    for analysis, baseline in (("rate", "rate"), ("histogram_at_truth", "histogram")):
        full = [run["fisher_information"]["information"][baseline] for run in runs]
        found[f"information of the {baseline}"] = information_beside(exact.information[analysis], full)
    return found


def drell_yan() -> Study:
    """The study, read and checked.

    :raises ValueError: when it is wrong
    """
    file = study_file.read(str(STUDY))
    if file.data is None:
        raise ValueError(f"{file.name} is wrong")
    return build_study(file.data)


def main() -> None:
    """Compute the exact results, and compare runs with them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--luminosity", default="139 fb^-1")
    parser.add_argument("--truth", type=float, nargs=2, default=[0.0, 0.0], metavar=("C_LL", "C_LR"), help="in TeV^-2")
    parser.add_argument("--points", type=int, default=25, help="points of the grid for each parameter")
    parser.add_argument("--toys", type=int, default=0, help="data sets for the coverage of the exact likelihood")
    parser.add_argument("--results", type=Path, nargs="+", default=[], metavar="FILE", help="results.json of runs")
    arguments = parser.parse_args()
    start = time.perf_counter()
    luminosity_pb = parse_quantity(arguments.luminosity, "luminosity")
    exact = bound(drell_yan(), luminosity_pb, np.array([arguments.truth]), arguments.points, arguments.toys)
    record = {"luminosity_pb": luminosity_pb, "truth": arguments.truth, "points": arguments.points}
    record |= {"exact": exact.record(), "seconds": round(time.perf_counter() - start, 1)}
    if arguments.results:
        record["product"] = compare(exact, [json.loads(file.read_text()) for file in arguments.results])
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
