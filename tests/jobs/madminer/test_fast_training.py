"""Batches without autograd have the gradients of autograd, and go MadMiner's way where they have to."""

from typing import Any

import pytest
import torch
from mmc.jobs.madminer import fast_training, workarounds

workarounds.apply_training()
from madminer.ml import score  # noqa: E402 - as mended
from madminer.utils.ml.models.score import DenseLocalScoreModel  # noqa: E402
from madminer.utils.ml.trainer import LocalScoreTrainer  # noqa: E402
from madminer.utils.ml.utils import NanException, get_loss  # noqa: E402

LOSSES, _, WEIGHTS = get_loss("sally", None)


def network(n_hidden: tuple[int, ...] = (7, 5), **options: Any) -> Any:
    torch.manual_seed(3)
    return DenseLocalScoreModel(n_observables=3, n_parameters=2, n_hidden=n_hidden, **options)


def batch() -> dict[str, torch.Tensor]:
    torch.manual_seed(4)
    return {"x": torch.randn(50, 3), "t_xz": torch.randn(50, 2)}


def trained(model: Any, clip: float | None, stock: bool) -> tuple[float, list[torch.Tensor]]:
    """The loss of a batch before the step, and the gradients of all parameters."""
    trainer = LocalScoreTrainer(model, run_on_gpu=False, n_workers=0)
    train = LocalScoreTrainer.batch_train.__wrapped__ if stock else LocalScoreTrainer.batch_train
    loss, parts = train(trainer, batch(), LOSSES, WEIGHTS, torch.optim.SGD(model.parameters(), lr=0.0), clip)
    assert parts == [loss]
    return loss, [parameter.grad for parameter in model.parameters()]


@pytest.mark.parametrize("clip", [None, 0.1])
@pytest.mark.parametrize("n_hidden", [(7,), (7, 5), (4, 6, 3)])
def test_gradients_are_those_of_autograd(n_hidden: tuple[int, ...], clip: float | None) -> None:
    (loss, own), (expected, autograd) = (trained(network(n_hidden), clip, stock) for stock in (False, True))
    assert loss == pytest.approx(expected, rel=1e-6)
    for one, other in zip(own, autograd, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)
    if clip is not None:
        assert torch.cat([one.flatten() for one in own]).norm().item() == pytest.approx(clip, rel=1e-3)


def test_the_validation_loss_is_the_mean_square() -> None:
    model = network()
    loss, parts = LocalScoreTrainer(model, run_on_gpu=False).batch_val(batch(), LOSSES, WEIGHTS)
    data = batch()
    expected = (model(data["x"]).detach() - data["t_xz"]).square().mean()
    assert parts == [loss] and loss == pytest.approx(float(expected), rel=1e-6)
    assert (batch()["x"] == data["x"]).all(), "the data stay as they are"


@pytest.mark.parametrize("options", [{"activation": "relu"}, {"activation": "lrelu"}, {"dropout_prob": 0.5}])
def test_other_networks_are_trained_by_madminer(options: dict[str, Any]) -> None:
    (loss, own), (expected, autograd) = (trained(network(**options), None, stock) for stock in (False, True))
    assert loss == expected and all(map(torch.equal, own, autograd))


def test_a_loss_that_is_not_a_number_ends_the_training(caplog: pytest.LogCaptureFixture) -> None:
    model, data = network(), batch()
    before = [parameter.clone() for parameter in model.parameters()]
    data["t_xz"][0, 0] = float("nan")
    trainer = LocalScoreTrainer(model, run_on_gpu=False)
    with pytest.raises(NanException):
        trainer.batch_train(data, LOSSES, WEIGHTS, torch.optim.SGD(model.parameters(), lr=0.1))
    with pytest.raises(NanException):
        trainer.batch_val(data, LOSSES, WEIGHTS)
    assert all(map(torch.equal, model.parameters(), before))
    with torch.no_grad():
        model.layers[0].weight[0, 0] = float("nan")
    with pytest.raises(NanException):
        trainer.batch_val(batch(), LOSSES, WEIGHTS)
    ends = "are not finite: the training ends"
    assert caplog.messages[-3:] == [f"targets {ends}", f"targets {ends}", f"outputs of the network {ends}"]


def test_adam_takes_one_operation_for_all_parameters_and_changes_only_the_rounding() -> None:
    found = []
    optimizer, options = score.get_optimizer("amsgrad", None)
    assert (optimizer, options) == (fast_training.Adam, {"amsgrad": True})
    for kind in (optimizer, torch.optim.Adam):
        model = network()
        steps = kind(model.parameters(), lr=0.01, **options)
        for _ in range(20):
            steps.zero_grad()
            (model(batch()["x"]) - batch()["t_xz"]).square().mean().backward()
            steps.step()
        found.append(torch.cat([parameter.detach().flatten() for parameter in model.parameters()]))
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-5)
    assert score.get_optimizer("sgd", 0.9)[1] == {"momentum": 0.9}
