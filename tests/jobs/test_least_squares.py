"""More benchmarks than components: estimators and limits of a likelihood that is known."""

import json

import numpy as np
import pytest
from mmc.jobs.learning.estimators import load_estimator
from mmc.jobs.madminer.event_file import Events
from mmc.jobs.statistics.scanning.density import RatioDensity
from mmc.jobs.statistics.scanning.polynomial import PolynomialDensity
from scipy.stats import norm

from tests.jobs.stages import Outputs, run_stages

SLOPE, N_EXPECTED = 0.4, 300.0
BENCHMARKS = {"sm": 0.0, "p": 1.0, "m": -1.0, "half": 0.5, "minus_half": -0.5}
STUDY = """
mmc: "1.0"
name: fitted
parameters: {c: {range: [-1, 1]}}
benchmarks: {sm: {c: 0}, p: {c: 1}, m: {c: -1}, half: {c: 0.5}, minus_half: {c: -0.5}}
morphing: {fit: least-squares}
events:
  tables:
    signal: {files: [{paths: [signal.npz], benchmark: sm, cross_section: 1 pb}]}
observables: {x: {}}
methods:
  sally:
    theta: {benchmark: sm}
    samples: 10_000
    training: &training {n_hidden: [20], n_epochs: 4, batch_size: 100, initial_lr: 0.005}
  alices:
    estimator: morphing_aware_ratio
    theta0: {random: {n: 500, priors: {c: {flat: [-0.5, 0.5]}}}}
    theta1: {benchmark: sm}
    samples: 10_000
    calibration: normalisation
    training: {<<: *training, alpha: 1}
  derivatives: {theta: {benchmarks: [sm, half, minus_half]}, samples: 10_000, training: *training}
evaluation: {luminosity: 300 pb^-1, grid: {c: {range: [-0.5, 0.5], points: 21}}, baselines: {truth: true}}
"""


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Outputs:
    """The outputs of the jobs of the study up to the limits."""
    path = tmp_path_factory.mktemp("fitted")
    x = np.random.default_rng(2).normal(size=10_000)
    np.savez(path / "signal.npz", x=x, **{name: (1.0 + SLOPE * c * x) ** 2 for name, c in BENCHMARKS.items()})
    (path / "study.yaml").write_text(STUDY)
    return run_stages(path / "study.yaml", "baselines")


def known(c: np.ndarray) -> np.ndarray:
    """-2 ln λ of 300 events at c = 0, by numerical integration."""
    x = np.linspace(-8.0, 8.0, 4001)
    rate = 1.0 + (SLOPE * c) ** 2
    ratio = np.maximum((1.0 + SLOPE * c[:, np.newaxis] * x) ** 2, 1e-12) / rate[:, np.newaxis]
    shape = np.trapezoid(norm.pdf(x) * np.log(ratio), x, axis=1)
    return np.asarray(-2.0 * N_EXPECTED * (shape + np.log(rate) - rate + 1.0))


@pytest.mark.parametrize(
    ("name", "tolerance"), [("truth", 0.06), ("sally", 0.15), ("alices", 0.25), ("derivatives", 0.25)]
)
def test_limits_are_those_of_the_known_likelihood(outputs: Outputs, name: str, tolerance: float) -> None:
    stage, record = ("baselines", "baseline.json") if name == "truth" else ("evaluate", "evaluate.json")
    folder = outputs[stage, name]
    widening = 1.0 + json.loads((folder / record).read_text())["events_per_simulated_event"]
    c = np.linspace(-0.5, 0.5, 21)
    with np.load(folder / "limits.npz") as arrays:
        found = -2.0 * arrays["log_likelihood_ratio"] * widening
    near = known(c) < 10.0
    assert near.sum() >= 5
    even = 0.5 * (found + found[::-1]) - found[10]  # the odd part comes from the mean of x in the simulated events
    np.testing.assert_allclose(even[near], known(c)[near], rtol=tolerance, atol=0.15)


def test_the_weights_at_a_benchmark_that_is_not_needed_are_fitted(outputs: Outputs) -> None:
    """The weights are exactly of second order, so the fit has no deviations."""
    record = json.loads((outputs["combine", "combine"] / "events.json").read_text())
    assert all(abs(value) < 1e-6 for value in record.get("morphing_deviations", {}).values())


@pytest.mark.parametrize("normalised", [True, False])
def test_the_likelihood_of_derivatives_is_that_of_their_ratio(outputs: Outputs, normalised: bool) -> None:
    """For data that normalise the ratio, and for others; the derivatives are those of differences."""
    estimator = load_estimator(outputs["train", "derivatives"], np.zeros(1))
    random = np.random.default_rng(5)
    x, other = random.normal(size=(300, 1)), random.normal(size=(200, 1))
    p, q = random.dirichlet(np.ones(300)), random.dirichlet(np.ones(200))
    points, nothing = np.linspace(-0.5, 0.5, 5)[:, np.newaxis], np.zeros((5, 0))
    for means in ((x, p), (other, q)) if normalised else (None,):
        found = PolynomialDensity(estimator, means).shape(Events(x, np.zeros((300, 0))), p, expected=True)
        known = RatioDensity(estimator.log_ratio, means).shape(Events(x, np.zeros((300, 0))), p, expected=True)
        np.testing.assert_allclose(found.mean_log(points, nothing), known.mean_log(points, nothing), atol=1e-6)
        assert found.slope is not None
        near = np.array([[0.299], [0.301]])
        low, high = found.mean_log(near, nothing[:2])
        slope = found.slope(np.array([0.3]), nothing[0], nothing[:1])
        np.testing.assert_allclose(slope, (high - low) / 0.002, rtol=1e-3, atol=1e-5)
