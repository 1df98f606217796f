"""Ratios of several groups together, for densities that are known."""

import json
from typing import Any

import numpy as np
import pytest
from mmc.jobs.learning.estimators import load_estimator
from mmc.jobs.learning.mixtures import Component, Factor, Mixture
from scipy.stats import norm

from tests.jobs.stages import Outputs, run_stages

SLOPE = 0.8
SIGNAL, BACKGROUND = 0.4, 0.6
"""The cross sections at c = 0, in pb."""
STUDY = """
mmc: "1.0"
name: mixture
parameters: {c: {range: [-1, 1]}}
benchmarks: {sm: {c: 0}, plus: {c: 1}, minus: {c: -1}}
events:
  tables:
    signal: {files: [{paths: [signal.npz], benchmark: sm, cross_section: 0.4 pb}]}
    background: {files: [{paths: [background.npz], benchmark: sm, cross_section: 0.6 pb}], background: true}
observables: {x: {}}
groups: {signal: [signal], background: [background], together: all, later: all}
methods:
  alices:
    group: signal
    theta0: {random: {n: 500, priors: {c: {flat: [-0.4, 0.4]}}}}
    theta1: {benchmark: sm}
    samples: 10_000
    training: {n_hidden: [20, 20], n_epochs: 4, initial_lr: 0.005, final_lr: 0.0005, batch_size: 200, alpha: 1}
  over_background:
    method: carl
    group: signal
    over: background
    theta0: {benchmark: sm}
    theta1: {benchmark: sm}
    samples: 10_000
    training: {n_hidden: [20, 20], n_epochs: 4, initial_lr: 0.005, final_lr: 0.0005, batch_size: 200}
mixtures:
  mixed: {of: {signal: [alices, over_background], background: reference}, calibration: normalisation}
evaluation: {luminosity: 500 pb^-1, grid: {c: {points: 21}}, baselines: {rate: {group: later}}}
combinations: {periods: {of: {together: mixed, later: rate}, independent: true}}
"""


def rates(c: np.ndarray) -> np.ndarray:
    """The cross sections of signal and background at points, shape (2, points)."""
    return np.stack([SIGNAL * (1.0 + SLOPE**2 * c**2), np.full_like(c, BACKGROUND)])


def densities(c: np.ndarray, x: np.ndarray) -> np.ndarray:
    """p(x | c) of signal and background, shape (2, points, events)."""
    c = c[:, np.newaxis]
    signal = norm.pdf(x) * (1.0 + SLOPE * c * x) ** 2 / (1.0 + SLOPE**2 * c**2)
    return np.stack([signal, np.broadcast_to(norm.pdf(x, 1.0, 1.5), signal.shape)])


def together(c: np.ndarray, x: np.ndarray) -> np.ndarray:
    """p(x | c) of the mixture, shape (points, events)."""
    fractions = rates(c) / rates(c).sum(axis=0)
    return np.asarray((fractions[:, :, np.newaxis] * densities(c, x)).sum(axis=0))


class Exact:
    """An estimator that knows the ratio of two densities."""

    def __init__(self, numerator: int, denominator: int) -> None:
        self.numerator, self.denominator = numerator, denominator

    def log_ratio(self, points: np.ndarray, x: np.ndarray) -> np.ndarray:
        there, reference = densities(points[:, 0], x[:, 0]), densities(np.zeros(1), x[:, 0])
        return np.asarray(np.log(there[self.numerator] / reference[self.denominator]))


def test_exact_ratios_of_the_groups_give_the_exact_ratio_of_the_mixture() -> None:
    powers = np.linalg.inv(np.array([[1, 0, 0], [1, 1, 1], [1, -1, 1]], dtype=float))

    def coefficients(points: np.ndarray) -> np.ndarray:
        return np.asarray(points ** np.arange(3) @ powers)

    signal, background = rates(np.array([0.0, 1.0, -1.0]))
    c, x = np.linspace(-1.0, 1.0, 5), np.linspace(-3.0, 4.0, 40)
    known = np.log(together(c, x) / together(np.zeros(1), x))
    at_zero: Any = np.zeros(1)
    two = (Factor(Exact(0, 0), None), Factor(Exact(0, 1), at_zero))  # type: ignore[arg-type]
    one = (Factor(Exact(0, 1), None),)  # type: ignore[arg-type]
    for factors in (two, one):
        mixture = Mixture([Component(signal, factors), Component(background, ())], coefficients, np.zeros(1))
        found = mixture.log_ratio(c[:, np.newaxis], x[:, np.newaxis])
        np.testing.assert_allclose(found, known, atol=1e-12)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Outputs:
    """The outputs of the jobs of the study, up to the combination of the mixture with another period."""
    path = tmp_path_factory.mktemp("mixture")
    random = np.random.default_rng(1)
    for name, x, slope in (
        ("signal", random.normal(0.0, 1.0, 20_000), SLOPE),
        ("background", random.normal(1.0, 1.5, 20_000), 0.0),
    ):
        weights = {b: (1.0 + c * slope * x) ** 2 for b, c in (("sm", 0.0), ("plus", 1.0), ("minus", -1.0))}
        np.savez(path / f"{name}.npz", x=x, **weights)
    (path / "study.yaml").write_text(STUDY)
    return run_stages(path / "study.yaml", "combinations", leave_out=[("evaluate", "alices")])


def test_samples_of_two_groups_are_those_of_the_groups(outputs: Outputs) -> None:
    folder = outputs["sample", "over_background"] / "train"
    x, y = (np.load(folder / f"{name}.npy")[:, 0] for name in ("x", "y"))
    assert len(x) == 10_000
    for label, mean, width in ((0.0, 0.0, 1.0), (1.0, 1.0, 1.5)):
        assert x[y == label].mean() == pytest.approx(mean, abs=0.06)
        assert x[y == label].std() == pytest.approx(width, abs=0.06)
    both, alone = (
        json.loads((outputs["sample", name] / "sample.json").read_text()) for name in ("over_background", "alices")
    )
    assert both["train_events"] == pytest.approx(2 * alone["train_events"], rel=0.01)


def test_limits_of_a_mixture_follow_from_the_ratios_that_were_learned(outputs: Outputs) -> None:
    """Rate and shape of 500 events at c = 0, by numerical integration over x."""
    signal, over = (load_estimator(outputs["train", name], np.zeros(1)) for name in ("alices", "over_background"))
    c, x = np.linspace(-1.0, 1.0, 21), np.linspace(-8.0, 10.0, 2001)
    fractions = rates(c) / rates(c).sum(axis=0)
    of_signal = np.exp(signal.log_ratio(c[:, np.newaxis], x[:, np.newaxis]))
    of_signal *= np.exp(over.log_ratio(np.zeros((1, 1)), x[:, np.newaxis]))
    mixed = fractions[0][:, np.newaxis] * of_signal + fractions[1][:, np.newaxis]
    truth = together(np.zeros(1), x)[0]
    ratio = mixed / mixed[10]
    ratio /= np.trapezoid(truth * ratio, x, axis=1)[:, np.newaxis]
    expected = 500.0 * rates(c).sum(axis=0)
    shape = 500.0 * np.trapezoid(truth * np.log(ratio), x, axis=1)
    known = -2.0 * (shape + 500.0 * np.log(expected / 500.0) - expected + 500.0)

    record = json.loads((outputs["evaluate", "mixed"] / "evaluate.json").read_text())
    with np.load(outputs["evaluate", "mixed"] / "limits.npz") as arrays:
        found = -2.0 * arrays["log_likelihood_ratio"] * (1.0 + record["events_per_simulated_event"])
    assert record["mixture"] == {"signal": ["alices", "over_background"], "background": []}
    near = known < 12.0
    assert near.sum() >= 3
    np.testing.assert_allclose((found - found[10])[near], known[near], rtol=0.05, atol=0.1)


def test_the_likelihood_of_a_mixture_is_combined_with_others(outputs: Outputs) -> None:
    """Without the errors of the simulation, which depend on the point a little, ln λ is that of both together."""
    total, combined = np.zeros(21), np.zeros(21)
    for stage, name, record in (
        ("evaluate", "mixed", "evaluate"),
        ("baselines", "rate.later", "baseline"),
        ("combinations", "periods", "combination"),
    ):
        folder = outputs[stage, name]
        factor = 1.0 + json.loads((folder / f"{record}.json").read_text())["events_per_simulated_event"]
        with np.load(folder / "limits.npz") as arrays:
            combined = factor * arrays["log_likelihood_ratio"]
        total += combined if stage != "combinations" else 0.0
    near = combined > -6.0
    assert near.sum() >= 3
    np.testing.assert_allclose(combined[near], (total - total.max())[near], rtol=5e-3, atol=1e-3)
