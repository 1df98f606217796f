"""Errors of intervals from the integration of one sample's cross section, against events with other weights."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from mmc.compiler.settings.baselines import BaselineSettings, HistogramSettings
from mmc.jobs.madminer.event_file import EventFile
from mmc.jobs.statistics.baselines import LIKELIHOODS
from mmc.jobs.statistics.problem import LimitProblem
from mmc.jobs.statistics.profiling import ShapeLikelihood
from mmc.jobs.statistics.summaries import Summaries

from tests.jobs.learning_jobs import Learning

ERROR, SAMPLE = 0.03, 1
EDGES = (-9.0, -1.0, -0.3, 0.3, 1.0, 9.0)
HISTOGRAM = HistogramSettings(observables=("x1", "x2"), bins=(EDGES, EDGES))
KINDS = {"rate": ("", "observed"), "histogram": ("", "without_rate", "observed"), "truth": ("", "without_rate")}


def regions(folder: Path, events: Path, baseline: str, error: float) -> dict[str, Any]:
    """The regions without f by kind, if the cross section of the sample has this error."""
    record = json.loads((events / "events.json").read_text())
    record["samples"][SAMPLE]["integration_error"] = error
    (events / "events.json").write_text(json.dumps(record))
    learning = Learning(folder, events, include_xsec="both", luminosity_pb=100_000.0)
    learning.evaluation["grid"] = {name: {"range": [-0.4, 0.4], "points": 17} for name in ("c1", "c2")}
    limits = learning.limits
    problem = LimitProblem.of(EventFile.of(events / "events.h5", limits), limits)
    x = np.random.default_rng(2).normal(0.1, 1.0, (900, 3))
    problem = replace(problem, observed=Summaries(x, np.full(900, 1 / 900)), n_observed=1050.0)
    settings = BaselineSettings(limits=limits, baseline=baseline, histogram=HISTOGRAM)
    found = LIKELIHOODS[baseline](problem, settings, np.random.default_rng(1))[0]
    every = {"": found.limits, **found.variants}
    return {kind: every[kind].summary([0.68])["infinite_simulation"] for kind in KINDS[baseline]}


@pytest.mark.parametrize("baseline", KINDS)
def test_an_interval_moves_as_its_error_says(tmp_path: Path, toy_events: Path, baseline: str) -> None:
    events = Path(shutil.copytree(toy_events, tmp_path / "events"))
    without, found = (regions(tmp_path / "own", events, baseline, error) for error in (0.0, ERROR))
    with h5py.File(events / "events.h5", "r+") as file:
        here = file["samples/mmc_samples"][()] == SAMPLE
        file["samples/weights"][...] = file["samples/weights"][()] * np.where(here, 1.0 + ERROR, 1.0)[:, np.newaxis]
    moved = regions(tmp_path / "own", events, baseline, 0.0)
    for kind in KINDS[baseline]:
        ends, others = (np.array(each[kind]["intervals"]["c1"]["0.68"]) for each in (found, moved))
        errors, statistical = (np.array(each[kind]["interval_errors"]["c1"]["0.68"]) for each in (found, without))
        of_integration = np.sqrt(np.square(errors) - np.square(statistical))
        assert of_integration == pytest.approx(np.abs(others - ends), rel=0.15, abs=2e-4), kind


def test_expected_events_without_the_rate_change_with_the_cross_section(tmp_path: Path, toy_events: Path) -> None:
    """The integration of a sample changes N of expected data, and not that of observed events."""
    events = Path(shutil.copytree(toy_events, tmp_path / "events"))
    record = json.loads((events / "events.json").read_text())
    record["samples"][SAMPLE]["integration_error"] = ERROR
    (events / "events.json").write_text(json.dumps(record))
    limits = Learning(tmp_path / "own", events, include_xsec="both").limits
    problem = LimitProblem.of(EventFile.of(events / "events.h5", limits), limits)
    problem = replace(problem, n_observed=1050.0)
    mean = -np.square(problem.points).sum(axis=1)
    shape = ShapeLikelihood(mean, replicas=np.tile(mean, (20, 1)), changed=np.tile(mean, (len(record["samples"]), 1)))
    found = problem.all_limits(shape, shape)
    sample = problem.file.cross_sections.of_samples[SAMPLE]
    n = problem.n_expected + ERROR * problem.luminosity * float(sample @ problem.true_coefficients)
    for kind, total in (("without_rate", n), ("observed_without_rate", 1050.0)):
        varied = found[kind].varied
        assert varied is not None
        np.testing.assert_allclose(varied[SAMPLE - len(record["samples"])], total * mean)
    assert n > 1.002 * problem.n_expected
