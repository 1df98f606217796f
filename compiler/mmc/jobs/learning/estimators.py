"""Trained estimators, single networks or ensembles, as functions of parameter points and many events."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from mmc.compiler.catalogue.methods import ESTIMATORS
from mmc.compiler.catalogue.stages import TRAIN
from mmc.errors import StepError
from mmc.jobs.job import read_json, read_record
from mmc.jobs.learning.polynomials import FLOOR, Polynomial
from mmc.jobs.madminer.estimators import new_estimator
from mmc.jobs.madminer.event_file import Array

ROWS = 1 << 10
"""Rows in a batch, so few that a batch stays in the processor's cache."""

NO_DENSITY = 1e-3
"""The least density of a polynomial at the reference, relative to the density of the training samples."""

MEMBER = "member-"
"""Prefix of the number of an ensemble member, in the name of its folder."""

LogRatio = Callable[[Array, Array], Array]
"""ln r(x | θ) for all pairs: points (n, parameters), x (m, observables) to shape (n, m)."""


class VariedLogRatio(Protocol):
    """ln r(x | θ, ν); only estimators that have learned the nuisance parameters take other values than nominal ones."""

    def __call__(self, points: Array, x: Array, nu: Array | None = None) -> Array:
        """``nu`` has shape (nuisance parameters,); None for nominal values."""


class Estimator:
    """One trained network, or the mean of an ensemble of networks."""

    def __init__(self, members: Sequence["Network"]) -> None:
        self.members = tuple(members)

    def log_ratio(self, points: Array, x: Array, nu: Array | None = None) -> Array:
        """ln r(x | θ) for all pairs: points (n, parameters), x (m, observables) to shape (n, m).

        For an ensemble, the mean of the members' ln r, as in MadMiner's ``Ensemble``; for polynomials, ln of the mean
        of their densities.

        :param nu: nuisance parameters, for estimators that have learned them; None for nominal values
        :raises StepError: when an output of a network is not finite
        """
        if not self.can_be_negative:
            return _mean(member.log_ratio(points, x, nu) for member in self.members)
        density = self._density(np.concatenate([points, self.members[0].reference[np.newaxis]]), x)
        at_reference = np.maximum(density[-1], NO_DENSITY)
        return np.asarray(np.log(np.maximum(density[:-1] / at_reference, FLOOR)))

    @property
    def can_be_negative(self) -> bool:
        """Whether the estimated density may be negative, as a polynomial may."""
        return self.members[0].kind.is_polynomial

    @property
    def trained(self) -> tuple[Array, Array] | None:
        """The mean and the standard deviation of each parameter over the training samples, of shape (parameters,).

        None unless the networks take the parameters scaled, and those of the numerator alone: a double parameterized
        ratio scales the points of both densities alike, and knows only what both are together. Members have nearly the
        same.
        """
        return self.members[0].trained

    def coefficients(self, x: Array) -> Array:
        """What the density of a polynomial is linear in: the coefficients of all members over the density at the
        reference, shape (events, functions). The functions of θ are those of :meth:`direction`."""
        rows = np.concatenate([member.score(x) for member in self.members], axis=1)
        at_reference = np.maximum(rows @ self.direction(self.members[0].reference[np.newaxis])[0], NO_DENSITY)
        return np.asarray(rows / at_reference[:, np.newaxis])

    def direction(self, points: Array) -> Array:
        """The functions of θ that multiply the coefficients of a polynomial, shape (points, functions)."""
        n = len(self.members)
        return np.concatenate([member.known_polynomial.normalised(points) / n for member in self.members], axis=1)

    def slopes(self, point: Array) -> Array:
        """Their derivatives by the parameters at a point, shape (parameters, functions)."""
        n = len(self.members)
        return np.concatenate([member.known_polynomial.normalised_slopes(point) / n for member in self.members], axis=1)

    def too_small(self, points: Array, x: Array) -> npt.NDArray[np.bool_]:
        """Whether the ratio of a polynomial is below ``FLOOR``, shape (points, events)."""
        return np.asarray(self.log_ratio(points, x) <= np.log(FLOOR))

    def _density(self, points: Array, x: Array) -> Array:
        return _mean(member.density(points, x) for member in self.members)

    def score(self, x: Array) -> Array:
        """The estimated score of each event, shape (events, parameters); for an ensemble, the mean of its members.

        If the score of the nuisance parameters is learned too, its components come after those of the parameters.

        :raises StepError: when an output of a network is not finite
        """
        return _mean(member.score(x) for member in self.members)


class Network:
    """A network that ``train`` saved, with the scaled inputs of MadMiner. (MadMiner's own functions go row by row.)

    ``reference`` is the denominator, with nominal nuisance parameters. Estimators need it that vary with the parameters
    of the denominator, those of the likelihood, and polynomials. (MadMiner 0.9.6 evaluates both at unscaled
    parameters, although they are trained at scaled parameters.)
    """

    def __init__(self, folder: Path, reference: Array | None = None) -> None:
        record = read_json(folder / TRAIN.record)
        self.kind = ESTIMATORS[record["estimator"]]
        self.polynomial = Polynomial.of(record["polynomial"]) if self.kind.is_polynomial else None
        self._n_nuisance = len(record.get("nuisance_parameters", ()))
        self._scales = self.kind.scales_parameters and bool(record["training"].get("scale_parameters"))
        self.madminer = new_estimator(self.kind.name)
        self.madminer.load(str(folder / "model"))
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._model = self.madminer.model.to(self._device, torch.float).eval()
        for module in self._model.modules():
            if getattr(module, "activation", None) is torch.tanh:
                module.activation = _tanh
        self._reference = reference

    def log_ratio(self, points: Array, x: Array, nu: Array | None = None) -> Array:
        """The network's ln r, like :meth:`Estimator.log_ratio`."""
        thetas = self._points(points, nu)
        result = np.empty((len(points), len(x)))
        with torch.inference_mode():
            for start, rows in self._batches(x):
                for k, values in enumerate(self._log_ratios(thetas, rows)):
                    result[k, start : start + len(rows)] = values.cpu().numpy()
        return _finite(result)

    @property
    def trained(self) -> tuple[Array, Array] | None:
        """See :attr:`Estimator.trained`; the nuisance parameters come after the parameters."""
        if not self._scales or self.kind.varies_with_denominator:  # unscaled, they have a mean of 0 and a unit instead
            return None
        n = len(self.madminer.theta_scaling_means) - self._n_nuisance
        return self.madminer.theta_scaling_means[:n], self.madminer.theta_scaling_stds[:n]

    def density(self, points: Array, x: Array) -> Array:
        """The density of a polynomial, relative to that of the training samples: shape (points, events).

        The mean of every coefficient over the training samples is right, so the density needs no normalisation. But it
        can be negative.
        """
        return self.known_polynomial.density(points, self.score(x))

    @property
    def known_polynomial(self) -> Polynomial:
        """The polynomial of which the outputs are coefficients."""
        assert self.polynomial is not None
        return self.polynomial

    def score(self, x: Array) -> Array:
        """The outputs of the network: the score, like :meth:`Estimator.score`, or the coefficients of a polynomial."""
        with torch.inference_mode():
            scores = np.concatenate([self._model(rows).cpu().numpy() for _, rows in self._batches(x)])
        return _finite(scores.astype(float))

    def _log_ratios(self, thetas: torch.Tensor, rows: torch.Tensor) -> Iterator[torch.Tensor]:
        """ln r of a batch at each point."""
        if self.kind.is_quadratic:  # the network does not depend on the point
            yield from self._model.log_ratios(thetas, rows)
            return
        function = self._function(rows)
        for theta in thetas:
            yield function(theta.expand(len(rows), -1))

    def _function(self, rows: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
        """ln r of events as a function of one point, which is repeated for each event."""
        if self.kind.is_density:
            at_reference = self._model.log_likelihood(self._denominator(len(rows)), rows)[1]
            return lambda theta: self._model.log_likelihood(theta, rows)[1] - at_reference
        if self.kind.varies_with_denominator:
            denominator = self._denominator(len(rows))
            return lambda theta: self._model(theta, denominator, rows, track_score=False)[1][:, 0]
        return lambda theta: self._model(theta, rows, track_score=False)[1][:, 0]

    @property
    def reference(self) -> Array:
        """The denominator, shape (parameters,).

        :raises StepError: when none was given
        """
        if self._reference is None:
            raise StepError(f"an estimator of type {self.kind.name} needs a reference point")
        return self._reference

    def _denominator(self, n_rows: int) -> torch.Tensor:
        return self._points(self.reference[np.newaxis]).expand(n_rows, -1)

    def _points(self, points: Array, nu: Array | None = None) -> torch.Tensor:
        nu = np.zeros(self._n_nuisance) if nu is None else nu
        with_nuisance = np.hstack([points, np.tile(nu, (len(points), 1))])
        return self._tensor(self.madminer._transform_parameters(with_nuisance))

    def _batches(self, x: Array) -> Iterator[tuple[int, torch.Tensor]]:
        """The index of the first row of each batch, and the batch."""
        scaled = self.madminer._transform_inputs(x)
        inputs = self._tensor(scaled if self.madminer.features is None else scaled[:, self.madminer.features])
        for start in range(0, len(inputs), ROWS):
            yield start, inputs[start : start + ROWS]

    def _tensor(self, values: Array) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)).to(self._device)


def load_estimator(folders: Path | Sequence[Path], reference: Array | None = None) -> Estimator:
    """The estimator that ``train`` saved: one network, or the members of an ensemble.

    ``reference`` is the point θ_ref, shape (parameters,), of the ratio p(x | θ) / p(x | θ_ref). Estimators that are
    trained for a single θ_ref ignore it.
    """
    folders = [folders] if isinstance(folders, Path) else folders
    return Estimator([Network(folder, reference) for folder in folders])


def members_in(folder: Path) -> list[Path]:
    """The folders of networks in the output of ``tune``: those of the ensemble's members, or the folder itself."""
    top = {name.partition("/")[0] for name in read_record(folder).names() if "/" in name}
    found = [name for name in top if name.startswith(MEMBER)]
    return [folder / name for name in sorted(found, key=lambda name: int(name.removeprefix(MEMBER)))] or [folder]


def _mean(values: Iterator[Array]) -> Array:
    """The mean of arrays that do not fit into memory together."""
    total, n = next(values), 1
    for value in values:
        total, n = total + value, n + 1
    return total / n


def _tanh(x: torch.Tensor) -> torch.Tensor:
    """tanh(x) to rounding errors of 2e-7, more than twice as fast as torch.tanh on a CPU."""
    return torch.sigmoid(2.0 * x).mul_(2.0).sub_(1.0)


def _finite(values: Array) -> Array:
    if not np.isfinite(values).all():
        raise StepError("outputs of the network are not finite: train the network again with other hyperparameters")
    return values
