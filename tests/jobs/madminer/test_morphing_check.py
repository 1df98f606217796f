"""Morphed weights and the weights of events at benchmarks outside the basis."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from mmc.errors import StepError
from mmc.jobs.madminer.morphing_check import check_morphing

from tests.jobs.toy_events import in_units, with_benchmark_outside

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


def test_a_parameter_that_does_nothing_is_named(toy_events: Path, tmp_path: Path) -> None:
    """The weights of the toy, as if c2 were always 0."""
    shutil.copytree(toy_events, tmp_path / "events")
    with h5py.File(tmp_path / "events" / "events.h5", "r+") as file:
        weights, points = file["samples/weights"][()], file["benchmarks/values"][()]
        columns = [points.tolist().index([point[0], 0.0]) for point in points]
        file["samples/weights"][...] = weights[:, columns]
    _, warnings = check_morphing(tmp_path / "events" / "events.h5")
    assert warnings == ["the weights of the events do not depend on c2: nothing can be learned about it"]


@pytest.mark.parametrize("units", [[1.0, 1.0], [1e-12, 1.0]])
def test_a_flat_direction_is_named_in_any_units(toy_events: Path, tmp_path: Path, units: list[float]) -> None:
    """Weights that depend on c1 + c2 alone: quadratic in the sum, with coefficients that differ between events."""
    events = in_units(toy_events, tmp_path / "events", units)
    with h5py.File(events / "events.h5", "r+") as file:
        z = file["samples/observations"][:, :1]
        total = (file["benchmarks/values"][()] / units).sum(axis=1)
        file["samples/weights"][...] = 1e-6 * ((1.0 + 0.5 * z * total) ** 2 + 0.1 * total**2)
    _, warnings = check_morphing(events / "events.h5")
    assert len(warnings) == 1
    assert f"do not depend on the direction c1 + {2.0 * units[0]:.3g}, c2 - 2: nothing" in warnings[0]


@pytest.mark.parametrize("deviation", [0.0, 0.004, 0.2])
def test_fitted_weights_are_compared_at_every_benchmark(toy_events: Path, tmp_path: Path, deviation: float) -> None:
    """Components are fitted to one benchmark more than there are: what one lacks, the others share."""
    path = with_benchmark_outside(toy_events, tmp_path / "events", OUT, 1.0 + deviation) / "events.h5"
    with h5py.File(path, "r+") as file:
        points, components = file["benchmarks/values"][()], file["morphing/components"][()]
        del file["morphing/morphing_matrix"]
        file["morphing/morphing_matrix"] = np.linalg.pinv((points[:, np.newaxis] ** components).prod(axis=2))
    if deviation == 0.2:
        with pytest.raises(StepError, match="to whose weights the components are fitted"):
            check_morphing(path)
        return
    found, warnings = check_morphing(path)
    assert len(found) == len(points) == 1 + len(components)
    assert max(found.values()) == pytest.approx(0.0, abs=1e-6) if deviation == 0.0 else 1e-4 < found["out"] < deviation
    assert bool(warnings) == (deviation > 0.0)
