"""Reports on runs with damaged records, arrays and events end in one line or in a page."""

import logging
import shutil
from pathlib import Path
from random import Random

import pytest

from benchmarks.fuzz.__main__ import outcome_of
from benchmarks.fuzz.records import trial_on


def test_damaged_runs(run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    shutil.copytree(run, tmp_path / "run")
    trial = trial_on(tmp_path / "run")
    outcomes = {number: outcome_of(trial, Random(f"ci {number}"), 40.0) for number in range(60)}
    assert {number: found for number, found in outcomes.items() if found not in ("accepted", "refused")} == {}
    assert {"accepted", "refused"} == set(outcomes.values())
