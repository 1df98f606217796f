"""All types of estimators, and the corrections of MadMiner's estimators."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmc.compiler.catalogue import methods
from mmc.errors import StepError
from mmc.jobs.job import StepJob, write_json
from mmc.jobs.learning.estimators import FLOOR, NO_DENSITY, load_estimator, members_in
from mmc.jobs.learning.samples import load_samples
from mmc.jobs.learning.training import fit
from mmc.jobs.madminer.estimators import new_estimator

from tests.jobs.learning_jobs import Learning, stock_module
from tests.jobs.physics import seal
from tests.jobs.toy_events import cross_section, squared_amplitude, write_events

VARIED = {"random": {"n": 50, "priors": {"c1": {"flat": [-1.0, 1.0]}}}}
BALANCED = {"theta": {"benchmarks": ["sm", "b1", "b2"]}, "sample_only_from_closest_benchmark": False}
DOUBLE, MORPHING_AWARE, QUADRATIC = (kind.name for kind in methods.RATIO.estimators[1:])
KINDS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "double": ("alices", {"estimator": DOUBLE, "theta1": VARIED}, {"estimator": DOUBLE}),
    "double without score": ("alice", {"estimator": DOUBLE, "theta1": VARIED}, {"estimator": DOUBLE}),
    "nde": ("nde", {}, {"n_components": 3, "n_mades": 3, "batch_norm": 0.1}),
    "scandal": ("scandal", {}, {"n_components": 2, "n_mades": 2}),
    "morphing": ("alices", {"estimator": MORPHING_AWARE}, {"estimator": MORPHING_AWARE}),
    "quadratic": ("alices", {"estimator": QUADRATIC}, {"estimator": QUADRATIC}),
    "polynomial": ("derivatives", {}, {}),
    "polynomial, several points": ("derivatives", BALANCED, {}),
}
ANY_DENOMINATOR = ("double", "double without score", "nde", "scandal", "polynomial", "polynomial, several points")
SLOW_TO_LEARN = ("nde", "quadratic")
QUICK_TO_TRAIN = ("polynomial", "polynomial, several points")


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One parameter and one observable without loss of information."""
    return write_events(tmp_path_factory.mktemp("methods") / "events", 1, 20_000, smearing=0.0)


@pytest.fixture
def learning(tmp_path: Path, events: Path) -> Learning:
    return Learning(tmp_path, events, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_every_type_of_estimator_learns_the_model(learning: Learning, kind: str) -> None:
    method, sampling, training = KINDS[kind]
    n_samples, n_epochs, batch_size = (20_000, 8, 512) if kind in SLOW_TO_LEARN else (10_000, 6, 256)
    if kind in QUICK_TO_TRAIN:
        n_epochs, batch_size = 8, 128
    training = {"n_hidden": [30, 30], "initial_lr": 0.005 if kind in QUICK_TO_TRAIN else 0.01, **training}
    training |= {"n_epochs": n_epochs, "batch_size": batch_size}
    samples = learning.sample(method, samples=n_samples, validation_samples=2000, **sampling)
    model = learning.train(method, samples, **training)
    estimator = load_estimator(model, np.array([0.3]))
    z, theta = np.linspace(-2.5, 2.5, 41)[:, np.newaxis], np.array([0.9])
    reference = np.array([0.3 if kind in ANY_DENOMINATOR else 0.0])
    truth = np.log(squared_amplitude(z, theta) / cross_section(theta))
    truth -= np.log(squared_amplitude(z, reference) / cross_section(reference))
    estimated = estimator.log_ratio(np.array([theta]), z)[0]
    weights = np.exp(-0.5 * z[:, 0] ** 2)
    assert np.average(np.square(estimated - truth), weights=weights) < 0.1 * np.average(truth**2, weights=weights)
    record = json.loads((learning.evaluate(method, model) / "evaluate.json").read_text())
    assert record["p_true"] > 0.05


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_network(learning: Learning, kind: str) -> None:
    method, sampling, training = KINDS[kind]
    samples = learning.sample(method, **sampling)
    models = [learning.train(method, samples, job=job, **{"n_epochs": 1, **training}) for job in ("first", "again")]
    first, again = (torch.load(model / "model_state_dict.pt") for model in models)
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_ensembles_are_averaged_as_madminers(learning: Learning) -> None:
    from madminer.ml.ensemble import Ensemble

    samples = learning.sample("alice")
    models = [learning.train("alice", samples, job=f"alice.member-{seed}", seed=seed) for seed in (1, 2, 3)]
    x, points = np.linspace(-2.0, 2.0, 7)[:, np.newaxis], np.array([[-0.5], [0.7]])
    estimator = load_estimator(models)
    theirs = Ensemble([member.madminer for member in estimator.members])
    mean, _ = theirs.evaluate_log_likelihood_ratio(x=x, theta=points, test_all_combinations=True)
    assert estimator.log_ratio(points, x) == pytest.approx(mean, abs=1e-6)
    record = json.loads((learning.evaluate("alice", models) / "evaluate.json").read_text())
    spread = record["ensemble"]
    assert spread["members"] == 3 and spread["log_likelihood_spread"] > 0.0
    for level, areas in spread["allowed_area"].items():
        assert spread["allowed_area_error"][level] == pytest.approx(np.std(areas, ddof=1) / 3**0.5)

    included = {"bootstrap": True, "training_error": True}
    wider = json.loads((learning.evaluate("alice", models, "wider", **included) / "evaluate.json").read_text())
    for level, error in spread["allowed_area_error"].items():
        assert wider["ensemble"]["allowed_area_error"][level] > error
    assert record["allowed_area"]["0.95"] < wider["allowed_area"]["0.95"]
    assert record["infinite_simulation"]["allowed_area"] == wider["infinite_simulation"]["allowed_area"]

    alone = json.loads((learning.evaluate("alice", models[:1]) / "evaluate.json").read_text())["allowed_area"]
    assert {level: areas[0] for level, areas in spread["allowed_area"].items()} == pytest.approx(alone, rel=0.1)

    models = [learning.train("sally", learning.sample("sally"), job=f"sally.member-{k}", seed=k) for k in (1, 2)]
    theirs = Ensemble([member.madminer for member in load_estimator(models).members])
    assert load_estimator(models).score(x) == pytest.approx(theirs.evaluate_score(x=x)[0], abs=1e-6)
    record = json.loads((learning.evaluate("sally", models) / "evaluate.json").read_text())
    assert record["ensemble"]["score_spread"] > 0.0


def test_a_quadratic_ratio_is_one_at_its_denominator(learning: Learning) -> None:
    samples = learning.sample("alices", samples=500, estimator=QUADRATIC, theta1={"point": {"c1": 0.3}})
    estimator = load_estimator(learning.train("alices", samples, estimator=QUADRATIC, n_epochs=1))
    there, elsewhere = estimator.log_ratio(np.array([[0.3], [0.9]]), np.linspace(-2.0, 2.0, 7)[:, np.newaxis])
    assert there == pytest.approx(0.0, abs=1e-6)
    assert np.std(elsewhere) > 0.001


@pytest.mark.parametrize("sampling", [{}, BALANCED], ids=["one point", "several points"])
def test_polynomials_are_normalised_by_construction(learning: Learning, sampling: Any) -> None:
    """Over the training samples, the mean density is 1 at every point, however little the network has learned."""
    samples = learning.sample("derivatives", samples=300, **sampling)
    models = [learning.train("derivatives", samples, job=f"d.member-{k}", seed=k, n_epochs=1) for k in (1, 2)]
    x, points = load_samples(samples / "train")["x"].astype(float), np.array([[-1.5], [0.0], [0.4], [2.0]])
    estimator = load_estimator(models, np.array([0.4]))
    densities = [member.density(points, x) for member in estimator.members]
    assert np.mean(densities, axis=2) == pytest.approx(np.ones((2, 4)), abs=1e-5)
    assert np.std(densities, axis=2)[:, [0, 3]].min() > 0.01
    if not sampling:
        assert densities[0][1] == pytest.approx(1.0, abs=1e-6)
    mean = np.mean(densities, axis=0)
    expected = np.log(np.maximum(mean / np.maximum(mean[2], NO_DENSITY), FLOOR))
    assert estimator.log_ratio(points, x) == pytest.approx(expected)
    assert np.array_equal(estimator.too_small(points, x), expected <= np.log(FLOOR))
    record = json.loads((learning.evaluate("derivatives", models) / "evaluate.json").read_text())
    assert record["ensemble"]["members"] == 2 and record["ensemble"]["log_likelihood_spread"] > 0.0


def test_a_member_of_an_ensemble_is_not_left_out(tmp_path: Path) -> None:
    """The record names the members: one without its files is damage, not a smaller ensemble."""
    folder = tmp_path / "sally"
    for number in range(3):
        (folder / f"member-{number}").mkdir(parents=True)
        (folder / f"member-{number}" / "model_state_dict.pt").write_bytes(b"weights")
    write_json(folder / "job.json", {"stage": "tune", "job": "sally"})
    seal(folder)
    shutil.rmtree(folder / "member-1")
    assert [member.name for member in members_in(folder)] == ["member-0", "member-1", "member-2"]
    with pytest.raises(StepError, match=r"is damaged: member-1/model_state_dict\.pt is missing"):
        StepJob("evaluate", "sally", {}, 1, {"model": (folder,)}, tmp_path / "part").one("model")


@pytest.mark.parametrize("kind", ["parameterized", "double", "scandal"])
def test_validation_points_are_scaled_like_those_of_training(learning: Learning, kind: str) -> None:
    """With the same samples and a learning rate near 0, both losses are equal; in MadMiner they differ."""
    method, sampling, changes = KINDS.get(kind, ("alices", {}, {}))
    train = load_samples(learning.sample(method, samples=500, **sampling) / "train")
    training = learning.train_settings(method, **changes, n_epochs=1, batch_size=500)["training"]
    training |= {"initial_lr": 1e-12, "final_lr": 1e-12}
    _, (loss, loss_validation) = fit(method, train, train, training, None, kind=changes.get("estimator"))
    assert loss_validation == pytest.approx(loss, rel=1e-5)

    their_own = new_estimator({"parameterized": "parameterized_ratio", "double": DOUBLE}.get(kind, "likelihood"))
    names = {"theta": "theta0"} if kind == "parameterized" else {}
    wanted = {"parameterized": "x y theta r_xz t_xz", "double": "x y theta0 theta1 r_xz t_xz0 t_xz1"}
    data = {name: train[names.get(name, name)] for name in wanted.get(kind, "x theta t_xz").split()}
    data |= {f"{name}_val": values for name, values in data.items()}
    options = {"n_epochs": 1, "batch_size": 500, "initial_lr": 1e-12, "final_lr": 1e-12, "n_workers": 0}
    loss, loss_validation = their_own.train(method=method, **data, **options)
    assert loss_validation != pytest.approx(loss, rel=1e-3)


@pytest.mark.parametrize("kind", ["double", "scandal"])
def test_stock_madminer_evaluates_at_points_that_it_did_not_scale(learning: Learning, kind: str) -> None:
    method, sampling, changes = KINDS[kind]
    network = load_estimator(learning.train(method, learning.sample(method, **sampling), **changes), np.array([0.2]))
    x, points, reference = np.linspace(-2.0, 2.0, 7)[:, np.newaxis], np.array([[-0.5], [0.7]]), np.array([[0.2]])
    theirs = network.members[0].madminer

    def stock_ratio(numerators: Any, denominator: Any) -> Any:
        if kind == "double":
            return theirs.evaluate_log_likelihood_ratio(x, numerators, denominator)[0]
        numerator, denominator = (theirs.evaluate_log_likelihood(x, theta)[0] for theta in (numerators, denominator))
        return numerator - denominator

    scale = theirs._transform_parameters
    assert network.log_ratio(points, x) == pytest.approx(stock_ratio(scale(points), scale(reference)), abs=1e-5)
    assert network.log_ratio(points, x) != pytest.approx(stock_ratio(points, reference), abs=1e-3)


def test_stock_flows_never_change_the_order_of_observables() -> None:
    ours = new_estimator("likelihood", n_mades=3)
    ours.n_observables, ours.n_parameters = 3, 1
    ours._create_model()
    theirs = stock_module("madminer.utils.ml.models.maf").ConditionalMaskedAutoregressiveFlow(
        1, 3, (5,), 3, batch_norm=False
    )
    assert [made.input_order.tolist() for made in ours.model.mades] == [[1, 2, 3], [3, 2, 1], [1, 2, 3]]
    assert [made.input_order.tolist() for made in theirs.mades] == [[1, 2, 3]] * 3


def test_stock_batch_normalisation_forgets() -> None:
    ours = new_estimator("likelihood", n_mades=1, batch_norm=0.5)
    ours.n_observables, ours.n_parameters = 1, 1
    ours._create_model()
    theirs = stock_module("madminer.utils.ml.models.batch_norm").BatchNorm(1, alpha=0.5)
    batches = [torch.tensor([[0.0], [2.0]]), torch.tensor([[4.0], [10.0]])]
    for batch in batches:
        for layer in (ours.model.bns[0], theirs):
            layer(batch)
    assert (ours.model.bns[0].running_mean.item(), theirs.running_mean.item()) == (4.0, 7.0)
    assert "running_mean" in ours.model.bns[0].state_dict() and not theirs.state_dict()


def test_stock_mixtures_mix_up_the_events_of_a_single_observable() -> None:
    new_estimator("likelihood")  # applies the corrections
    from madminer.utils.ml.models.made_mog import ConditionalMixtureMADE

    theirs = stock_module("madminer.utils.ml.models.made_mog").ConditionalMixtureMADE.forward
    for n_observables, shape in ((2, (4, 2, 3)), (1, (4, 4, 3))):
        made = ConditionalMixtureMADE(1, n_observables, (5,), n_components=3)
        theta, x = torch.rand(4, 1).double(), torch.rand(4, n_observables).double()
        ours, stock_values = made(theta, x)[0], theirs(made, theta, x)[0]
        assert (ours.shape, stock_values.shape) == ((4, n_observables, 3), shape)
        if n_observables > 1:
            assert torch.allclose(ours, stock_values)


def test_stock_losses_want_the_wrong_sign_of_the_second_score() -> None:
    """Losses of the true network, ln r = (θ0 - θ1) x - (θ0² - θ1²) / 2, with the score x - θ at both points."""
    from madminer.utils.ml.losses import ratio_score_mse

    x, theta0, theta1 = torch.randn(3, 100, 1)
    slopes, scores = (x - theta0, theta1 - x), (x - theta0, x - theta1)
    y = torch.ones(100, 1)
    assert ratio_score_mse(None, None, *slopes, y, None, scores[0], -scores[1]) == 0.0
    assert ratio_score_mse(None, None, *slopes, y, None, *scores) > 1.0


def test_stock_madminer_cannot_load_its_morphing_aware_estimators(learning: Learning) -> None:
    method, sampling, changes = KINDS["morphing"]
    model = learning.train(method, learning.sample(method, **sampling), **changes)
    settings = json.loads((model / "model_settings.json").read_text())
    assert settings["estimator_type"] == "parameterized_ratio"
    with pytest.raises(RuntimeError, match="loading state_dict"):
        new_estimator("parameterized_ratio").load(str(model / "model"))
