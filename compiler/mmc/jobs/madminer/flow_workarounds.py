"""Work-arounds for MadMiner 0.9.6's likelihood estimators (masked autoregressive flows, arXiv:1705.07057)."""

from functools import cache
from typing import Any

import numpy as np

from mmc.jobs.madminer import workarounds


@cache
def apply() -> None:
    """Fix three errors of the likelihood estimators. Imports torch.

    1. All layers have the observables in the same order. With any number of layers, the density of the first observable
       is then Gaussian, and so is the density of each observable given those before it. The fix reverses the order in
       every other layer.
    2. Batch normalisation keeps the mean and variance of the last batch, and does not save them: a loaded estimator
       divides by 0. The fix keeps running averages, as part of the model's state.
    3. With several components and one observable, the densities have the wrong shape: one per pair of events.
    """
    workarounds.apply()
    from madminer.ml.likelihood import LikelihoodEstimator
    from madminer.utils.ml.models import made_mog, maf, maf_mog

    maf.BatchNorm = maf_mog.BatchNorm = _batch_norm_class()
    made_mog.ConditionalMixtureMADE.forward = _mixture_forward
    LikelihoodEstimator._create_model = _create_model


def _create_model(estimator: Any) -> None:
    from madminer.utils.ml.models.maf import ConditionalMaskedAutoregressiveFlow
    from madminer.utils.ml.models.maf_mog import ConditionalMixtureMaskedAutoregressiveFlow

    options = {
        "n_conditionals": estimator.n_parameters,
        "n_inputs": estimator.n_observables,
        "n_hiddens": estimator.n_hidden,
        "n_mades": estimator.n_mades,
        "activation": estimator.activation,
        "batch_norm": estimator.batch_norm is not None,
        "alpha": estimator.batch_norm,
        "input_order": np.arange(1, estimator.n_observables + 1),  # given as an array, it is reversed in every layer
    }
    if estimator.n_components > 1:
        model = ConditionalMixtureMaskedAutoregressiveFlow(n_components=estimator.n_components, **options)
    else:
        model = ConditionalMaskedAutoregressiveFlow(**options)
    estimator.model = model


def _mixture_forward(made: Any, theta: Any, x: Any, **_: Any) -> tuple[Any, Any, Any]:
    """Base variables, half the logarithm of their precision, and the logarithm of the component's weight.

    Each has shape (events, observables, components); θ has shape (events, parameters) and x (events, observables).
    """
    import torch
    from torch.nn.functional import linear, log_softmax

    hidden = made.activation_function(
        linear(theta, made.Wx.t()) + linear(x, (made.Ms[0] * made.Ws[0]).t(), made.bs[0]),
    )
    for mask, weight, bias in zip(made.Ms[1:], made.Ws[1:], made.bs[1:], strict=True):
        hidden = made.activation_function(linear(hidden, (mask * weight).t(), bias))

    def output(weight: Any, bias: Any) -> Any:
        return torch.einsum("bh,hik->bik", hidden, made.Mmp * weight) + bias

    made.m, made.logp = output(made.Wm, made.bm), output(made.Wp, made.bp)
    made.loga = log_softmax(output(made.Wa, made.ba), dim=2)
    return torch.exp(0.5 * made.logp) * (x.unsqueeze(2) - made.m), 0.5 * made.logp, made.loga


def _batch_norm_class() -> Any:
    import torch
    from madminer.utils.ml.models.batch_norm import BatchNorm

    class RunningBatchNorm(BatchNorm):  # type: ignore[misc]
        running_mean: Any
        running_var: Any
        n_batches: Any

        def __init__(self, n_inputs: int, alpha: float, eps: float = 1.0e-5) -> None:
            super().__init__(n_inputs, alpha, eps)
            del self.running_mean, self.running_var
            self.register_buffer("running_mean", torch.zeros(n_inputs))
            self.register_buffer("running_var", torch.ones(n_inputs))
            self.register_buffer("n_batches", torch.tensor(0))

        def forward(self, x: Any, fixed_params: bool = False) -> tuple[Any, Any]:
            mean, var = self.running_mean, self.running_var
            if not fixed_params:
                mean = x.mean(dim=0)
                var = ((x - mean) ** 2).mean(dim=0) + self.eps
                weight = 1.0 if self.n_batches == 0 else self.alpha
                self.running_mean = torch.lerp(self.running_mean, mean.detach(), weight)
                self.running_var = torch.lerp(self.running_var, var.detach(), weight)
                self.n_batches = self.n_batches + 1
            return (x - mean) / torch.sqrt(var), -0.5 * torch.log(var).sum()

    return RunningBatchNorm
