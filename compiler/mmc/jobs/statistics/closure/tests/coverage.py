"""Limits from toy experiments must include the point of the toys as often as the confidence level claims."""

from typing import Any

import numpy as np
from scipy.special import chdtri, chndtr

from mmc.compiler.catalogue.baselines import HISTOGRAM, TRUTH
from mmc.compiler.catalogue.methods import RATIO, SCORE
from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.closure.declaration import (
    DOUBTFUL,
    PASSED,
    WIDTH,
    ClosureTest,
    Figures,
    significance,
)
from mmc.jobs.statistics.closure.evidence import Evidence
from mmc.jobs.statistics.closure.toys import MOST_LEFT_OUT, TOYS, Toys, lowest
from mmc.jobs.statistics.jackknife import standard_error
from mmc.jobs.statistics.limits import Limits
from mmc.jobs.statistics.problem import LimitProblem
from mmc.tables import percent


def measure(evidence: Evidence) -> dict[str, Any]:
    """The coverage at each point and level; empty where there are no toys."""
    if evidence.toys is None:
        return {"coverage": []}
    rate = bool(evidence.rate and evidence.problem.include_xsec)
    found = coverage_figures(evidence.toys, _width_error(evidence), evidence.limits, rate=rate)
    return {"coverage": found}


def _width_error(evidence: Evidence) -> float:
    """The relative error of -2 ln λ from the number of test events, by a jackknife of the area of the region."""
    areas = evidence.tested_areas_left_out
    if not len(areas) or not evidence.tested_area:
        return 0.0
    return float(standard_error(areas)) / evidence.tested_area * 2.0 / evidence.tested.dof


def coverage_figures(toys: Toys, width_error: float, limits: Limits, *, rate: bool) -> list[dict[str, Any]]:
    """For each probe and confidence level, the fraction of toys at the probe whose limit includes the probe.

    ``widening`` is the factor between the critical value and that of χ²: 1 + f without ``critical``,
    ``non_centrality`` is the -2 ln λ of the probe on its Asimov data, ``half_step`` is its change over half a step of
    the grid, ``nu`` is the ν of :mod:`mmc.jobs.statistics.closure.toys` plus the f of the simulation,
    ``width_error`` is the relative error of -2 ln λ from both kinds of events, and ``expected`` is the coverage of an
    exact ratio with this non-centrality.

    :param width_error: the relative error of -2 ln λ from the test events alone
    :param limits: those of expected data
    :param rate: whether they include the rate
    """
    problem, population = toys.population.problem, toys.population
    critical = limits.critical
    per_simulated = problem.per_simulated(problem.expected, limits, rate=rate)
    dof = problem.limits(0.0, rate=rate).dof
    result = []
    for k, probe in enumerate(population.probes):
        q, curve = toys.minus_2_log(k, rate=rate)
        q = q[probe] - lowest(problem.grid, q)
        centre = float(curve[probe] - lowest(problem.grid, curve))
        half_step = _half_step(problem, curve, problem.points[probe])
        for level in problem.levels:
            widening = 1.0 + float(per_simulated[probe])
            of_tests = float(problem.expected[probe] / population.effective(k))
            nu = of_tests + float(per_simulated[probe])
            chi_square, error = float(chdtri(dof, 1.0 - level)), width_error * (nu / of_tests) ** 0.5
            if critical is not None:
                widening = float(critical.at(level)[probe]) / chi_square
                error = float(np.hypot(error, critical.error_at(level)[probe] / critical.at(level)[probe]))
            threshold = widening * chi_square
            inside = int((q <= threshold).sum())
            smoothed = (inside + 1.0) / (len(q) + 2.0)  # else the error is 0 where all toys or none are inside
            result.append(
                {
                    "theta": problem.named(problem.points[probe]),
                    "level": level,
                    "coverage": inside / len(q),
                    "error": float((smoothed * (1.0 - smoothed) / len(q)) ** 0.5),
                    "expected": float(chndtr(threshold, dof, centre)),
                    "non_centrality": centre,
                    "half_step": half_step,
                    "nu": nu,
                    "width_error": error,
                    "widening": widening,
                    "toys": len(q),
                    "left_out": population.left_out(k),
                }
            )
    return result


def _half_step(problem: LimitProblem, curve: Array, point: Array) -> float:
    """The increase of -2 ln L from half a step along every axis, from the second differences next to a point."""
    values = curve[:-1].reshape(problem.grid.shape)
    nearest: list[Any] = [
        int(np.argmin(np.abs(axis - x))) for axis, x in zip(problem.grid.axes.values(), point, strict=True)
    ]
    total = 0.0
    for k, n in enumerate(problem.grid.shape):
        if n > 2:
            line = values[(*nearest[:k], slice(None), *nearest[k + 1 :])]
            i = min(max(nearest[k], 1), n - 2)
            difference = line[i - 1] - 2.0 * line[i] + line[i + 1]
            total += max(float(difference), 0.0) / 8.0 if np.isfinite(difference) else 0.0
    return total


def grade(figures: Figures, evidence: Evidence) -> tuple[str, str]:
    """The verdict, and the reason if it is not 'passed'."""
    dof, largest = evidence.limits.dof, max(entry["left_out"] for entry in figures["coverage"])
    if largest > MOST_LEFT_OUT:  # toys then have too many events, which is not the fault of the limits
        reason = f"events with negative weights, {largest:.1%} of the cross section, are in no toy"
        return DOUBTFUL, f"{reason}, so toys do not tell the coverage"
    for verdict, (k, p_value) in significance(len(figures["coverage"])).items():
        for entry in figures["coverage"]:
            non_centrality = entry["non_centrality"] + entry["half_step"]
            explained = min(non_centrality, entry["nu"] * float(chdtri(dof, p_value)))
            threshold = entry["widening"] * float(chdtri(dof, 1.0 - entry["level"]))
            least = float(chndtr((1.0 - WIDTH) * threshold, dof, explained))
            wider = (1.0 - WIDTH) * max(1.0 - entry["width_error"], 0.0)
            error = float(np.hypot(entry["error"], least - chndtr(wider * threshold, dof, explained)))
            if entry["coverage"] + k * error < least:
                where = ", ".join(f"{name} = {value:g}" for name, value in entry["theta"].items())
                reason = (
                    f"limits at {entry['level']:.0%} include the truth in {entry['coverage']:.0%} of "
                    f"{entry['toys']} toys at {where}"
                )
                return verdict, reason
    return PASSED, ""


SCHEMA: dict[str, Any] = {
    "theta": {"$ref": "#/definitions/point"},
    "level": {"$ref": "#/definitions/fraction"},
    "coverage": {"$ref": "#/definitions/fraction"},
    "error": {"description": "Binomial standard error.", "type": "number"},
    "expected": {
        "description": "Coverage of an exact ratio with this non-centrality.",
        "$ref": "#/definitions/fraction",
    },
    "non_centrality": {
        "description": "-2 ln of the likelihood ratio of the point on its own Asimov data.",
        "type": "number",
    },
    "half_step": {"description": "Increase of the non-centrality from half a step of the grid.", "type": "number"},
    "nu": {
        "description": "Expected events divided by effective test events, plus f of the simulated events.",
        "type": "number",
    },
    "width_error": {
        "description": "Relative error of -2 ln of the likelihood ratio from the numbers of test events and of "
        "simulated events, by a jackknife of the area.",
        "type": "number",
        "minimum": 0,
    },
    "widening": {
        "description": "Critical value over that of χ²: 1 + f, by which the statistical error of the simulation "
        "widens limits, or from toys.",
        "type": "number",
        "exclusiveMinimum": 0,
    },
    "toys": {"type": "integer"},
    "left_out": {
        "description": "Part of the cross section in events with negative weights, which no toy contains.",
        "type": "number",
        "minimum": 0,
    },
}

TEST = ClosureTest(
    name="coverage",
    place=50,
    families=(TRUTH.name, HISTOGRAM.name, SCORE.name, RATIO.name),
    demand=(
        f"limits from {TOYS} toys at the true point and at the ends of the region include that point as often as the "
        "confidence level claims"
    ),
    tolerance=f"the coverage of a -2 ln λ that is {percent(WIDTH)} too large",
    explanation=f"""
    The coverage is the fraction of toy experiments whose limit includes the point at which the toys were generated. It
    must not be smaller, beyond its binomial error, than the coverage of a -2 ln λ that is {percent(WIDTH)} too large.
    Toys are drawn from n test events, and these and the events that make the likelihood are each one draw from nature.
    So even the coverage of an exact ratio may be too small: -2 ln λ of the true point follows a non-central χ²
    distribution. The non-centrality is taken from the Asimov data, to half a step of the grid, as far as the numbers of
    both kinds of events explain it. The statistical error of the width of -2 ln λ, from a jackknife, is added to the
    binomial error in quadrature. The significance is that of the smallest coverage of all points and levels. If events
    with negative weights, which no toy can contain, are more than {percent(MOST_LEFT_OUT)} of the cross section, the
    toys tell nothing, and the test is doubtful. With `confidence: toys`, the limits are those with critical values from
    toys, which are other toys than these. Coverage above the confidence level passes: such limits are correct, but not
    the strongest.
    """,
    schema={
        "coverage": {
            "description": "Fraction of toy experiments whose limit includes the point at which they were generated; "
            "empty where there are no toys.",
            "type": "array",
            "items": {"type": "object", "required": list(SCHEMA), "properties": SCHEMA},
        }
    },
    measure=measure,
    grade=grade,
)
