"""Training in half the time: batches and steps of the optimiser in one operation each, and gradients without autograd
where they are simple.

Networks that learn scores, or the coefficients of polynomials, have a mean square as loss and linear layers with tanh
between them. With the inputs a_1 = x and a_(k+1) = tanh(W_k a_k + b_k) of the layers and the output y, the gradient at
the output is g = 2 (y - t) / (events times outputs), that of W_k is gᵀ a_k, that of b_k is the sum of g over the
events, and the gradient at the output of the layer below is (g W_k) (1 - a_k²).
"""

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import wraps
from typing import Any

import torch
from torch.nn.utils import clip_grad_norm_

from mmc.jobs.madminer.mapped import Mapped

_READ = 1 << 14
"""The samples that are read at a time if they stay in their files."""

log = logging.getLogger(__name__)


class Batches:
    """Batches of tensors, or of arrays that stay in their files; each iteration has a new random order."""

    def __init__(self, arrays: Sequence[Any], batch_size: int) -> None:
        self._arrays, self._batch_size = arrays, batch_size
        self._is_mapped = any(isinstance(array, Mapped) for array in arrays)
        if not self._is_mapped:  # a copy with a sample in one place, where it is found five times as fast
            self._table = torch.cat([array.reshape(len(array), -1) for array in arrays], dim=1)
            self._widths = [array.shape[1:].numel() for array in arrays]

    def __len__(self) -> int:
        return math.ceil(len(self._arrays[0]) / self._batch_size)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, ...]]:
        order = torch.randperm(len(self._arrays[0]))
        if not self._is_mapped:
            for chosen in order.split(self._batch_size):
                parts = self._table.index_select(0, chosen).split(self._widths, dim=1)
                shapes = ((len(chosen), *array.shape[1:]) for array in self._arrays)
                yield tuple(part.reshape(shape).contiguous() for part, shape in zip(parts, shapes, strict=True))
            return
        for chosen in order.split(self._batch_size * max(_READ // self._batch_size, 1)):
            read = [
                torch.from_numpy(array.take(chosen.numpy())).float() if isinstance(array, Mapped) else array[chosen]
                for array in self._arrays
            ]
            yield from zip(*(tensor.split(self._batch_size) for tensor in read), strict=True)


class Adam:
    """Adam (arXiv:1412.6980) in one operation for all parameters, bit for bit torch's with ``fused=True``.

    torch's own imports a compiler, which takes as long as torch itself and is of no use here.
    """

    def __init__(self, parameters: Iterable[torch.nn.Parameter], lr: float, *, amsgrad: bool = False) -> None:
        self.param_groups: list[dict[str, Any]] = [{"params": list(parameters), "lr": lr}]
        """A single group; MadMiner's trainer changes its learning rate ``lr``."""
        self._amsgrad = amsgrad
        self._moments: dict[torch.nn.Parameter, list[torch.Tensor]] = {}

    def zero_grad(self) -> None:
        for parameter in self.param_groups[0]["params"]:
            parameter.grad = None

    def step(self) -> None:
        """Update the parameters that have a gradient."""
        group = self.param_groups[0]
        trained = [parameter for parameter in group["params"] if parameter.grad is not None]
        if not trained:
            return
        for parameter in trained:
            if parameter not in self._moments:
                count = torch.zeros((), dtype=torch.float32, device=parameter.device)
                moments = (torch.zeros_like(parameter, requires_grad=False) for _ in range(2 + self._amsgrad))
                self._moments[parameter] = [*moments, count]
        first, second, *largest, counts = map(list, zip(*(self._moments[one] for one in trained), strict=True))
        gradients = [parameter.grad for parameter in trained]
        fixed = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.0, "maximize": False}
        with torch.no_grad():
            torch._foreach_add_(counts, 1)
            torch._fused_adam_(
                trained,
                gradients,
                first,
                second,
                largest[0] if largest else [],
                counts,
                lr=group["lr"],
                amsgrad=self._amsgrad,
                **fixed,
            )


def fused(get_optimizer: Callable[..., tuple[Any, dict[str, Any] | None]]) -> Callable[..., tuple[Any, dict[str, Any]]]:
    """MadMiner's ``get_optimizer``, whose Adam updates all parameters in one operation. It rounds differently."""

    @wraps(get_optimizer)
    def wrapped(*args: Any) -> tuple[Any, dict[str, Any]]:
        optimizer, options = get_optimizer(*args)
        if optimizer is not torch.optim.Adam:
            return optimizer, options or {}
        if not hasattr(torch, "_fused_adam_"):  # not a public name
            return optimizer, {**(options or {}), "fused": True}
        return Adam, options or {}

    return wrapped


def mend(trainer: Any) -> None:
    """Let MadMiner's ``LocalScoreTrainer`` train and validate on a batch without autograd where it can."""
    trainer.batch_train = _where_possible(_train, trainer.batch_train)
    trainer.batch_val = _where_possible(_validate, trainer.batch_val)


def _train(
    trainer: Any, batch: Mapping[str, Any], _losses: Any, _weights: Any, optimizer: Any, clip: float | None = None
) -> tuple[float, list[float]]:
    layers = trainer.model.layers
    with torch.no_grad():
        inputs = _forward(layers, batch["x"])
        gradient = inputs.pop() - batch["t_xz"]
        loss = _loss(gradient, batch)
        gradient *= 2.0 / gradient.numel()
        for layer in reversed(layers):
            values = inputs.pop()
            layer.weight.grad = _product(gradient, values)
            layer.bias.grad = gradient.sum(0)
            if inputs:
                gradient = torch.ops.aten.tanh_backward(gradient @ layer.weight, values)
    if clip is not None:
        clip_grad_norm_(trainer.model.parameters(), clip)
    optimizer.step()
    return loss, [loss]


def _validate(trainer: Any, batch: Mapping[str, Any], _losses: Any, _weights: Any) -> tuple[float, list[float]]:
    with torch.no_grad():
        loss = _loss(_forward(trainer.model.layers, batch["x"])[-1] - batch["t_xz"], batch)
    return loss, [loss]


def _where_possible(own: Callable[..., Any], stock: Callable[..., Any]) -> Callable[..., Any]:
    """The function for networks of linear layers with tanh between them, without dropout, on a CPU; else MadMiner's."""

    @wraps(stock)
    def wrapped(self: Any, *args: Any) -> Any:
        is_plain = self.model.activation is torch.tanh and self.model.dropout_prob == 0.0 and self.device.type == "cpu"
        return (own if is_plain else stock)(self, *args)

    return wrapped


def _forward(layers: Sequence[Any], x: torch.Tensor) -> list[torch.Tensor]:
    """The inputs of all layers, and the output of the last one: each of shape (events, numbers)."""
    inputs = [x]
    for k, layer in enumerate(layers):
        if k:
            _tanh(inputs[k])
        inputs.append(torch.addmm(layer.bias, inputs[k], layer.weight.t()))
    return inputs


def _product(gradient: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """gᵀ a, with the narrower matrix first: the other way takes four times as long for a few columns."""
    if values.shape[1] < gradient.shape[1]:
        return (values.t() @ gradient).t().contiguous()
    return gradient.t() @ values


def _tanh(x: torch.Tensor) -> None:
    """tanh(x) in place, to rounding errors of 2e-7, more than twice as fast as torch's."""
    x.mul_(2.0).sigmoid_().mul_(2.0).sub_(1.0)


def _loss(deviation: torch.Tensor, batch: Mapping[str, torch.Tensor]) -> float:
    """The mean square of the deviation of a batch, of shape (events, outputs).

    :raises NanException: MadMiner's, which ends the training, when it is not a number
    """
    from madminer.utils.ml.utils import NanException

    loss = float(deviation.square().mean())
    if math.isnan(loss):
        named = {"inputs": batch["x"], "targets": batch["t_xz"]}
        wrong = [name for name, values in named.items() if not values.isfinite().all()]
        log.warning("%s are not finite: the training ends", " and ".join(wrong) or "outputs of the network")
        raise NanException
    return loss
