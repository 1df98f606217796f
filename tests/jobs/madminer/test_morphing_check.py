"""Morphed weights and the weights of events at benchmarks outside the basis."""

from pathlib import Path

import numpy as np
import pytest
from mmc.errors import StepError
from mmc.jobs.madminer.morphing_check import check_morphing

from tests.jobs.toy_events import with_benchmark_outside

OUT = [0.4, -1.3]


def test_a_file_without_benchmarks_outside_the_basis_has_nothing_to_compare(toy_events: Path) -> None:
    assert check_morphing(toy_events / "events.h5") == ({}, [])


def test_exact_weights_agree(toy_events: Path, tmp_path: Path) -> None:
    events = with_benchmark_outside(toy_events, tmp_path / "events", OUT)
    found, warnings = check_morphing(events / "events.h5")
    assert found == {"out": pytest.approx(0.0, abs=1e-6)} and warnings == []


def test_weights_with_seven_digits_agree(toy_events: Path, tmp_path: Path) -> None:
    n = 8000
    rounding = 1.0 + np.random.default_rng(1).uniform(-5e-7, 5e-7, n)
    events = with_benchmark_outside(toy_events, tmp_path / "events", OUT, rounding)
    found, warnings = check_morphing(events / "events.h5")
    assert found["out"] < 1e-6 and warnings == []


def test_a_small_deviation_is_a_warning(toy_events: Path, tmp_path: Path) -> None:
    events = with_benchmark_outside(toy_events, tmp_path / "events", OUT, 1.004)
    found, warnings = check_morphing(events / "events.h5")
    assert found["out"] == pytest.approx(0.004, rel=0.01)
    assert len(warnings) == 1 and "at benchmark 'out'" in warnings[0] and "by 0.40%" in warnings[0]


def test_deviations_that_cancel_in_the_sum_are_refused(toy_events: Path, tmp_path: Path) -> None:
    factor = 1.0 + 0.05 * np.where(np.arange(8000) % 2, 1.0, -1.0)
    events = with_benchmark_outside(toy_events, tmp_path / "events", OUT, factor)
    with pytest.raises(
        StepError, match=r"at benchmark 'out'.*differ from the weights of the events by 4\.9\d%|by 5\.0"
    ):
        check_morphing(events / "events.h5")
