"""The error of the cross sections from their integration, from the jobs that have it to the verdict."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmc.compiler.settings.combine import AnalysedJob
from mmc.jobs.madminer.event_file import EventFile
from mmc.jobs.steps.combine import integration_errors

from tests.jobs.learning_jobs import Learning


def analysed(sample: str, benchmark: str, n: int, value: float, error: float, **other: Any) -> tuple[AnalysedJob, Any]:
    entry = {"job": sample, "n_events": None, "k_factor": 1.0, "background": False, **other}
    return AnalysedJob(sample=sample, benchmark=benchmark, **entry), {"n_read": n, "integrated_pb": [value, error]}


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
    assert found["benchmarks"] == pytest.approx(
        {"sm": np.hypot(0.01, 1.5 * 0.02) / (2.0 + 1.5), "b1": np.hypot(0.25 * 0.03, 0.75 * 0.04) / 2.995}
    )
    assert found["background"] == pytest.approx(0.1)


@pytest.fixture
def imprecise(toy_events: Path, tmp_path: Path) -> Path:
    """Events whose cross sections are known to 1 % at `sm`, and exactly at the other benchmarks."""
    folder = Path(shutil.copytree(toy_events, tmp_path / "imprecise"))
    record = json.loads((folder / "events.json").read_text())
    record["integration_errors"] = {"benchmarks": {"sm": 0.01}, "background": 0.0}
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
    assert file.integration_error(coefficients) == pytest.approx(expected, rel=1e-6)
    (imprecise / "events.json").unlink()
    assert EventFile(imprecise / "events.h5", 0.2, 0.2).integration_error(coefficients) is None


@pytest.mark.parametrize(("luminosity", "verdict"), [(20_000.0, "passed"), (2_000_000.0, "doubtful")])
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
