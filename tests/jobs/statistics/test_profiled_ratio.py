"""Ratios that are known, or learned, at any value of the nuisance parameters."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmc.compiler.settings.encoding import from_json
from mmc.compiler.settings.evaluation import EvaluateSettings
from mmc.jobs.learning.estimators import load_estimator
from mmc.jobs.madminer.event_file import Array, EventFile
from mmc.jobs.statistics.problem import LimitProblem
from mmc.jobs.statistics.profiled_ratio import LogRate, Quadratic, VariedRatio, design
from mmc.jobs.statistics.ratio import ratio_result
from mmc.jobs.statistics.result import Result
from scipy.optimize import minimize

from tests.jobs.learning_jobs import Learning
from tests.jobs.toy_events import A, C, add_systematics, tilt
from tests.support import ROOT

PROFILE = {"nuisance_mode": "profile"}
NAMES = ["lumi_nuisance_param_0", "tilt_nuisance_param_0"]
SMEARING, LARGE = 0.3, 0.4


def exact(file: EventFile, size: float = 0.15) -> Callable[..., Array]:
    """ln r(x | θ, ν) of the toy to θ = 0, ν = 0: z is normal around x / (1 + s²), and `tilt` depends on x alone."""
    events, variance = file.balanced("test"), SMEARING**2 / (1.0 + SMEARING**2)

    def log_ratio(points: Array, x: Array, nu: Array | None = None) -> Array:
        nu = np.zeros(2) if nu is None else nu
        squares = np.square(points).sum(axis=1)[:, None]
        mean = 1.0 + A * points @ (x[:, :2] / (1.0 + SMEARING**2)).T
        nominal = (mean**2 + (A**2 * variance + C) * squares) / (1.0 + (A**2 + C) * squares)
        p = np.stack([events.probabilities(row) for row in file.coefficients(points)])
        norm = p @ np.exp(effect(events.x, nu, size))
        return np.log(nominal) + effect(x, nu, size) - np.log(norm)[:, None]

    return log_ratio


def effect(x: Array, nu: Array, size: float = 0.15) -> Array:
    return tilt(x, size) * (1.1 * nu[1] - 0.1 * nu[1] ** 2)


class Exact:
    """The exact ratio and its results."""

    def __init__(self, path: Path, events: Path, **evaluation: Any) -> None:
        self.learning = Learning(path, events, include_xsec="both", systematics="profile", **evaluation)
        self.file = EventFile(events / "events.h5", 0.2, 0.2)
        self.log_ratio = exact(self.file)

    def outcome(self, log_ratio: Callable[..., Array], **own: Any) -> tuple[LimitProblem, Result]:
        settings = from_json(EvaluateSettings, self.learning.evaluate_settings("alices", **PROFILE, **own))
        problem = LimitProblem.of(self.file, settings.limits)
        return problem, ratio_result(problem, settings, log_ratio, np.random.default_rng(1))


@pytest.fixture(scope="module")
def large(toy_events: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Uncertainties that are large enough for a small network."""
    return add_systematics(toy_events, tmp_path_factory.mktemp("large") / "events", LARGE)


@pytest.fixture(scope="module")
def case(uncertain: Path, tmp_path_factory: pytest.TempPathFactory) -> Exact:
    return Exact(tmp_path_factory.mktemp("exact"), uncertain, luminosity_pb=5_000.0)


@pytest.mark.parametrize("rate", [True, False])
def test_the_gain_is_what_scipy_finds_event_by_event(case: Exact, rate: bool) -> None:
    """Calculated without a quadratic form, from the exact ratio and the weights of all events at any ν."""
    problem, outcome = case.outcome(case.log_ratio)
    nominal = outcome.limits if rate else outcome.variants["without_rate"]
    profiled = outcome.variants["with_systematics" if rate else "without_rate_with_systematics"]
    x, p = problem.asimov
    population, n = problem.population, problem.n_expected
    gains = profiled.log_likelihood - nominal.log_likelihood
    assert (gains >= 0.0).all()
    for point in (10, 21, 31, 48, 59, 69):  # from where no fit goes as far as the reach
        theta, row = problem.points[[point]], problem.coefficients[point]
        weights = population.weights @ row
        weights = weights * problem.expected[point] / weights.sum()

        def change(nu: Array, theta: Array = theta, weights: Array = weights) -> float:
            gained = n * (case.log_ratio(theta, x, nu) - case.log_ratio(theta, x))[0] @ p - 0.5 * nu @ nu
            if rate:
                mu = weights @ np.exp(effect(population.x, nu) + np.log(1.075) * nu[0])
                gained += n * np.log(mu / weights.sum()) - (mu - weights.sum())
            return float(gained)

        best = -float(minimize(lambda nu: -change(nu), np.zeros(2), method="BFGS").fun)
        assert gains[point] == pytest.approx(best, rel=0.03, abs=0.02)
        assert best > 0.1 or not rate


def test_a_right_ratio_passes_with_nuisance_parameters(case: Exact) -> None:
    _, outcome = case.outcome(case.log_ratio)
    found = outcome.verdicts
    assert {name: found[name].verdict for name in found} == dict.fromkeys(
        ("without_rate", "with_systematics", "without_rate_with_systematics"), "passed"
    )
    nominal, fitted = (limits.allowed(0.95).sum() for limits in (outcome.limits, outcome.variants["with_systematics"]))
    assert nominal < fitted < outcome.limits.grid.points.shape[0]


def test_a_ratio_that_is_wrong_with_a_nuisance_parameter_fails_there(case: Exact) -> None:
    """Normalisation repairs the ratio."""

    def wrong(points: Array, x: Array, nu: Array | None = None) -> Array:
        return case.log_ratio(points, x, nu) + (0.0 if nu is None else 0.3 * nu[1])

    _, outcome = case.outcome(wrong)
    assert outcome.verdict.verdict == "passed"
    verdict = outcome.verdicts["with_systematics"]
    assert verdict.verdict == "failed"
    assert "with tilt_nuisance_param_0 = +1, " in verdict.reasons[0]
    assert verdict.figures["p_value_true"] == outcome.variants["with_systematics"].p_true
    _, cured = case.outcome(wrong, calibration="normalisation")
    assert cured.verdicts["with_systematics"].verdict == "passed"
    right = case.outcome(case.log_ratio)[1].variants["with_systematics"].log_likelihood_ratio
    assert cured.variants["with_systematics"].log_likelihood_ratio == pytest.approx(right, abs=1.5)


def test_histogram_calibration_uses_the_weights_at_other_values(case: Exact) -> None:
    """A ratio that does not depend on ν is calibrated to the ratio of its own densities at ν."""

    def blind(points: Array, x: Array, nu: Array | None = None) -> Array:
        del nu
        return case.log_ratio(points, x)

    _, without = case.outcome(blind)
    _, calibrated = case.outcome(blind, calibration="histogram")
    gains = [
        outcome.variants["without_rate_with_systematics"].log_likelihood
        - outcome.variants["without_rate"].log_likelihood
        for outcome in (without, calibrated)
    ]
    assert gains[0] == pytest.approx(0.0, abs=0.01)
    assert gains[1].max() > 0.2


@given(st.data())
def test_quadratic_forms_are_found_from_the_design(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 4))
    numbers = st.lists(st.floats(-2.0, 2.0), min_size=n, max_size=n)
    slope = np.array(data.draw(numbers))
    half = np.array([data.draw(numbers) for _ in range(n)])
    form = Quadratic(slope[None], (half + half.T)[None])
    values = np.stack([form.value(variation.nu[None]) for variation in design([f"p{k}" for k in range(n)])])
    found, nu = Quadratic.of(values, n), np.array([data.draw(numbers)])
    assert found.value(nu) == pytest.approx(form.value(nu), abs=1e-9)
    step = 1e-5 * np.eye(n)
    differences = [(form.value(nu + d) - form.value(nu - d))[0] / 2e-5 for d in step]
    assert form.slope_at(nu)[0] == pytest.approx(np.array(differences), abs=1e-5)


@given(st.integers(0, 1000), st.integers(1, 3))
def test_the_rate_and_its_derivatives(seed: int, n: int) -> None:
    random = np.random.default_rng(seed)
    weights, coefficients = random.uniform(0.5, 1.0, (50, 3)), random.uniform(0.1, 1.0, (4, 3))
    effects = {f"p{k}": tuple(np.exp(0.1 * random.normal(size=(2, 50)))) for k in range(n)}
    rate, nu = LogRate.of(weights, coefficients, effects), random.uniform(-1.0, 1.0, (4, n))
    up, down = np.log(np.array(list(effects.values()))).transpose(1, 2, 0)
    g = np.stack([0.5 * (up - down) @ row + 0.5 * (up + down) @ row**2 for row in nu])
    at_points = coefficients @ weights.T
    exact = np.log((at_points * np.exp(g)).sum(axis=1) / at_points.sum(axis=1))
    assert rate.value(nu) == pytest.approx(exact, abs=2e-3)
    step = 1e-4
    for k, direction in enumerate(step * np.eye(n)):
        slope = (rate.value(nu + direction) - rate.value(nu - direction)) / (2.0 * step)
        curvature = (rate.slope(nu + direction) - rate.slope(nu - direction)) / (2.0 * step)
        assert rate.slope(nu)[:, k] == pytest.approx(slope, abs=1e-6)
        assert rate.curvature(nu)[:, k] == pytest.approx(curvature, abs=1e-6)


def test_fits_end_at_the_reach() -> None:
    """A ratio without a maximum would lead the fit to infinity."""
    convex = Quadratic(np.array([[0.3, 0.1], [-0.1, 0.2]]), np.tile(np.eye(2), (2, 1, 1)))
    ratio = VariedRatio(convex, LogRate(Quadratic(np.zeros((2, 4)), np.zeros((2, 4, 4)))))
    for expected in (np.array([100.0, 0.0]), None):
        gain = ratio(100.0, expected)
        assert gain == pytest.approx(100.0 * (5.0 * np.array([0.4, 0.3]) + 25.0) - 25.0)


@pytest.mark.usefixtures("plain_figures")
@pytest.mark.parametrize(
    ("method", "own"),
    [("alices", {}), ("rolr", {"estimator": "double_parameterized_ratio"}), ("nde", {})],
)
def test_methods_learn_nuisance_parameters(method: str, own: dict[str, str], large: Path, tmp_path: Path) -> None:
    learning = Learning(tmp_path, large, systematics="profile", include_xsec="both", luminosity_pb=5_000.0)
    learning.evaluation["grid"] = {name: {"range": [-1.0, 1.0], "points": 5} for name in ("c1", "c2")}  # not looked at
    prior = {"random": {"n": 500, "priors": {name: {"flat": [-1.0, 1.0]} for name in ("c1", "c2")}}}
    points = {"theta": prior} if method == "nde" else {"theta0": prior}
    points |= {"theta1": prior} if own else {}
    sizes = {"samples": 12_000 if method == "nde" else 20_000, "validation_samples": 2_000}
    samples = learning.sample(method, **sizes, **points, **PROFILE, **own)
    thetas = np.load(samples / "train" / ("theta.npy" if method == "nde" else "theta0.npy"))
    assert thetas.shape[1] == 4
    assert thetas[:, 2:].mean() == pytest.approx(0.0, abs=0.1) and thetas[:, 2:].std() == pytest.approx(1.0, abs=0.1)
    training: dict[str, Any] = {"n_epochs": 12, "n_hidden": [32]}
    quick = {"n_mades": 2, "batch_size": 256, "initial_lr": 0.006}
    training |= quick if method == "nde" else {"batch_size": 512, "initial_lr": 0.01}
    settings = learning.train_settings(method, features=["x1", "x2"], **training, **own)
    model = learning.run("train", method, {**settings, **PROFILE}, samples=samples)
    assert json.loads((model / "train.json").read_text())["nuisance_parameters"] == NAMES

    file = EventFile(large / "events.h5", 0.2, 0.2)
    true, x = exact(file, LARGE), file.part("test").x
    points = np.array([[0.0, 0.0], [0.5, 0.5], [-0.5, 0.5]])
    estimator = load_estimator(model, np.zeros(2))
    slopes = [
        (log_ratio(points, x, np.array([0.0, 1.0])) - log_ratio(points, x, np.array([0.0, -1.0]))).ravel()
        for log_ratio in (true, estimator.log_ratio)
    ]
    assert np.corrcoef(*slopes)[0, 1] > 0.8
    assert np.polyfit(*slopes, 1)[0] == pytest.approx(1.0, abs=0.3)

    limits = learning.evaluate(method, model, **PROFILE)
    record = json.loads((limits / "evaluate.json").read_text())
    kinds = ("with_systematics", "without_rate_with_systematics")
    for kind in kinds:
        assert record[kind]["verdict"] in {"passed", "doubtful", "failed"}
    known, profiled = (np.array(record["fisher_information"]["full"][key]) for key in ("matrix", "profiled"))
    assert 0.05 < profiled[0, 0] / known[0, 0] < 0.97
    record |= {"verdict": "passed", "reasons": []}
    record["with_systematics"] |= {"verdict": "failed", "reasons": ["with x = +1, it is off"]}
    (limits / "evaluate.json").write_text(json.dumps(record))
    report = learning.report(formats=["svg"], limits=[limits])
    results = json.loads((report / "results.json").read_text())
    jsonschema.Draft7Validator(json.loads((ROOT / "schema/1.0/results.json").read_text())).validate(results)
    assert f"{method}, with systematic uncertainties: closure failed: with x = +1, it is off" in results["warnings"]


def test_few_points_have_many_values_of_the_nuisance_parameters(uncertain: Path, tmp_path: Path) -> None:
    """MadMiner draws one set of nuisance parameters for each point."""
    learning, few = Learning(tmp_path, uncertain), {**PROFILE, "validation_samples": 60}
    benchmarks = learning.sample("alice", samples=1500, theta0={"benchmarks": ["b1", "b2"]}, **few)
    theta0 = np.load(benchmarks / "train" / "theta0.npy")
    assert len(theta0) == 1500
    assert len(np.unique(theta0[:, 2])) > 300 and len(np.unique(theta0[:, :2], axis=0)) == 2
    points = learning.sample("nde", samples=700, theta={"point": {"c1": 0.2, "c2": 0.0}}, **few)
    theta = np.load(points / "train" / "theta.npy")
    assert len(theta) == 700 == len(np.unique(theta[:, 3]))


def test_events_without_nuisance_parameters(toy_events: Path, tmp_path: Path) -> None:
    learning = Learning(tmp_path, toy_events)
    settings = {**learning.shared, **learning.method("alices"), **PROFILE}
    line = learning.refusal("sample", "alices", settings, events=toy_events)
    assert line == "the event file has no nuisance parameters to profile: remove `nuisance_mode` of the method"
