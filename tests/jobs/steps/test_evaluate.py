import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmc.compiler.catalogue.histograms import ADAPTIVE_SALLY
from mmc.jobs.learning.estimators import load_estimator
from mmc.jobs.madminer.event_file import EventFile
from mmc.jobs.statistics.limits import p_values
from mmc.jobs.statistics.problem import LimitProblem

from tests.jobs.learning_jobs import Learning
from tests.jobs.statistics.test_histograms import whole_luminosity
from tests.jobs.toy_events import SIGMA, A, cross_section, squared_amplitude, write_events
from tests.support import SHARED_DATA

GOOD = {"n_hidden": [32, 32], "n_epochs": 15}
QUICK = GOOD | {"batch_size": 512, "initial_lr": 0.006}
"""For many samples: as good in a quarter of the steps."""


def result(folder: Path, name: str = "evaluate.json") -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / name).read_text())
    return content


def exact_limits(learning: Learning) -> Any:
    """The limits of the model itself, at the Asimov data that the steps use; for observables without smearing."""
    problem = LimitProblem.of(EventFile(learning.events / "events.h5", 0.2, 0.2), learning.limits)
    x, probabilities = problem.asimov
    ratios = [np.log(squared_amplitude(x, point) * SIGMA / cross_section(point)) for point in problem.points]
    return problem.limits(np.stack(ratios) @ probabilities)


@pytest.fixture(scope="module")
def exact_events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two parameters, observables that see everything."""
    return write_events(tmp_path_factory.mktemp("exact") / "events", 2, 40_000, smearing=0.0)


@pytest.fixture(scope="module")
def quick_model(toy_events: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Trains a small estimator of a method on few samples, once."""
    learning = Learning(tmp_path_factory.mktemp("quick"), toy_events)
    return cache(lambda method: learning.train(method, learning.sample(method)))


@pytest.mark.parametrize("include_xsec", [True, False])
def test_ratio_limits_are_those_of_madminer(
    tmp_path: Path, toy_events: Path, quick_model: Callable[[str], Path], include_xsec: bool
) -> None:
    from madminer.limits import AsymptoticLimits

    learning = Learning(tmp_path, toy_events, include_xsec=include_xsec, event_weights="madminer")
    learning.evaluation["luminosity_pb"] = whole_luminosity(learning)
    model = quick_model("alices")
    ours = np.load(learning.evaluate("alices", model) / "limits.npz")
    stock = AsymptoticLimits(str(toy_events / "events.h5")).expected_limits(
        "ml",
        theta_true=np.zeros(2),
        grid_ranges=[(-1.0, 1.0)] * 2,
        grid_resolutions=[9, 9],
        model_file=str(model / "model"),
        include_xsec=include_xsec,
        luminosity=learning.evaluation["luminosity_pb"],
    )
    # the likelihood ratio of the grid's own best point: MadMiner knows no other
    shift = ours["log_likelihood_ratio"].max()
    assert ours["log_likelihood_ratio"].ravel() - shift == pytest.approx(_ratio(stock), abs=2e-4)
    assert p_values(ours["log_likelihood_ratio"].ravel() - shift, 2) == pytest.approx(stock[1], abs=1e-4)
    assert ours["p_values"].ravel() == pytest.approx(p_values(_ratio(stock) + shift, 2), abs=1e-4)
    # per event, single precision is all that differs
    points, x = stock[0], EventFile(toy_events / "events.h5", 0.2, 0.2).part("test").x[:500]
    estimator = load_estimator(model)
    per_event = estimator.members[0].madminer.evaluate_log_likelihood_ratio(x, points)[0]
    np.testing.assert_allclose(estimator.log_ratio(points, x), per_event, rtol=0.0, atol=1e-6, equal_nan=False)


def _ratio(stock: Any) -> Any:
    total = stock[3] + stock[4]
    return total - total.max()


@pytest.fixture(scope="module")
def good_model(exact_events: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Trains a good estimator of a method, once."""
    learning = Learning(tmp_path_factory.mktemp("good"), exact_events)

    def train(method: str) -> Path:
        longer = {"n_epochs": 20, "batch_size": 1024, "initial_lr": 0.01, "final_lr": 5e-5}
        training = QUICK | (longer if method == "alices" else {})
        prior = {"random": {"n": 250, "priors": {name: {"flat": [-0.8, 0.8]} for name in ("c1", "c2")}}}
        points = {"theta0": prior} if method == "alices" else {}
        samples = learning.sample(method, samples=40_000, validation_samples=5_000, **points)
        return learning.train(method, samples, **training)

    return cache(train)


@pytest.mark.parametrize("likelihood", ["sally", "adaptive-sally", "sallino", "alices"])
def test_a_good_estimator_passes_and_nearly_reaches_the_model_itself(
    tmp_path: Path, exact_events: Path, good_model: Callable[[str], Path], likelihood: str
) -> None:
    method = likelihood.removeprefix("adaptive-")
    learning = Learning(tmp_path, exact_events, luminosity_pb=5_000.0)
    learning.evaluation["grid"] = {name: {"range": [-0.75, 0.75], "points": 15} for name in ("c1", "c2")}
    adaptive = {"score_likelihood": likelihood, "score_bins": [15, 5]} if likelihood != method else {}
    found = result(learning.evaluate(method, good_model(method), **adaptive))
    verdicts = found["closure"]["verdicts"]
    if likelihood in ("sallino", "adaptive-sally"):
        del verdicts["coverage"]  # with another variable at every point they cover less than they claim
    assert set(verdicts.values()) == {"passed"}, found["reasons"]
    assert found["p_true"] > 0.5
    allowed, exact = found["allowed_fraction"]["0.95"], exact_limits(learning).allowed(0.95).mean()
    assert not found["touches_edge"]
    assert allowed == pytest.approx(exact, rel=0.25)
    truth = 5_000.0 * SIGMA * 4 * A**2
    full = found["fisher_information"]["full"]
    assert np.array(full["matrix"]) == pytest.approx(truth * np.eye(2), abs=0.15 * truth)
    ((low, high),) = found["intervals"]["c1"]["0.68"]
    assert 0.5 * (high - low) == pytest.approx(full["errors"]["c1"]["profiled"], rel=0.35)


def test_the_full_information_is_that_of_madminer_but_for_the_mean_score(
    tmp_path: Path, toy_events: Path, quick_model: Callable[[str], Path]
) -> None:
    from madminer.fisherinformation import FisherInformation

    learning = Learning(tmp_path, toy_events, event_weights="madminer")
    model = quick_model("sally")
    folder = learning.evaluate("sally", model)
    found = result(folder)["fisher_information"]
    assert found["at"] == {"c1": 0.0, "c2": 0.0}
    arrays = np.load(folder / "fisher.npz")
    assert arrays["full"].tolist() == found["full"]["matrix"]
    stock = FisherInformation(str(toy_events / "events.h5"), include_nuisance_parameters=False)
    kinematics, _ = stock.full_information(
        np.zeros(2), str(model / "model"), luminosity=20_000.0, include_xsec_info=False
    )
    # MadMiner counts the events of the whole file, its test partition is one event shorter, and its mean score counts
    file = EventFile(toy_events / "events.h5", 0.2, 0.2, balanced=False)
    events, row, gradients = file.part("test"), file.coefficients(np.zeros((1, 2)))[0], file.gradients(np.zeros(2))
    n, mine = (20_000.0 * part.weights.sum(axis=0) for part in (file.part("all"), events))
    mean = events.probabilities(row) @ load_estimator(model).score(events.x)
    rate = np.outer(gradients @ mine, gradients @ mine) / (mine @ row)
    expected = (kinematics / (n @ row) - np.outer(mean, mean)) * (mine @ row) + rate
    assert arrays["full"] == pytest.approx(expected, rel=2e-3, abs=2e-3 * expected.max())


def test_an_estimator_that_has_learned_nothing_fails(tmp_path: Path, exact_events: Path) -> None:
    learning = Learning(tmp_path, exact_events)
    model = learning.train("carl", learning.sample("carl"), n_epochs=1, initial_lr=0.5, final_lr=0.5, optimizer="adam")
    found = result(learning.evaluate("carl", model))
    assert found["verdict"] == "failed"
    assert any("the mean ratio is" in reason for reason in found["reasons"])


def test_a_normalised_ratio_has_mean_one_on_test_events(tmp_path: Path, exact_events: Path) -> None:
    learning = Learning(tmp_path, exact_events)
    model = learning.train("alice", learning.sample("alice", samples=20_000), n_hidden=[8], n_epochs=2)
    plain = result(learning.evaluate("alice", model))
    folder = learning.evaluate("alice", model, calibration="normalisation")
    found = result(folder)
    assert "calibration" not in plain
    assert found["calibration"]["method"] == "normalisation"
    before = found["calibration"]["before"]
    assert before["verdict"] == plain["verdict"]
    assert before["closure"]["mean_ratio"] == plain["closure"]["mean_ratio"]
    arrays = np.load(folder / "limits.npz")
    pulls = (arrays["mean_ratio"] - 1.0) / arrays["mean_ratio_error"]
    assert np.abs(pulls).max() < 4.5
    assert plain["closure"]["mean_ratio"]["largest_pull"] ** 2 > found["closure"]["mean_ratio"]["largest_pull"] ** 2


@pytest.mark.parametrize("method", ["sally", "sallino", "alice"])
@pytest.mark.parametrize("parameters", [1, 3])
def test_any_number_of_parameters(tmp_path: Path, method: str, parameters: int) -> None:
    learning = Learning(tmp_path, write_events(tmp_path / "events", parameters, 4000), parameters)
    learning.evaluation["grid"] = {f"c{k + 1}": {"range": [-1.0, 1.0], "points": 4 + k} for k in range(parameters)}
    folder = learning.evaluate(method, learning.train(method, learning.sample(method)))
    arrays = np.load(folder / "limits.npz")
    shape = tuple(4 + k for k in range(parameters))
    assert arrays["p_values"].shape == arrays["log_likelihood_ratio"].shape == arrays["mean_ratio"].shape == shape
    assert [len(arrays[f"axis_c{k + 1}"]) for k in range(parameters)] == list(shape)
    assert set(result(folder)["best_fit"]) == set(learning.shared["parameters"])
    if method == "sally" and parameters == 3:
        adaptive = {"score_likelihood": "adaptive-sally", "score_bins": list(ADAPTIVE_SALLY.axes(3))}
        learning.evaluation["grid"]["c3"]["points"] = 2
        folder = learning.evaluate("sally", tmp_path / "train" / "sally", job="adaptive", **adaptive)
        assert np.isfinite(np.load(folder / "limits.npz")["profile_c1-c2"]).any()


def test_sally_and_sallino_agree_on_one_parameter(tmp_path: Path) -> None:
    learning = Learning(tmp_path, write_events(tmp_path / "events", 1, 8000), 1)
    models = {m: learning.train(m, learning.sample(m, samples=10_000), **GOOD) for m in ("sally", "sallino")}
    sally, sallino = (np.load(learning.evaluate(m, model) / "limits.npz") for m, model in models.items())
    assert sally["log_likelihood_ratio"] == pytest.approx(sallino["log_likelihood_ratio"], abs=0.5, rel=0.15)


def test_another_denominator_and_another_truth(tmp_path: Path, exact_events: Path) -> None:
    """The reference is `b1`, the Asimov data are those of another point: other events for both."""
    learning = Learning(tmp_path, exact_events, theta_true={"c1": 0.1, "c2": 0.2})
    reference = {"benchmark": "b1"}
    model = learning.train("alices", learning.sample("alices", theta1=reference, samples=10_000), **QUICK)
    found = result(learning.evaluate("alices", model, theta1=reference))
    assert found["theta_true"] == {"c1": 0.1, "c2": 0.2}
    assert abs(found["best_fit"]["c1"] - 0.1) <= 0.5 and abs(found["best_fit"]["c2"] - 0.2) <= 0.5
    assert 0.7 < found["closure"]["mean_ratio"]["lowest"] <= found["closure"]["mean_ratio"]["highest"] < 1.4


def test_training_events_do_not_enter(tmp_path: Path, toy_events: Path) -> None:
    """Spoiling every training event changes no number of a ratio method, but that the rate is from all weights."""
    import shutil

    import h5py

    learning = Learning(tmp_path, toy_events)
    model = learning.train("alice", learning.sample("alice"))
    before = (learning.evaluate("alice", model) / "limits.npz").read_bytes()
    learning.events = tmp_path / "spoilt"
    shutil.copytree(toy_events, learning.events)
    with h5py.File(learning.events / "events.h5", "r+") as file:
        n = round(0.6 * len(file["samples/observations"])) - 1
        file["samples/observations"][:n] = 1e6
    assert (learning.evaluate("alice", model) / "limits.npz").read_bytes() == before


def test_refusals(tmp_path: Path, toy_events: Path, quick_model: Callable[[str], Path]) -> None:
    learning = Learning(tmp_path, toy_events)
    model = quick_model("sally")
    wrong = learning.evaluate_settings("alice", train_job="sally")
    line = learning.refusal("evaluate", "alice", wrong, events=toy_events, model=model)
    assert line == "sally is a model of sally, not of alice"
    absent = {**learning.evaluate_settings("sally"), "grid": {"c1": {"range": [0, 1], "points": 2}}}
    line = learning.refusal("evaluate", "alice", absent, events=toy_events, model=model)
    assert line.startswith("the grid is over ['c1']")


def test_the_file_made_with_madgraph_pythia_and_delphes(tmp_path: Path) -> None:
    source = SHARED_DATA / "vbf-higgs-delphes" / "events.h5"
    if not source.is_file():
        pytest.skip(f"{source} is not there")
    events = tmp_path / "events"
    events.mkdir()
    (events / "events.h5").symlink_to(source)
    (events / "job.json").write_text('{"stage": "combine", "job": "combine"}')
    learning = Learning(tmp_path / "run", events, ["CWL2", "CPWL2"], luminosity_pb=36_000.0)
    learning.evaluation["grid"] = {name: {"range": [-2.0, 2.0], "points": 15} for name in ("CWL2", "CPWL2")}
    histogram = result(learning.histogram(["pt_j1"], [25]), "baseline.json")
    samples = learning.sample("sally", samples=5000, validation_samples=1000)
    sally = result(learning.evaluate("sally", learning.train("sally", samples, **GOOD)))
    for found in (histogram, sally):
        assert found["n_expected"] == pytest.approx(34.0, abs=0.1)  # 33.8 from the events generated at the SM alone
        others = [reason for reason in found["reasons"] if not reason.startswith("-2 ln λ does not follow χ²")]
        assert found["verdict"] != "failed" and not others, (found["reasons"], found["closure"])  # 34 events are few
        assert not found["touches_edge"]
        assert 0.05 < found["allowed_fraction"]["0.95"] < 0.3
