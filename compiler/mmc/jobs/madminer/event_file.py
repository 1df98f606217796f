"""Weighted events of a MadMiner file: its partitions, and morphed weights anywhere in parameter space.

The events generated at any one benchmark estimate every cross section anywhere in parameter space, but they have large
weights in regions with few of them. MadMiner uses the events of the benchmark closest to a point, or the mean over all
benchmarks. By default mmc combines all benchmarks with the balance heuristic of multiple importance sampling (Veach
and Guibas, SIGGRAPH 1995): an event x of benchmark b gets the share n_b p_b(x) / Σ_k n_k p_k(x), where n_k is the
number of events of benchmark k and p_k their density. The shares of one x add up to 1, so the estimates are unbiased.
Their variance is nearly as small as that of any other combination, and no event has a large weight where another
benchmark has many events.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from mmc.compiler.catalogue.stages import COMBINE
from mmc.compiler.settings.limits import LimitSettings
from mmc.compiler.settings.points import AtBenchmark, SinglePoint
from mmc.errors import StepError
from mmc.jobs.job import read_json
from mmc.jobs.madminer import analysis_workarounds, nuisance_effects

Array = npt.NDArray[np.float64]
Partition = Literal["train", "validation", "test", "rest", "all"]
"""``rest`` is all events outside ``test``."""
Variations = Mapping[str, tuple[Array, Array]]
"""Nuisance parameter → factors on the event weights at 1 and at -1, each of shape (events,). Factors may be 0 or
negative, where the weights are."""


ROUNDING = 1e-9
"""A point is a benchmark if its distance from it is at most this part of the parameter's largest value there."""


@dataclass(frozen=True)
class Events:
    """Some events of a file.

    ``x`` are the observables, shape (events, observables). ``weights`` are in pb at nominal nuisance parameters, shape
    (events, benchmarks), scaled so that their sum over these events estimates the full cross sections.
    """

    x: Array
    weights: Array

    def probabilities(self, coefficients: Array) -> Array:
        """Weights at a point of parameter space, scaled to a sum of 1; shape (events,).

        :raises StepError: when the events have no positive cross section there
        """
        weights = self.weights @ coefficients
        total = weights.sum()
        if not np.isfinite(total) or total <= 0.0:
            raise StepError("the cross section of the test events is not positive: generate more events")
        return np.asarray(weights / total)

    def take(self, rows: slice) -> "Events":
        """A slice of the events, with unchanged weights."""
        return Events(self.x[rows], self.weights[rows])


@dataclass(frozen=True)
class Summaries:
    """Summary statistics of events, shape (events, variables), and the events' probabilities."""

    values: Array
    probabilities: Array

    def project(self, direction: Array) -> "Summaries":
        """Project the summaries onto the columns of a matrix."""
        return Summaries(self.values @ direction, self.probabilities)

    def take(self, columns: Sequence[int]) -> "Summaries":
        """The summaries of some variables."""
        return Summaries(self.values[:, list(columns)], self.probabilities)


class EventFile:
    """A MadMiner event file with morphing; all partitions use the same test and validation splits.

    MadMiner's order in a file: training events, validation events, test events.
    """

    def __init__(self, path: Path, test_split: float, validation_split: float, *, balanced: bool = True) -> None:
        """``balanced``: combine the benchmarks with the balance heuristic; otherwise as MadMiner does."""
        analysis_workarounds.apply()
        from madminer.analysis import DataAnalyzer

        self._path, self._splits = path, (test_split, validation_split)
        self.is_balanced = balanced
        """Whether the events of several benchmarks are combined with the balance heuristic."""
        self._file = DataAnalyzer(str(path))  # without nuisance parameters it cannot load a file that has some
        self._parts: dict[tuple[str, int | None], Events] = {}
        self._origins: dict[Partition, npt.NDArray[np.intp]] = {}
        self._variations: dict[Partition, Variations] = {}

    @classmethod
    def of(cls, path: Path, settings: LimitSettings) -> "EventFile":
        """Open a file with the splits and the event weights of the limits."""
        balanced = settings.event_weights != "madminer"
        return cls(path, settings.test_split, settings.validation_split, balanced=balanced)

    @property
    def parameters(self) -> list[str]:
        """The names of the parameters, in the order of every point."""
        return list(self._file.parameters)

    @property
    def benchmarks(self) -> dict[str, Array]:
        """The points of the benchmarks by name, in the order of an event's weights."""
        names = list(self._file.benchmarks)[: int(self._file.n_benchmarks_phys)]
        return {name: self.point(AtBenchmark(name)) for name in names}

    @property
    def nuisance_parameters(self) -> list[str]:
        """The names of the nuisance parameters, in the order of :meth:`slopes`."""
        return list(self._file.nuisance_parameters)

    @property
    def observables(self) -> list[str]:
        """The names of the columns of ``x``."""
        return list(self._file.observables)

    @property
    def n_events(self) -> int:
        """The number of events in the file."""
        return int(self._file.n_samples)

    def point(self, theta: SinglePoint) -> Array:
        """The coordinates of a point, shape (parameters,)."""
        if isinstance(theta, AtBenchmark):
            return np.array(list(self._file.benchmarks[theta.benchmark].values.values()), dtype=float)
        return self.coordinates(theta.point)

    def coordinates(self, values: Mapping[str, float]) -> Array:
        """The coordinates of a point given by parameter values."""
        return np.array([values[name] for name in self.parameters], dtype=float)

    def coefficients(self, points: Array) -> Array:
        """The morphing weights: weight at a point = Σ_b coefficient_b × benchmark weight_b; shape (points, benchmarks).

        :raises StepError: when there is no morphing and a point is not a benchmark
        """
        matrix = np.zeros((len(points), int(self._file.n_benchmarks_phys)))
        if self._file.morpher is None:
            for row, point in zip(matrix, points, strict=True):
                row[self._benchmark_at(point)] = 1.0
            return matrix
        for row, point in zip(matrix, points, strict=True):
            weights = self._file.morpher.calculate_morphing_weights(point)
            row[: len(weights)] = weights
        return matrix

    @property
    def has_morphing(self) -> bool:
        """Whether weights, and their derivatives by the parameters, are known between the benchmarks."""
        return self._file.morpher is not None

    def gradients(self, point: Array) -> Array:
        """Derivatives of the coefficients at a point by the parameters: shape (parameters, benchmarks).

        :raises StepError: when there is no morphing
        """
        if self._file.morpher is None:
            raise StepError("without morphing the derivatives of the weights by the parameters are not known")
        return np.asarray(self._file._get_dtheta_benchmark_matrix(point)[:, : int(self._file.n_benchmarks_phys)])

    def _benchmark_at(self, point: Array) -> int:
        benchmarks = np.array(list(self.benchmarks.values()))
        is_here = (np.abs(benchmarks - point) <= ROUNDING * np.abs(benchmarks).max(axis=0)).all(axis=1)
        if is_here.any():
            return int(is_here.argmax())
        where = ", ".join(f"{name} = {value:g}" for name, value in zip(self.parameters, point, strict=True))
        raise StepError(f"without morphing weights are known only at the benchmarks, not at {where}")

    def joint_scores(self, events: Events, point: Array, slopes: Array | None = None) -> Array:
        """The joint score ∂ ln p(x, z | θ) / ∂θ of simulated events at a point: shape (events, parameters).

        With the :meth:`slopes` of the events, the columns of the nuisance parameters follow.
        """
        weights = events.weights @ self.coefficients(point[np.newaxis])[0]
        gradients = events.weights @ self.gradients(point).T
        safe = np.where(weights != 0.0, weights, np.inf)  # an event with zero probability there has no score
        scores = np.asarray(gradients / safe[:, np.newaxis] - gradients.sum(axis=0) / weights.sum())
        return scores if slopes is None else np.hstack([scores, slopes - weights @ slopes / weights.sum()])

    @cached_property
    def integration_changes(self) -> Array | None:
        """The changes of the cross sections at the benchmarks by one error of each integrated cross section, in pb.

        The weights of all events of a sampled benchmark are wrong by the same factor. Shape (integrations, benchmarks);
        None without a record of how the events were combined.
        """
        record = self._path.with_name(COMBINE.record)
        errors = read_json(record).get("integration_errors") if record.is_file() else None
        if errors is None:
            return None
        weights, origin = self.balanced("all").weights, self._origin("all")
        of_origin = {-1: errors["background"]} | {
            index: errors["benchmarks"].get(name, 0.0) for index, name in enumerate(self.benchmarks)
        }
        changes = [weights[origin == index].sum(axis=0) * error for index, error in of_origin.items() if error]
        return np.array(changes).reshape(-1, weights.shape[1])

    def integration_error(self, coefficients: Array) -> float | None:
        """The relative error of the cross section at a point from the integration of the cross sections.

        None without a record of how the events were combined.

        :param coefficients: the morphing coefficients of the point, shape (benchmarks,)
        """
        if self.integration_changes is None:
            return None
        total = self.balanced("all").weights.sum(axis=0) @ coefficients
        return float(np.linalg.norm(self.integration_changes @ coefficients) / abs(total))

    def closest_benchmark(self, point: Array) -> int:
        """The index of the sampled benchmark that is closest to the point."""
        return int(self._file._find_closest_benchmark(point))

    def part(self, partition: Partition, near: Array | None = None) -> Events:
        """The events of a partition.

        Without the balance heuristic, ``near`` keeps only backgrounds and events of the benchmark closest to it.

        :raises StepError: when no event is left
        """
        if self.is_balanced:
            return self.balanced(partition)
        key = (partition, None if near is None else self.closest_benchmark(near))
        if key not in self._parts:
            self._parts[key] = self._load(partition, near)
        return self._parts[key]

    def balanced(self, partition: Partition) -> Events:
        """All events of a partition, combined with the balance heuristic.

        :raises StepError: when the partition is empty
        """
        key = (partition, -1)
        if key not in self._parts:
            events, origin = self._load(partition, None), self._origin(partition)
            weights = events.weights / self._file._calculate_sampling_factors()[origin][:, np.newaxis]
            self._parts[key] = Events(events.x, weights * balance_shares(weights, origin)[:, np.newaxis])
        return self._parts[key]

    def is_near(self, partition: Partition, near: Array) -> npt.NDArray[np.bool_]:
        """Whether :meth:`part` keeps each event of a partition near a point; shape (events,)."""
        origin = self._origin(partition)
        if self.is_balanced:
            return np.ones(len(origin), dtype=bool)
        return np.asarray((origin == self.closest_benchmark(near)) | (origin < 0))

    def _origin(self, partition: Partition) -> npt.NDArray[np.intp]:
        """The index of each event's sampled benchmark, -1 for backgrounds: shape (events,)."""
        if partition not in self._origins:
            start, end, _ = self._bounds(partition)
            x, _, origin = next(iter(self._file.event_loader(start, end, None, return_sampling_ids=True)))
            self._origins[partition] = np.full(len(x), -1) if origin is None else np.asarray(origin, dtype=np.intp)
        return self._origins[partition]

    def slopes(self, partition: Partition, near: Array | None = None) -> Array:
        """Derivatives of the logarithm of the weights of :meth:`part` by the nuisance parameters, at nominal values.

        They do not depend on the point in parameter space: shape (events, nuisance parameters).
        """
        variations = self.variations(partition)
        if not variations:
            return np.zeros((len(self.part(partition, near).x), 0))
        up, down = (np.stack(sides) for sides in zip(*variations.values(), strict=True))
        slopes = nuisance_effects.exponents(up, down)[0].T
        return slopes if near is None else slopes[self.is_near(partition, near)]

    def variations(self, partition: Partition) -> Variations:
        """The factors of the nuisance parameters on the weights of a partition's events."""
        if partition not in self._variations:
            self._variations[partition] = self._load_variations(partition)
        return self._variations[partition]

    def _load_variations(self, partition: Partition) -> Variations:
        morpher = self._file.nuisance_morpher
        if morpher is None:
            return {}
        start, end, _ = self._bounds(partition)
        _, weights = next(iter(self._file.event_loader(start, end, None)))
        up, down = nuisance_effects.factors(morpher, weights, self._origin(partition))
        return dict(zip(self.nuisance_parameters, zip(up, down, strict=True), strict=True))

    def _bounds(self, partition: Partition) -> tuple[int, int | None, float]:
        """First event and end of a partition, and the factor on its weights for the events outside it."""
        test, validation = self._splits
        if partition == "all":
            return 0, None, 1.0
        bounds = ("train", test, 0.0) if partition == "rest" else (partition, test, validation)
        try:
            start, end, correction = self._file._calculate_partition_bounds(*bounds)
        except ValueError as error:
            raise StepError(f"{self.n_events} events are too few for a {partition} partition: {error}") from error
        return start, end, correction

    def _load(self, partition: Partition, near: Array | None) -> Events:
        start, end, correction = self._bounds(partition)
        batches = self._file.event_loader(start, end, None, include_nuisance_parameters=False, generated_close_to=near)
        x, weights = next(iter(batches), (np.empty((0, 0)), np.empty((0, 0))))
        if not len(x):
            raise StepError(f"no event of the {partition} partition was generated near {near}: generate more events")
        return Events(np.asarray(x, dtype=float), np.asarray(weights, dtype=float) * correction)


def balance_shares(weights: Array, origin: npt.NDArray[np.intp]) -> Array:
    """The balance heuristic's share n_b p_b(x) / Σ_k n_k p_k(x) of each event, shape (events,).

    b is the benchmark of the event. ``weights`` (events, benchmarks) are normalised for each benchmark alone: with σ_k
    the cross section, w_k(x) / (mean of w_k over the events of k) = w_k(x) n_k / σ_k ∝ n_k p_k(x). A generator whose
    weights have both signs generates events with the density of |w_k(x)|, so σ_k is the integral of |w_k| then. The
    sign stays in the weight of the event, so that events of both signs cancel in every sum.
    """
    shares, signal = np.ones(len(weights)), origin >= 0  # a background has a single sampled benchmark
    sampled = np.unique(origin[signal])
    mean_weights = [np.abs(weights[origin == benchmark, benchmark]).mean() for benchmark in sampled]
    densities = np.abs(weights[np.ix_(signal, sampled)]) / mean_weights
    total = densities.sum(axis=1)
    at_origin = densities[range(len(densities)), np.searchsorted(sampled, origin[signal])]
    shares[signal] = np.divide(at_origin, total, out=np.zeros_like(total), where=total > 0.0)
    return shares
