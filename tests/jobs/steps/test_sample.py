import json
import re
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from mmc.jobs.learning.samples import load_samples
from mmc.jobs.madminer.event_file import EventFile

from tests.jobs.learning_jobs import Learning
from tests.jobs.toy_events import cross_section, squared_amplitude, with_negative_weights, write_events


@pytest.mark.parametrize("method", ["sally", "alices"])
def test_training_validation_and_test_events_are_disjoint(tmp_path: Path, toy_events: Path, method: str) -> None:
    folder = Learning(tmp_path, toy_events).sample(method, samples=20_000, validation_samples=20_000)
    train, validation = (set(load_samples(folder / name)["x"][:, 2]) for name in ("train", "validation"))
    test = set(EventFile(toy_events / "events.h5", 0.2, 0.2).part("test").x[:, 2])
    assert len(train) > 500 and len(validation) > 200 and len(test) > 1000
    assert not train & validation
    assert not (train | validation) & test


def test_joint_ratio_and_score_are_those_of_the_model(tmp_path: Path) -> None:
    events = write_events(tmp_path / "events", 2, 3000, smearing=0.0)
    theta = np.array([0.4, -0.2])
    point = {"point": dict(zip(["c1", "c2"], theta.tolist(), strict=True))}
    train = load_samples(Learning(tmp_path, events).sample("alices", theta0=point) / "train")
    z = train["x"].astype(float)
    ratio = squared_amplitude(z, theta) / squared_amplitude(z, 0 * theta) * cross_section([0, 0]) / cross_section(theta)
    # the cross sections are those of the training events nearby
    assert np.std(np.log(train["r_xz"][:, 0]) - np.log(ratio)) < 1e-4
    assert np.mean(np.log(train["r_xz"][:, 0]) - np.log(ratio)) == pytest.approx(0.0, abs=0.1)
    step = np.array([1e-5, 0.0])
    score = (np.log(squared_amplitude(z, theta + step)) - np.log(squared_amplitude(z, theta - step))) / 2e-5
    assert np.std(train["t_xz"][:, 0] - score) < 1e-3 * np.std(score)
    assert train["y"].mean() == 0.5


@pytest.mark.parametrize(
    ("theta0", "points"),
    [
        ({"benchmark": "b1"}, {(1.0, 0.0)}),
        ({"benchmarks": ["b1", "b2"]}, {(1.0, 0.0), (-1.0, 0.0)}),
        ({"point": {"c2": 0.25, "c1": 0.5}}, {(0.5, 0.25)}),
        ({"points": [{"c2": 0.25, "c1": 0.5}, {"c1": 0.0, "c2": 0.75}]}, {(0.5, 0.25), (0.0, 0.75)}),
    ],
)
def test_points_to_sample_from(tmp_path: Path, toy_events: Path, theta0: Any, points: set[Any]) -> None:
    folder = Learning(tmp_path, toy_events).sample("carl", theta0=theta0)
    arrays = load_samples(folder / "train")
    assert {tuple(row) for row in arrays["theta0"].tolist()} == points
    assert {tuple(row) for row in arrays["theta1"].tolist()} == {(0.0, 0.0)}


def test_priors(tmp_path: Path, toy_events: Path) -> None:
    prior = {"random": {"n": 500, "priors": {"c2": {"gaussian": [0.5, 0.01]}, "c1": {"flat": [-0.5, -0.25]}}}}
    theta = load_samples(Learning(tmp_path, toy_events).sample("carl", theta0=prior) / "train")["theta0"]
    assert theta[:, 0].min() >= -0.5 and theta[:, 0].max() <= -0.25
    assert theta[:, 1].mean() == pytest.approx(0.5, abs=0.01) and theta[:, 1].std() == pytest.approx(0.01, rel=0.2)
    assert len(np.unique(theta, axis=0)) == 1000  # new points for the numerator's and the denominator's samples


def test_record_and_small_effective_samples(tmp_path: Path, toy_events: Path) -> None:
    learning = Learning(tmp_path, toy_events)
    record = json.loads((learning.sample("sally") / "sample.json").read_text())
    assert (record["n_train"], record["n_validation"], record["warnings"]) == (2000, 600, [])
    assert (record["observables"], record["parameters"]) == (["x1", "x2", "id"], ["c1", "c2"])
    assert record["train_effective_sample_size"]["theta"]["min"] == pytest.approx(2400, rel=0.1)
    far = json.loads((learning.sample("alice", theta0={"point": {"c1": 0.2, "c2": 30.0}}) / "sample.json").read_text())
    assert any("effective sample size" in warning for warning in far["warnings"])


def test_the_same_seed_gives_the_same_samples(tmp_path: Path, toy_events: Path) -> None:
    first, again, other = (
        (Learning(tmp_path / str(k), toy_events).sample("alice", seed=seed) / "train" / "x.npy").read_bytes()
        for k, seed in enumerate((1, 1, 2))
    )
    assert first == again != other


def test_refusals(tmp_path: Path, toy_events: Path) -> None:
    learning = Learning(tmp_path, toy_events)
    settings = {**learning.shared, **learning.method("sally"), "parameters": ["c2", "c1"]}
    assert "the parameters of the event file are" in learning.refusal("sample", "sally", settings, events=toy_events)
    tiny = Learning(tmp_path / "tiny", write_events(tmp_path / "tiny" / "events", 1, 4), 1)
    settings = {**tiny.shared, **tiny.method("sally")}
    assert "generate more events" in tiny.refusal("sample", "sally", settings, events=tiny.events)


def test_samples_of_a_single_event_are_refused(tmp_path: Path) -> None:
    events = write_events(tmp_path / "events", 2, 1000)
    with h5py.File(events / "events.h5", "r+") as file:
        file["samples/weights"][5] *= 1e6
    learning = Learning(tmp_path / "learning", events)
    settings = {**learning.shared, **learning.method("sally")}
    refused = learning.refusal("sample", "sally", settings, events=events)
    assert refused.startswith("the train samples at theta have an effective sample size of 1.0 from ")


def test_observables_that_are_of_no_use(tmp_path: Path) -> None:
    events = write_events(tmp_path / "events", 2, 1000, ids=True)
    with h5py.File(events / "events.h5", "r+") as file:
        observations = file["samples/observations"]
        observations[:, 1] = 3.5
        observations[::2, 2] = np.nan
    learning = Learning(tmp_path / "learning", events)
    settings = {**learning.shared, **learning.method("alice")}
    refused = learning.refusal("sample", "alice", settings, events=events)
    learning = Learning(tmp_path / "features", events)
    assert refused.startswith("the observable id is not finite in ") and "leave it out of `features`" in refused
    features = {"features": ["x1", "x2"]}
    settings = {**learning.shared, **learning.method("alice", **features)}
    refused = learning.refusal("sample", "alice", settings, events=events)
    assert refused.startswith("the observable x2 has the same value in all samples: ") and "`features`" in refused
    own = {**features, "default_observables": ["x2"]}  # MadMiner has several that many processes leave at 0
    record = json.loads((learning.sample("alice", **own) / "sample.json").read_text())
    assert [text for text in record["warnings"] if "observable" in text] == [
        f"{part}: the observable x2 has the same value in all samples" for part in ("train", "validation")
    ]


def test_events_of_too_large_a_weight_can_be_left_out(tmp_path: Path, toy_events: Path) -> None:
    learning = Learning(tmp_path, toy_events)
    point = {"theta0": {"point": {"c1": 0.4, "c2": 0.0}}}
    record = json.loads((learning.sample("alice", **point, n_eff_forced=700.0) / "sample.json").read_text())
    assert record["train_effective_sample_size"]["theta0"]["min"] >= 700.0
    assert any("n_eff_forced removes up to" in text for text in record["warnings"])
    learning = Learning(tmp_path / "all", toy_events)
    settings = {**learning.shared, **learning.method("alice", **point, n_eff_forced=1e6)}
    refused = learning.refusal("sample", "alice", settings, events=toy_events)  # in stock MadMiner, this never ends
    assert "n_eff_forced = 1e+06 leaves out 100% of the cross section" in refused


def test_double_precision(tmp_path: Path, toy_events: Path) -> None:
    learning = Learning(tmp_path, toy_events)
    for precise, dtype in ((False, np.float32), (True, np.float64)):
        arrays = load_samples(learning.sample("scandal", double_precision=precise) / "train")
        assert {values.dtype for values in arrays.values()} == {np.dtype(dtype)}


def test_without_morphing_a_likelihood_is_learned_at_benchmarks(tmp_path: Path, toy_events: Path) -> None:
    events = tmp_path / "events"
    shutil.copytree(toy_events, events)
    with h5py.File(events / "events.h5", "r+") as file:
        del file["morphing"]
    learning = Learning(tmp_path / "learning", events)
    train = load_samples(learning.sample("nde", theta={"benchmarks": ["sm", "b1"]}) / "train")
    assert set(train) == {"x", "theta"} and len(np.unique(train["theta"], axis=0)) == 2
    for method, changes, reason in (
        ("nde", {}, "give benchmarks as theta"),
        ("scandal", {}, "learns from the joint score, which needs morphing"),
        ("derivatives", {}, "learns from the derivatives of the weights, which needs morphing"),
        ("carl", {"theta0": {"benchmark": "b1"}, "estimator": "morphing_aware_ratio"}, "has no morphing"),
    ):
        refused = Learning(tmp_path / method, events)
        settings = {**refused.shared, **refused.method(method, **changes)}
        assert reason in refused.refusal("sample", method, settings, events=events)


@pytest.mark.parametrize("method", ["sally", "alices", "nde"])
def test_few_negative_weights_are_left_out_and_said(tmp_path: Path, toy_events: Path, method: str) -> None:
    learning = Learning(tmp_path, with_negative_weights(toy_events, tmp_path / "events", 0.005))
    folder = learning.sample(method, sample_only_from_closest_benchmark=False)
    warnings = json.loads((folder / "sample.json").read_text())["warnings"]
    said = re.compile(r"events with negative weights, up to (.*)% of the cross section at a point, are left out")
    parts = [float(found[1]) for text in warnings if (found := said.search(text))]
    assert len(parts) == 2 and parts == pytest.approx([0.5, 0.5], abs=0.4)
    kept = load_samples(folder / "train")["x"][:, 2].astype(int)
    with h5py.File(tmp_path / "events" / "events.h5") as file:
        assert (file["samples/weights"][()][kept, 0] > 0.0).all()


@pytest.mark.parametrize("method", ["sally", "alices", "carl", "nde"])
def test_many_negative_weights_are_refused_with_the_way_out(tmp_path: Path, toy_events: Path, method: str) -> None:
    learning = Learning(tmp_path, with_negative_weights(toy_events, tmp_path / "events", 0.05))
    settings = {**learning.shared, **learning.method(method)}
    reason = learning.refusal("sample", method, settings, events=learning.events)
    assert re.match(r"events with negative weights are [2-8]\.\d% of the cross section at c1 = .*, c2 = ", reason)
    assert "use the baselines `rate` and `histogram`, which use all weights with their signs" in reason
    for name in ("rate", "histogram"):
        own = {} if name == "rate" else {"observables": ["x1"], "bins": [8]}
        found = json.loads((learning.baseline(name, **own) / "baseline.json").read_text())
        expected = 20_000.0 * cross_section([0.0, 0.0]) / (1.0 + 2.0 * 0.05)
        assert found["n_expected"] == pytest.approx(expected, rel=0.05)


def test_a_cross_section_that_is_not_positive_is_refused(tmp_path: Path, toy_events: Path) -> None:
    """MadMiner would draw the events with negative weights alone."""
    learning = Learning(tmp_path, with_negative_weights(toy_events, tmp_path / "events", 0.0))
    with h5py.File(tmp_path / "events" / "events.h5", "r+") as file:
        file["samples/weights"][...] *= -1.0
    settings = {**learning.shared, **learning.method("sally")}
    reason = learning.refusal("sample", "sally", settings, events=learning.events)
    assert "cannot draw train samples: the cross section is not positive at c1 = 0, c2 = 0" in reason
