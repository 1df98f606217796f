"""A trained network as one torch module in physical units, which MLflow can load without MadMiner or mmc."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmc.compiler.catalogue.methods import ESTIMATORS
from mmc.compiler.catalogue.stages import TRAIN
from mmc.jobs.job import read_json
from mmc.jobs.learning.polynomials import Polynomial
from mmc.jobs.madminer.estimators import new_estimator
from mmc.jobs.madminer.event_file import Array

N_EXAMPLES = 2
"""Events in the example of a network. With a single event, torch would fix the batch size to 1."""


def portable(folder: Path, method: str) -> tuple[torch.nn.Module, dict[str, Array]] | None:
    """The network in a folder that ``train`` wrote, and examples of its inputs by name, in double precision.

    The network of a score method takes x (n, observables) and gives the estimated score (n, parameters). The network of
    a ratio method takes θ (n, parameters) and x and gives ln r(x | θ), shape (n,). Learned nuisance parameters come
    after the parameters. The network of a polynomial takes θ and x and gives the density of x at θ, relative to that of
    the training samples, shape (n,); it can be negative. None for other types of estimators.
    """
    record = read_json(folder / TRAIN.record)
    kind = ESTIMATORS[record["estimator"]]
    if not kind.is_portable:
        return None
    estimator = new_estimator(kind.name)
    estimator.load(str(folder / "model"))
    estimator.model.eval()
    scaling = _Scaling(estimator.x_scaling_means, estimator.x_scaling_stds, estimator.features)
    x = np.tile(estimator.x_scaling_means, (N_EXAMPLES, 1))
    if kind.is_polynomial:
        polynomial = Polynomial.of(record["polynomial"])
        density = Density(estimator.model, scaling, polynomial)
        return density, {"theta": np.tile(polynomial.point, (N_EXAMPLES, 1)), "x": x}
    if not kind.takes_parameters:
        return Score(estimator.model, scaling), {"x": x}
    means = estimator.theta_scaling_means
    points = np.tile(means, (N_EXAMPLES, 1))
    return Ratio(estimator.model, scaling, _Scaling(means, estimator.theta_scaling_stds)), {"theta": points, "x": x}


class _Scaling(torch.nn.Module):  # type: ignore[misc]
    """MadMiner's scaling and selection of the inputs of a network, with a result in single precision."""

    def __init__(self, means: Any, stds: Any, features: Any = None) -> None:
        super().__init__()
        self.register_buffer("means", torch.tensor(np.asarray(means), dtype=torch.float64))
        self.register_buffer("stds", torch.tensor(np.asarray(stds), dtype=torch.float64))
        self.features = None if features is None else list(features)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        scaled = ((values - self.means) / self.stds).float()
        return scaled if self.features is None else scaled[:, self.features]


class Score(torch.nn.Module):  # type: ignore[misc]
    """From x (n, observables) to the estimated score (n, parameters)."""

    def __init__(self, network: torch.nn.Module, x_scaling: _Scaling) -> None:
        super().__init__()
        self.network, self.x_scaling = network, x_scaling

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.network(self.x_scaling(x))
        return scores


class Ratio(torch.nn.Module):  # type: ignore[misc]
    """From θ (n, parameters) and x (n, observables) to ln r(x | θ), shape (n,)."""

    def __init__(self, network: torch.nn.Module, x_scaling: _Scaling, theta_scaling: _Scaling) -> None:
        super().__init__()
        self.network, self.x_scaling, self.theta_scaling = network, x_scaling, theta_scaling

    def forward(self, theta: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        log_ratio: torch.Tensor = self.network(self.theta_scaling(theta), self.x_scaling(x), track_score=False)[1]
        return log_ratio[:, 0]


class Density(torch.nn.Module):  # type: ignore[misc]
    """From θ (n, parameters) and x (n, observables) to the density of x at θ, shape (n,), in double precision."""

    def __init__(self, network: torch.nn.Module, x_scaling: _Scaling, polynomial: Polynomial) -> None:
        super().__init__()
        self.network, self.x_scaling = network, x_scaling
        for name, values in (("point", polynomial.point), ("unit", polynomial.unit), ("means", polynomial.means)):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float64))
        self.register_buffer("powers", torch.tensor(polynomial.powers, dtype=torch.float64))

    def forward(self, theta: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        delta = (theta - self.point) / self.unit
        monomials = (delta[:, None] ** self.powers).prod(dim=2)
        coefficients: torch.Tensor = self.network(self.x_scaling(x))
        return (monomials * coefficients).sum(dim=1) / (monomials @ self.means)
