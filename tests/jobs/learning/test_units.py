"""Parameters and observables in any unit give the same networks and limits."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from mmc.jobs.learning.estimators import load_estimator

from tests.jobs.learning_jobs import Learning
from tests.jobs.toy_events import in_units, write_events

BINARY = [2.0**-40, 2.0**7]
"""Units whose products are exact, so that networks are the same bit by bit."""
DECIMAL = [1e-12, 300.0]
NATURAL = [1.0, 1.0]
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "sally": ("sally", {}),
    "alices": ("alices", {}),
    "unscaled": ("alices", {"scale_parameters": False}),
    "double": ("alices", {"estimator": "double_parameterized_ratio"}),
    "morphing": ("alices", {"estimator": "morphing_aware_ratio"}),
    "quadratic": ("alices", {"estimator": "quadratic_morphing_aware_ratio"}),
    "scandal": ("scandal", {"n_mades": 2}),
    "derivatives": ("derivatives", {}),
}


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_events(tmp_path_factory.mktemp("units") / "events", 2, 6000)


class Scaled(Learning):
    """A study of the toy in other units."""

    def __init__(self, path: Path, events: Path, units: list[float]) -> None:
        path.mkdir()
        grid = {f"c{k + 1}": {"range": [-0.5 * unit, 0.5 * unit], "points": 9} for k, unit in enumerate(units)}
        super().__init__(path, in_units(events, path / "events", units), grid=grid)
        self.units = units

    def made(self, method: str, **training: Any) -> Path:
        """A trained network."""
        priors = {f"c{k + 1}": {"flat": [-unit, unit]} for k, unit in enumerate(self.units)}
        varied = {"random": {"n": 50, "priors": priors}}
        points = (
            {}
            if method in ("sally", "derivatives")
            else {"theta": varied}
            if method == "scandal"
            else {"theta0": varied}
        )
        points |= {"estimator": training["estimator"]} if "estimator" in training else {}
        return self.train(method, self.sample(method, **points), **training)


@pytest.mark.parametrize("kind", KINDS)
def test_networks_are_the_same_in_all_units(tmp_path: Path, events: Path, kind: str) -> None:
    method, training = KINDS[kind]
    found = []
    x, points = np.random.default_rng(1).normal(size=(50, 2)), np.array([[0.4, -0.3], [0.0, 0.5]])
    for name, units in (("natural", NATURAL), ("binary", BINARY)):
        model = Scaled(tmp_path / name, events, units).made(method, **training)
        estimator = load_estimator(model, np.array([0.1, 0.2]) * units)
        found.append(estimator.score(x) * units if method == "sally" else estimator.log_ratio(points * units, x))
    assert found[1] == pytest.approx(found[0], rel=1e-5, abs=1e-6)
    assert np.std(found[0]) > 0.01


@pytest.mark.parametrize("method", ["sally", "alices"])
def test_limits_and_information_are_the_same_in_all_units(tmp_path: Path, events: Path, method: str) -> None:
    records = []
    for name, units in (("natural", NATURAL), ("decimal", DECIMAL)):
        study = Scaled(tmp_path / name, events, units)
        records.append(study.evaluate(method, study.made(method, n_epochs=2)))
    natural, decimal = records
    limits = [np.load(folder / "limits.npz") for folder in (natural, decimal)]
    assert limits[1]["p_values"] == pytest.approx(limits[0]["p_values"], abs=1e-4)
    before, after = (json.loads((folder / "evaluate.json").read_text()) for folder in (natural, decimal))
    assert after["allowed_fraction"] == before["allowed_fraction"] and 0.0 < before["allowed_fraction"]["0.95"] < 1.0
    before, after = (np.load(folder / "fisher.npz")["full"] for folder in (natural, decimal))
    assert after * np.outer(DECIMAL, DECIMAL) == pytest.approx(before, rel=1e-3)


def test_observables_have_any_unit(tmp_path: Path, events: Path) -> None:
    found = []
    for name, unit in (("natural", 1.0), ("small", 2.0**-60)):
        study = Scaled(tmp_path / name, events, NATURAL)
        with h5py.File(study.path / "events" / "events.h5", "r+") as file:
            file["samples/observations"][...] *= unit
        x = np.random.default_rng(1).normal(size=(50, 2)) * unit
        found.append(load_estimator(study.made("sally")).score(x))
    assert np.array_equal(*found)


def test_the_closest_benchmark_is_that_in_units_of_the_ranges(tmp_path: Path, events: Path) -> None:
    from mmc.jobs.madminer.event_file import EventFile

    near = np.array([0.3, 0.9])
    for name, units in (("natural", NATURAL), ("decimal", DECIMAL), ("large", [1e12, 1e12])):
        path = in_units(events, tmp_path / name, units) / "events.h5"
        with h5py.File(path, "r+") as file:  # no event was sampled at the closest benchmark of all
            closest = file["benchmarks/values"][()].tolist().index([0.0, units[1]])
            origin = file["samples/sampling_benchmarks"][()]
            file["samples/sampling_benchmarks"][...] = np.where(origin == closest, 0, origin)
            counts = np.bincount(file["samples/sampling_benchmarks"][()], minlength=6)
            file["sample_summary/signal_events"][...] = counts
        file_ = EventFile(path, 0.2, 0.2)
        assert list(file_.benchmarks.values())[file_.closest_benchmark(near * units)].tolist() == [units[0], units[1]]
