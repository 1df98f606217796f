"""Polynomials in the parameters: expansions about any point, and samples of their coefficients."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmc.jobs.learning.polynomials import Polynomial
from mmc.jobs.learning.samples import load_samples

from tests.jobs.learning_jobs import Learning
from tests.jobs.toy_events import cross_section, squared_amplitude, write_events

COMPONENTS = [[0, 0], [2, 0], [1, 1], [0, 3]]


def test_an_expansion_about_a_point_has_the_same_values() -> None:
    random = np.random.default_rng(1)
    polynomial = Polynomial.about(np.array([0.3, 170.0]), np.array([2.0, 5e-3]), COMPONENTS)
    assert polynomial.powers == ((0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2), (0, 3))
    theirs, points = random.normal(size=4), polynomial.point + polynomial.unit * random.normal(size=(20, 2))
    values = polynomial.monomials(points) @ polynomial.expansion(COMPONENTS) @ theirs
    assert values == pytest.approx(np.prod(points[:, np.newaxis] ** np.array(COMPONENTS), axis=2) @ theirs, rel=1e-12)
    assert Polynomial.of(polynomial.record).record == polynomial.record


@pytest.mark.parametrize(
    "theta",
    [{"benchmark": "b1"}, {"benchmarks": ["sm", "b1"]}, {"random": {"n": 30, "priors": {"c1": {"flat": [-1, 1]}}}}],
    ids=["one benchmark", "benchmarks", "random"],
)
def test_samples_are_the_weights_relative_to_their_own_density(tmp_path: Path, theta: Any) -> None:
    """w(z | θ) / w_mix(z), where w_mix is the mean of the normalised densities at the points of the samples."""
    events = write_events(tmp_path / "events", 1, 3000, smearing=0.0)
    folder = Learning(tmp_path / "run", events, 1).sample(
        "derivatives", theta=theta, sample_only_from_closest_benchmark=False
    )
    arrays, record = load_samples(folder / "train"), _record(folder)
    polynomial, z = Polynomial.of(record["polynomial"]), arrays["x"].astype(float)
    assert polynomial.means == pytest.approx(arrays["t_xz"].mean(axis=0, dtype=float))
    points = np.array([[-0.8], [0.1], [1.2]])
    found = polynomial.monomials(points) @ arrays["t_xz"].T
    at = {"b1": [1.0], "sm": [0.0]}
    if "random" in theta:
        ratios = found / np.array([squared_amplitude(z, point) for point in points])
        assert np.ptp(np.log(ratios), axis=0).max() < 1e-3
        return
    drawn = [at[name] for name in theta.get("benchmarks", [theta.get("benchmark")])]
    mixture = np.mean([squared_amplitude(z, np.array(point)) / cross_section(point) for point in drawn], axis=0)
    ratios = found * mixture / np.array([squared_amplitude(z, point) for point in points])
    assert np.ptp(np.log(ratios), axis=0).max() < 1e-3  # the same at all points
    assert np.ptp(np.log(ratios), axis=1).max() < 0.1  # cross sections are those of the training events


def _record(folder: Path) -> Any:
    return json.loads((folder / "sample.json").read_text())
