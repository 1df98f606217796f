"""An estimator for MadMiner's trainer whose ratio is quadratic in the parameters and positive, by construction.

An amplitude that is linear in the parameters gives weights that are positive quadratic polynomials, and with δ = θ - θ1

    r(x | θ) = q(a(x), B(x); δ) / q(α, β; δ),    q(a, B; δ) = (1 + a·δ)² + |B δ|²

for a vector a and an upper triangular matrix B: the Cholesky decomposition of the matrix of all coefficients
(arXiv:2007.10356). One network of x gives a and B, and the constants α and β do the same for the cross section. So the
network has no θ to learn: a ratio that is right at some points is right at all. The ratio is 1 at θ1. For a single
parameter, MadMiner's ``QuadraticMorphingAwareRatioEstimator`` is the same with one network each for a and B, at θ1 = 0.
"""

from typing import Any

import torch

from mmc.compiler.catalogue.methods import MORPHING_AWARE
from mmc.errors import StepError
from mmc.jobs.madminer import workarounds

workarounds.apply_training()
from madminer.ml.parameterized_ratio import ParameterizedRatioEstimator  # noqa: E402
from madminer.utils.ml.models.score import DenseLocalScoreModel  # noqa: E402

SMALLEST = 1e-6
"""The least q, which may be 0 at one δ."""
START = 0.1
"""α and β before the training; the slope of q by B vanishes at B = 0."""


class QuadraticRatioModel(torch.nn.Module):  # type: ignore[misc]
    """The network, with the interface of MadMiner's models of a ratio."""

    def __init__(self, n_observables: int, reference: Any, n_hidden: Any, activation: str, dropout_prob: float) -> None:
        super().__init__()
        n = len(reference)
        rows, columns = torch.triu_indices(n, n)
        n_outputs = n + len(rows)
        self.network = DenseLocalScoreModel(n_observables, n_outputs, n_hidden, activation, dropout_prob)
        self.constants = torch.nn.Parameter(torch.full((1, n_outputs), START))
        self.register_buffer("reference", torch.as_tensor(reference))
        self.register_buffer("places", n * rows + columns)
        """The flat indices of the elements of B, after those of a."""

    def forward(self, theta: Any, x: Any, track_score: bool = True, **_options: Any) -> tuple[Any, Any, Any]:
        """1 / (1 + r), ln r and its gradient by θ; shapes (events, 1), (events, 1) and (events, parameters)."""
        delta = theta - self.reference.to(theta)
        (above, slope_above), (below, slope_below) = (
            self._quadratic(outputs, delta) for outputs in (self.network(x), self.constants.to(theta))
        )
        log_r = torch.log(above) - torch.log(below)
        score = slope_above / above - slope_below / below if track_score else None
        return torch.sigmoid(-log_r), log_r, score

    def log_ratios(self, thetas: Any, x: Any) -> Any:
        """ln r for all pairs, shape (points, events), with one evaluation of the network for each event."""
        delta = (thetas - self.reference.to(thetas)).double()
        squares = (delta[:, :, None] * delta[:, None, :]).flatten(1)

        def quadratic(outputs: Any) -> Any:
            a, matrix = self._parts(outputs.double())
            form = a[:, :, None] * a[:, None, :] + matrix.transpose(1, 2) @ matrix
            return (1.0 + 2.0 * delta @ a.T + squares @ form.flatten(1).T).clamp(min=SMALLEST)

        return torch.log(quadratic(self.network(x))) - torch.log(quadratic(self.constants))

    def _parts(self, outputs: Any) -> tuple[Any, Any]:
        """a (rows, parameters) and B (rows, parameters, parameters)."""
        n = len(self.reference)
        matrix = outputs.new_zeros(len(outputs), n * n).index_copy(1, self.places, outputs[:, n:])
        return outputs[:, :n], matrix.view(-1, n, n)

    def _quadratic(self, outputs: Any, delta: Any) -> tuple[Any, Any]:
        """q (rows, 1) and its gradient by δ (rows, parameters)."""
        a, matrix = self._parts(outputs)
        along = 1.0 + (a * delta).sum(dim=1, keepdim=True)
        across = (matrix * delta[:, None, :]).sum(dim=2)
        value = along**2 + (across**2).sum(dim=1, keepdim=True)
        slope = 2.0 * along * a + 2.0 * (across[:, :, None] * matrix).sum(dim=1)
        return value.clamp(min=SMALLEST), slope


class QuadraticRatioEstimator(ParameterizedRatioEstimator):  # type: ignore[misc]
    """MadMiner's estimator of a ratio, with this network; parameters are not scaled before."""

    reference: Any = None
    """θ1 in the unit of the training, shape (parameters,)."""
    components: Any = None
    """The power of each parameter in each term of the weights, shape (components, parameters); None of a saved one."""

    def _create_model(self) -> None:
        if self.components is not None:
            _check_powers(self.components)
        self.model = QuadraticRatioModel(
            self.n_observables, self.reference, self.n_hidden, self.activation, self.dropout_prob
        )

    def _wrap_settings(self) -> Any:
        return super()._wrap_settings() | {"reference": [float(value) for value in self.reference]}

    def _unwrap_settings(self, settings: Any) -> None:
        super()._unwrap_settings(settings)
        self.reference = [float(value) for value in settings["reference"]]


def _check_powers(components: Any) -> None:
    """Check the power of each parameter in each term of the weights.

    :raises StepError: when a parameter has no square, or a term a higher power
    """
    each, most = components.max(axis=0).tolist(), int(components.sum(axis=1).max())
    if {*each, most} != {2}:
        raise StepError(
            f"the weights are not quadratic in each parameter: the largest powers are {each}, with a sum of {most}; "
            f"use the estimator {MORPHING_AWARE.name}"
        )
