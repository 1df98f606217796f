"""-2 ln λ of a likelihood in bins must follow a χ² distribution, if limits say so."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.special import chdtri, chndtr

from mmc.compiler.catalogue.baselines import HISTOGRAM
from mmc.compiler.catalogue.histograms import MOST_POINTS_FOR_TOYS
from mmc.compiler.catalogue.methods import SCORE
from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.binned_ratio import KEPT
from mmc.jobs.statistics.closure.declaration import (
    DOUBTFUL,
    PASSED,
    WIDTH,
    ClosureTest,
    Column,
    Figures,
    significance,
)
from mmc.jobs.statistics.closure.evidence import Evidence
from mmc.jobs.statistics.closure.toys import BLOCK, lowest, minus_2_log
from mmc.jobs.statistics.limits import Grid
from mmc.jobs.statistics.problem import LimitProblem
from mmc.tables import percent

TOYS, SEED = 2000, 1
"""The number of toys at each point, and the seed of their random numbers."""
WORK = 2_000_000_000
"""The largest number of toys at a point, times the points of the grid and the bins."""
AT_EDGE = 0.05
"""At a point where more toys have their best fit at the edge of the grid, the grid decides the coverage, not χ²."""


def measure(evidence: Evidence) -> dict[str, Any]:
    """The coverage at each point and level; empty without bins or toys, or where critical values are from toys."""
    return {"chi_square": [] if evidence.limits.critical is not None else list(_coverages(evidence))}


def _coverages(evidence: Evidence) -> Iterator[dict[str, Any]]:
    problem, binned, limits = evidence.problem, evidence.binned, evidence.limits
    n_points = len(problem.points)
    if binned is None or evidence.toys is None or n_points * len(binned.known) > KEPT:
        return
    random, n_toys = np.random.default_rng(SEED), min(TOYS, WORK // (n_points * len(binned.known)))
    size = max(1, BLOCK // n_points)
    rate = bool(evidence.rate and problem.include_xsec)
    probes = evidence.toys.population.probes  # a point of the grid may be the true point, which comes first
    _, first = np.unique(problem.points[probes], axis=0, return_index=True)
    for probe in np.array(probes)[np.sort(first)]:
        shares = np.maximum(binned.coefficients[probe] @ binned.sums.T, 0.0)
        distances, at_edge = [], 0
        for start in range(0, n_toys, size):
            n_here = min(size, n_toys - start)
            counts = random.poisson(problem.expected[probe] * shares, (n_here, len(shares))).T.astype(float)
            q = minus_2_log(problem.expected if rate else None, binned.log @ counts, counts.sum(axis=0))
            distances.append(q[probe] - lowest(problem.grid, q))
            at_edge += _at_edge(problem.grid, q)
        q_true = np.concatenate(distances)
        for level in problem.levels:
            inside = int((q_true <= chdtri(limits.dof, 1.0 - level)).sum())
            smoothed = (inside + 1.0) / (n_toys + 2.0)
            yield {
                "theta": problem.named(problem.points[probe]),
                "level": level,
                "coverage": inside / n_toys,
                "error": float((smoothed * (1.0 - smoothed) / n_toys) ** 0.5),
                "toys": n_toys,
                "at_edge": at_edge / n_toys,
            }


def _at_edge(grid: Grid, q: Array) -> int:
    """How many data sets have the smallest -2 ln L, shape (points, sets), at the edge of the grid."""
    best = q.argmin(axis=0)
    best = best[best < len(q) - 1]  # the last is the true point
    ends = np.array(grid.shape)[:, np.newaxis] - 1
    places = np.stack(np.unravel_index(best, grid.shape))
    return int(((places == 0) | (places == ends)).any(axis=0).sum())


def _of_width(level: float, dof: int, width: float) -> float:
    """The coverage of limits from a Gaussian likelihood whose -2 ln λ is smaller by this factor."""
    return float(chndtr(width * chdtri(dof, 1.0 - level), dof, 0.0))


def _judged(figures: Figures) -> tuple[list[dict[str, Any]], float]:
    """The entries that measure the coverage of χ², and the number of errors of a significant deviation of one."""
    entries = [entry for entry in figures["chi_square"] if entry["at_edge"] <= AT_EDGE]
    return entries, significance(max(len(entries), 1))[DOUBTFUL][0]


def _way_out(problem: LimitProblem) -> str:
    """How to have critical values from toys, or what stands in the way."""
    points = len(problem.points) - 1
    obstacles = {
        "`event_weights: madminer`": not problem.file.is_balanced,
        "`morphing: none`": not problem.file.has_morphing,
        f"a grid of {points:,} points ({MOST_POINTS_FOR_TOYS:,} are possible)": points > MOST_POINTS_FOR_TOYS,
        "`error: included` of an ensemble": problem.training is not None,
        "`floating` in a combination": bool(problem.file.floating),
        "`systematics: profile` in a combination": problem.profiled,
    }
    found = " and ".join(name for name, stands in obstacles.items() if stands)
    write = "write `evaluation: {confidence: toys}` where `mmc validate` allows it"
    return f"{write}; it does not with {found}" if found else write


def grade(figures: Figures, evidence: Evidence) -> tuple[str, str]:
    """The verdict, and the reason if it is not 'passed'."""
    entries, k = _judged(figures)
    for entry in entries:
        least = _of_width(entry["level"], evidence.limits.dof, 1.0 - WIDTH)
        if entry["coverage"] + k * entry["error"] < least:
            where = ", ".join(f"{name} = {value:g}" for name, value in entry["theta"].items())
            return DOUBTFUL, (
                f"-2 ln λ does not follow χ²: limits at {entry['level']:.0%} include the truth in "
                f"{entry['coverage']:.0%} of toys from the templates at {where}: "
                f"{_way_out(evidence.problem)}"
            )
    return PASSED, ""


def notes(figures: Figures, evidence: Evidence) -> Iterator[str]:
    """Limits that are larger than necessary, or that no point tests."""
    entries, k = _judged(figures)
    if not entries:
        yield (
            f"χ² is not tested: at all points more than {percent(AT_EDGE)} of the toys have their best fit at the edge "
            "of the grid; use a wider range"
        )
    found = []
    for level in dict.fromkeys(entry["level"] for entry in entries):
        most = _of_width(level, evidence.limits.dof, 1.0 + WIDTH)
        above = [
            entry for entry in entries if entry["level"] == level and entry["coverage"] - k * entry["error"] > most
        ]
        if above:
            found.append(f"{max(entry['coverage'] for entry in above):.0%} of toys instead of {level:.0%}")
    if found:
        yield (
            f"-2 ln λ does not follow χ²: limits include the truth in up to {' and '.join(found)}, so they are larger "
            f"than necessary; for critical values from toys, {_way_out(evidence.problem)}"
        )


def _at_truth(figures: Figures) -> list[float]:
    """The coverage at the true point at each level; the toys there are the first."""
    entries = figures["chi_square"]
    return [entry["coverage"] for entry in entries if entry["theta"] == entries[0]["theta"]]


def _as_text(figures: Figures) -> str:
    """The coverage at the true point, if it is a measure of χ²."""
    if figures["chi_square"][0]["at_edge"] > AT_EDGE:
        return "–"
    return " / ".join(f"{100.0 * part:.0f}" for part in _at_truth(figures)) + " %"


SCHEMA: dict[str, Any] = {
    "theta": {"$ref": "#/definitions/point"},
    "level": {"$ref": "#/definitions/fraction"},
    "coverage": {"$ref": "#/definitions/fraction"},
    "error": {"description": "Binomial standard error.", "type": "number"},
    "toys": {"type": "integer"},
    "at_edge": {"description": "Fraction of the toys whose best fit is at the edge of the grid.", "type": "number"},
}

TEST = ClosureTest(
    name="chi_square",
    place=52,
    families=(HISTOGRAM.name, SCORE.name),
    demand="-2 ln λ of toys from the templates follows the χ² distribution that limits use",
    tolerance=f"the coverage of a -2 ln λ that is {percent(WIDTH)} too large",
    explanation=f"""
    Wilks' theorem holds for likelihoods that are nearly Gaussian in the parameters. Here {TOYS} toys, or fewer on large
    grids, are Poisson numbers in the bins of the templates, at the true point and at the ends of the region. These toys
    have no error of the simulation and no error of a network, so a wrong coverage is the fault of χ² alone. They
    correspond to f = 0: limits divide -2 ln λ by 1 + f, and with a large f they reach points further away, which the
    test does not reach. A point where more than {percent(AT_EDGE)} of the toys have their best fit at the edge of the
    grid is not judged, as a larger grid would change its coverage; if no point is left, there is a warning. The test
    is doubtful if limits with χ² include the point of the toys less often, beyond the binomial error, than those of a
    -2 ln λ that is {percent(WIDTH)} too large. If they include it more often than those of a -2 ln λ that is
    {percent(WIDTH)} too small, the limits are correct, but larger than necessary, and there is a warning.
    `confidence: toys` avoids both; then the test is not made. Nor is it made if points times bins are more than
    {KEPT // 10**6} million, without a grid, or for likelihoods of single events. The table has the coverage at the true
    point.
    """,
    schema={
        "chi_square": {
            "description": "Fraction of toy experiments from the templates whose limit with χ² includes "
            "the point at which they were generated; empty without bins, or where critical values are from toys.",
            "type": "array",
            "items": {"type": "object", "required": list(SCHEMA), "properties": SCHEMA},
        }
    },
    measure=measure,
    grade=grade,
    notes=notes,
    columns=(
        Column(
            "χ² covers",
            lambda figures: _at_truth(figures)[0],
            _as_text,
        ),
    ),
    note="χ² covers: the fraction of toys at the true point, drawn from the templates, whose limits at each confidence "
    "level include that point; – if the grid ends too close to it",
)
