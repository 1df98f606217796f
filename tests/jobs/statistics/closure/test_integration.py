"""The error of the cross sections from their integration, from the jobs that have it to the verdict."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmc.compiler.settings.combine import AnalysedJob
from mmc.jobs.madminer.cross_sections import CrossSections
from mmc.jobs.madminer.event_file import EventFile
from mmc.jobs.statistics.jackknife import GROUPS
from mmc.jobs.statistics.limits import Grid, Limits
from mmc.jobs.statistics.problem import LimitProblem
from mmc.jobs.statistics.profiling import ShapeLikelihood
from mmc.jobs.statistics.simulated import SimulatedSums
from mmc.jobs.steps.combine import _largest_integration_errors, integration_errors
from scipy.stats import chi2

from tests.jobs.learning_jobs import Learning


def analysed(sample: str, benchmark: str, n: int, value: float, error: float, **other: Any) -> tuple[AnalysedJob, Any]:
    entry = {"job": sample, "n_events": None, "k_factor": 1.0, "background": False, **other}
    return AnalysedJob(sample=sample, benchmark=benchmark, **entry), {"size": n, "integrated_pb": [value, error]}


def test_errors_of_one_integration_are_shared_and_others_add_in_quadrature() -> None:
    parts = [
        # one integration in two jobs
        analysed("signal", "sm", 300, 2.0, 0.01),
        analysed("signal", "sm", 100, 2.0, 0.01),
        # two integrations, whose events are averaged
        analysed("signal", "b1", 100, 3.01, 0.03),
        analysed("signal", "b1", 300, 2.99, 0.04),
        # another sample at the same benchmark, with a k-factor
        analysed("more", "sm", 50, 1.0, 0.02, k_factor=1.5),
        analysed("other", "sm", 10, 5.0, 0.5, background=True),
    ]
    found = integration_errors(*zip(*parts, strict=True))
    assert found == pytest.approx(
        {
            ("signal", None, "sm"): 0.005,
            ("signal", None, "b1"): np.hypot(0.25 * 0.03, 0.75 * 0.04) / 2.995,
            ("more", None, "sm"): 0.02,
            ("other", None, "sm"): 0.1,
        }
    )
    largest = _largest_integration_errors(*zip(*parts, strict=True))
    assert largest == pytest.approx({"sm": 0.02, "b1": found["signal", None, "b1"]}), "of the signal"


@pytest.fixture
def imprecise(toy_events: Path, tmp_path: Path) -> Path:
    """Events whose cross sections are known to 1 % at `sm`, and exactly at the other benchmarks."""
    folder = Path(shutil.copytree(toy_events, tmp_path / "imprecise"))
    record = json.loads((folder / "events.json").read_text())
    for entry in record["samples"]:
        entry["integration_error"] = 0.01 if entry["benchmark"] == "sm" else 0.0
    (folder / "events.json").write_text(json.dumps(record))
    return folder


def test_expected_events_have_the_error_of_the_part_from_each_benchmark(imprecise: Path) -> None:
    """Events of `sm`, multiplied by 1.01, change the cross section by its error."""
    file = EventFile(imprecise / "events.h5", 0.2, 0.2)
    coefficients = file.coefficients(np.zeros((1, 2)))[0]
    x, weights, origin = next(iter(file._file.event_loader(0, None, None, return_sampling_ids=True)))
    counts = np.bincount(origin)
    weights = weights * (len(x) / counts)[origin, np.newaxis]  # a file has the mean of its benchmarks
    densities = weights / np.array([weights[origin == k, k].mean() for k in range(len(counts))])
    balanced = densities[range(len(x)), origin] / densities.sum(axis=1) * (weights @ coefficients)
    expected = 0.01 * balanced[origin == 0].sum() / balanced.sum()
    assert file.cross_sections.integration_error(coefficients) == pytest.approx(expected, rel=1e-6)
    (imprecise / "events.json").unlink()
    assert EventFile(imprecise / "events.h5", 0.2, 0.2).cross_sections.integration_error(coefficients) is None


@pytest.mark.parametrize(("luminosity", "verdict"), [(20_000.0, "passed"), (20_000_000.0, "doubtful")])
def test_a_rate_that_is_known_worse_than_it_is_measured_is_doubtful(
    imprecise: Path, tmp_path: Path, luminosity: float, verdict: str
) -> None:
    learning = Learning(tmp_path, imprecise)
    learning.evaluation["luminosity_pb"] = luminosity
    record = json.loads((learning.baseline("rate") / "baseline.json").read_text())
    assert record["closure"]["verdicts"]["integration"] == verdict
    told = [reason for reason in record["reasons"] if "integration of the cross sections" in reason]
    assert len(told) == (verdict == "doubtful")
    assert record["closure"]["integration_error"] == pytest.approx(0.005, abs=0.001)


@pytest.mark.parametrize("observed", [False, True])
def test_it_is_part_of_the_errors_of_areas_and_intervals(
    toy_events: Path, imprecise: Path, tmp_path: Path, observed: bool
) -> None:
    """Beside the error from the simulated events, in quadrature. Expected data follow the wrong cross section too."""
    found = []
    for events in (toy_events, imprecise):
        problem = LimitProblem.of(EventFile(events / "events.h5", 0.2, 0.2), Learning(tmp_path, events).limits)
        problem = replace(problem, n_measured=1, simulation="all", n_observed=1.02 * problem.n_expected)
        data = ShapeLikelihood(0.0, None, np.zeros((GROUPS, 1)))
        limits = problem.all_limits(data, data)["observed" if observed else ""]
        # the same 1 + f, which the integration makes larger too
        found.append(replace(limits, per_simulated=0.0).summary([0.68])["allowed_area_error"]["0.68"])
    sums = problem.file.cross_sections
    (k,) = np.flatnonzero(sums.integration)
    mu = problem.expected + problem.luminosity * 0.01 * problem.coefficients @ sums.of_samples[k]
    n = problem.n_observed if observed else mu[-1]
    nominal = replace(limits, per_simulated=0.0, replicas=None, varied=None)
    shifted = replace(nominal, log_likelihood=n * np.log(mu) - mu)
    moved = shifted.allowed_area(0.68) - nominal.allowed_area(0.68)
    assert found[1] == pytest.approx(np.hypot(found[0], moved), rel=0.05)
    assert not observed or abs(moved) > 0.2 * found[0]


def test_a_region_with_it_covers() -> None:
    """A count of 2000 events, whose cross section is integrated to 2 %, and of 5000 generated events 60 % pass."""
    random, n, size = np.random.default_rng(5), 2000.0, 20_000
    integrated = 1.0 + 0.02 * random.standard_normal(size)
    expected = n * integrated * random.binomial(5000, 0.6, size) / 3000.0
    seen = random.poisson(n, size)
    q = 2.0 * (seen * np.log(seen / expected) - (seen - expected))
    weights, labels = np.full((3000, 1), n / 3000.0), np.zeros(3000, dtype=int)
    covered = []
    for error in (0.0, 0.02):
        sample = {"n_generated": 5000, "integration_error": error}
        covariance = CrossSections.of([(weights, labels)], [sample], 1).covariance()
        f = n * float(
            SimulatedSums(np.array([n]), np.array([n]), covariance, covariance, None).of_rate(np.ones((1, 1)))[0]
        )
        covered.append([(q / (1.0 + f) < chi2.ppf(level, 1)).mean() for level in (0.68, 0.95)])
    assert covered[1] == pytest.approx([0.68, 0.95], abs=0.01)
    assert covered[0][0] < 0.58


def test_it_moves_the_interval_of_a_counting_experiment() -> None:
    """μ = 1000 (1 + a): an error of 2 % of the cross section is one of 0.02 in a, where the data allow ± 0.03."""
    grid = Grid({"a": np.linspace(-0.3, 0.3, 13)})

    def poisson(mu: Any) -> Any:
        return 1000.0 * np.log(mu) - mu

    mu = 1000.0 * (1.0 + np.append(grid.points[:, 0], 0.0))
    nothing = np.tile(poisson(mu), (GROUPS, 1))
    limits = Limits(grid, poisson(mu), replicas=nothing, varied=poisson(1.02 * mu)[np.newaxis])
    assert limits.summary([0.68])["interval_errors"]["a"]["0.68"] == [pytest.approx([0.02, 0.02], rel=0.05)]
