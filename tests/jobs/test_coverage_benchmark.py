from pathlib import Path

import numpy as np
import pytest
from mmc.compiler.settings.baselines import BaselineSettings
from mmc.jobs.madminer.event_file import EventFile
from mmc.jobs.statistics.baselines import density
from mmc.jobs.statistics.problem import LimitProblem
from scipy.stats import chi2, poisson

from benchmarks import coverage
from tests.jobs.learning_jobs import Learning
from tests.support import ROOT


def test_the_coverage_of_a_count_is_that_of_all_counts(tmp_path: Path, toy_events: Path) -> None:
    limits = Learning(tmp_path, toy_events).limits
    file = EventFile(toy_events / "events.h5", 0.2, 0.2)
    problem, nature = LimitProblem.of(file, limits), coverage.Nature.of([file], limits.theta_true)
    source = coverage.Source(nature, 10_000, np.random.default_rng(1), training_error=False)
    settings = BaselineSettings(limits=limits, baseline="rate")
    found = coverage._coverage(*coverage._binned(*density(problem, settings), source))
    expected = problem.expected
    n, mu = np.arange(2000), expected[-1]
    best = np.clip(n, expected.min(), expected.max())
    q = 2.0 * (np.where(n > 0, n * np.log(best / mu), 0.0) - best + mu)
    exact = [poisson(mu).pmf(n)[q <= chi2(1).ppf(level)].sum() for level in coverage.LEVELS]
    assert found["without"] == pytest.approx(exact, abs=0.02)
    assert (found["with"] >= found["without"]).all()


def test_the_settings_of_a_run_are_read_as_they_are_compiled(tmp_path: Path) -> None:
    (tmp_path / "bundle").symlink_to(ROOT / "tests/golden/drell-yan/study/yadage")
    assert coverage._limits(tmp_path).luminosity_pb == 139_000.0
    assert coverage._settings(tmp_path, "evaluate", "derivatives")["members"][1] == "derivatives.member-1"
