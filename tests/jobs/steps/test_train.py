import json
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from mmc.jobs.learning.estimators import load_estimator
from mmc.jobs.learning.samples import load_samples
from mmc.jobs.learning.training import fit
from mmc.jobs.madminer import fast_training, workarounds

from tests.forked import Python
from tests.jobs.learning_jobs import POLYNOMIAL, RATIO, SCORE, Learning, stock_module


@pytest.fixture
def learning(tmp_path: Path, toy_events: Path) -> Learning:
    return Learning(tmp_path, toy_events)


@pytest.mark.parametrize("method", [*RATIO, *SCORE, *POLYNOMIAL])
def test_every_method_learns(learning: Learning, method: str) -> None:
    model = learning.train(method, learning.sample(method), n_epochs=5)
    record = json.loads((model / "train.json").read_text())
    losses = record["loss_train"]
    assert len(losses) == len(record["loss_validation"]) == record["epochs"] == 5
    assert losses[-1] < losses[0]
    assert (record["method"], record["n_train"], record["n_validation"]) == (method, 2000, 600)


@pytest.mark.parametrize("method", ["alices", "sally"])
def test_the_same_seed_gives_the_same_network(learning: Learning, method: str) -> None:
    samples = learning.sample(method)
    jobs = {"first": 1, "again": 1, "other": 2}
    models = [learning.train(method, samples, job=job, seed=seed) for job, seed in jobs.items()]
    first, again, other = (torch.load(model / "model_state_dict.pt") for model in models)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)
    records = [json.loads((model / "train.json").read_text()) for model in models]
    assert records[0] == records[1] != records[2]


def test_the_best_epoch_is_kept(learning: Learning) -> None:
    samples = learning.sample("sally", samples=300)
    overfit = {"n_epochs": 60, "n_hidden": [100, 100], "initial_lr": 0.01, "final_lr": 0.01}
    model = learning.train("sally", samples, **overfit)
    record = json.loads((model / "train.json").read_text())
    assert record["kept_epoch"] == 1 + int(np.argmin(record["loss_validation"])) < 60
    estimator = load_estimator(model)
    x, score = (np.load(samples / "validation" / f"{name}.npy") for name in ("x", "t_xz"))
    unit = np.sqrt(np.square(np.load(samples / "train" / "t_xz.npy")).mean(axis=0))
    loss = np.square((estimator.score(x.astype(float)) - score) / unit).mean()
    # the loss of an epoch is the mean over batches, of which the last is smaller
    assert loss == pytest.approx(record["loss_validation"][record["kept_epoch"] - 1], rel=0.1)
    assert loss < record["loss_validation"][-1] * 0.95
    last = json.loads((learning.train("sally", samples, **overfit, early_stopping=False) / "train.json").read_text())
    assert last["kept_epoch"] == 60


def test_stock_madminer_remembers_no_state_of_its_best_epoch() -> None:
    """When this fails, workarounds.apply_training has nothing left to mend."""
    workarounds.apply_training()
    from madminer.utils.ml.trainer import Trainer

    for function, keeps in ((Trainer.check_early_stopping, True), (Trainer.check_early_stopping.__wrapped__, False)):
        network = torch.nn.Linear(1, 1)
        before = network.weight.detach().clone()
        _, state, _ = function(SimpleNamespace(model=network), None, None, None, 1.0, 0)
        with torch.no_grad():
            network.weight += 1.0
        assert torch.equal(state["weight"], before) is keeps


@pytest.mark.parametrize("method", ["sally", "alice", "alices"])
def test_the_losses_are_those_of_stock_madminer(
    learning: Learning, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trainer, the loader of batches and Adam as they are installed, given the same order, make the same numbers to
    rounding."""
    folder = learning.sample(method, samples=500)
    train, validation = load_samples(folder / "train"), load_samples(folder / "validation")
    training = learning.train_settings(method, batch_size=64, scale_inputs=False)["training"]
    torch.manual_seed(1)
    ours = fit(method, train, validation, training, None)[1]

    name = "LocalScoreTrainer" if method == "sally" else "SingleParameterizedRatioTrainer"
    stock: Any = getattr(stock_module("madminer.utils.ml.trainer"), name)

    class Ordered(torch.utils.data.Sampler[int]):
        def __init__(self, data: Any) -> None:
            self.data = data

        def __iter__(self) -> Any:
            return iter(torch.randperm(len(self.data)).tolist())

        def __len__(self) -> int:
            return len(self.data)

    def loaders(_self: Any, *arguments: Any) -> Any:
        *datasets, _, batch_size = arguments
        options = {"batch_size": batch_size, "generator": torch.Generator()}  # its own, not to use up the global one
        return [torch.utils.data.DataLoader(data, sampler=Ordered(data), **options) for data in datasets]

    module = "score" if method == "sally" else "parameterized_ratio"
    estimators = import_module(f"madminer.ml.{module}")
    monkeypatch.setattr(estimators, "get_optimizer", estimators.get_optimizer.__wrapped__)
    monkeypatch.setattr(estimators, name, type(name, (stock,), {"make_dataloaders": loaders}))
    torch.manual_seed(1)
    theirs = fit(method, train, validation, training, None)[1]
    assert len(ours[0]) == 3
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


@pytest.mark.parametrize("amsgrad", [False, True])
def test_adam_is_that_of_torch_bit_for_bit(amsgrad: bool) -> None:
    """Also where the learning rate changes, and where a parameter has no gradient at first."""
    trained = []
    for optimiser, options in ((fast_training.Adam, {}), (torch.optim.Adam, {"fused": True})):
        torch.manual_seed(3)
        network = torch.nn.Sequential(torch.nn.Linear(3, 20), torch.nn.Tanh(), torch.nn.Linear(20, 2))
        steps = optimiser(network.parameters(), lr=0.01, amsgrad=amsgrad, **options)
        for k, x in enumerate(torch.randn(30, 16, 3)):
            network[2].bias.requires_grad_(k > 2)
            steps.zero_grad()
            (network(x) - x[:, :2]).square().mean().backward()
            steps.param_groups[0]["lr"] = 0.01 / (1 + k)
            steps.step()
        trained.append(list(network.parameters()))
    assert all(torch.equal(one, other) for one, other in zip(*trained, strict=True))


def test_training_imports_no_compiler(stock_madminer: Python) -> None:
    """It takes as long to import as all of PyTorch, in every job that trains."""
    lines = ["import sys, torch", "from mmc.jobs.madminer.fast_training import Adam"]
    lines += ["torch.set_deterministic_debug_mode('error')", "network = torch.nn.Linear(2, 1)"]
    lines += ["steps = Adam(network.parameters(), 0.1)", "network(torch.ones(3, 2)).sum().backward()", "steps.step()"]
    lines += ["sys.exit(int('torch._dynamo' in sys.modules))"]
    stock_madminer("\n".join(lines))


def test_batches_hold_every_sample_once_in_a_new_order() -> None:
    tensors = [torch.arange(10.0), torch.arange(10.0) * 2]
    batches = fast_training.Batches(tensors, 4)
    epochs = [list(batches) for _ in range(2)]
    assert [len(batches), *(len(first) for first, _ in epochs[0])] == [3, 4, 4, 2]
    assert all(torch.equal(2 * first, second) for first, second in epochs[0])
    orders = [torch.cat([first for first, _ in epoch]) for epoch in epochs]
    assert sorted(orders[0].tolist()) == tensors[0].tolist()
    assert not torch.equal(*orders)


def test_early_stopping_with_patience(learning: Learning) -> None:
    training = {"n_epochs": 200, "n_hidden": [100, 100], "initial_lr": 0.02, "final_lr": 0.02}
    model = learning.train("sally", learning.sample("sally", samples=300), **training, early_stopping_patience=3)
    record = json.loads((model / "train.json").read_text())
    assert record["epochs"] == record["kept_epoch"] + 4 < 200


@pytest.mark.parametrize("method", ["alice", "sally"])
@pytest.mark.parametrize("scaled", [True, False])
def test_features_and_scaling_survive_saving(learning: Learning, method: str, scaled: bool) -> None:
    scaling = {"scale_inputs": scaled} | ({"scale_parameters": scaled} if method == "alice" else {})
    model = learning.train(method, learning.sample(method), features=["x2", "x1"], **scaling)
    estimator = load_estimator(model)
    madminer = estimator.members[0].madminer
    assert madminer.features == [1, 0]
    x, points = np.random.default_rng(1).normal(size=(5, 3)), np.array([[0.5, -0.5], [0.1, 0.2]])
    if method == "sally":
        ours, stock = estimator.score(x), madminer.evaluate_score(x)
    else:
        ours, stock = estimator.log_ratio(points, x), madminer.evaluate_log_likelihood_ratio(x, points)[0]
    assert ours == pytest.approx(stock, abs=1e-6)


def test_a_loss_that_is_not_finite_fails_with_advice(learning: Learning) -> None:
    samples = learning.sample("sally")
    hot = {"optimizer": "sgd", "activation": "relu", "initial_lr": 100.0, "final_lr": 100.0, "n_epochs": 5}
    settings = learning.train_settings("sally", **hot)
    assert "lower training.initial_lr" in learning.refusal("train", "sally", settings, samples=samples)


def test_refusals(learning: Learning) -> None:
    samples = learning.sample("sally")
    wrong = {**learning.train_settings("sally"), "method": "alice"}
    assert (
        learning.refusal("train", "sally", wrong, samples=samples) == "sally contains samples for sally, not for alice"
    )
    missing = learning.train_settings("sally", features=["x1", "pt"])
    assert learning.refusal("train", "sally", missing, samples=samples) == "the samples have no observable pt"
    absent = {**learning.train_settings("sally"), "sample_job": "other"}
    assert "the output of job 'other'" in learning.refusal("train", "sally", absent, samples=samples)
