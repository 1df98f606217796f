"""Weighted events of a MadMiner file: its partitions, and morphed weights anywhere in parameter space.

The events generated at any one benchmark estimate every cross section anywhere in parameter space, but they have large
weights in regions with few of them. MadMiner uses the events of the benchmark closest to a point, or the mean over all
benchmarks. By default mmc combines all benchmarks with the balance heuristic (:mod:`mmc.jobs.madminer.balance`).
"""

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mmc.compiler.catalogue.stages import COMBINE
from mmc.compiler.settings.limits import LimitSettings
from mmc.compiler.settings.points import AtBenchmark, SinglePoint
from mmc.errors import StepError
from mmc.jobs.job import read_json
from mmc.jobs.madminer import analysis_workarounds, layout, nuisance_effects
from mmc.jobs.madminer.balance import balance_shares, mean_weights
from mmc.jobs.madminer.coefficients import benchmark_at, morphed, morphed_slopes
from mmc.jobs.madminer.cross_sections import CrossSections
from mmc.jobs.madminer.event_rows import labels_of, numbers_of, read, rows_of, slices, width

Array = npt.NDArray[np.float64]
Partition = Literal["train", "validation", "test", "rest", "all"]
"""``rest`` is all events outside ``test``."""
Members = Mapping[str, npt.NDArray[np.bool_]]
"""Sample → whether each event is one of it, shape (events,), for the samples whose normalisations float."""
Variations = Mapping[str, tuple[Array, Array]]
"""Nuisance parameter → factors on the event weights at 1 and at -1, of shape (events,); 0 or negative if these are."""


MOST = 1 << 28
"""The bytes of a partition's events in memory, at most. Of more, the first are there, scaled to the cross sections."""
PAIRS, FEWEST = 4_000_000_000, 20_000
"""The pairs of an event and a point of a grid, at most, to which the time of likelihoods of single events is in
proportion, and the events that are kept for any grid. Of a larger partition the first events count."""
log = logging.getLogger(__name__)


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
class Block:
    """Some of the events of a partition, with what the likelihood needs of them."""

    events: Events
    origin: npt.NDArray[np.intp]
    """The index of each event's sampled benchmark, -1 for backgrounds: shape (events,)."""
    variations: Callable[[], Variations]
    """Gives the factors of the nuisance parameters on the weights of these events."""
    start: int
    """The number of events of the partition before these."""
    labels: Callable[[], npt.NDArray[np.intp]]
    """Gives the index of each event's sample among :attr:`EventFile.samples`: shape (events,)."""


class EventFile:
    """A MadMiner event file: training, validation, test events. All partitions use the same splits."""

    def __init__(
        self, path: Path, test_split: float, validation_split: float, *, balanced: bool = True, most: int | None = None
    ) -> None:
        """
        :param balanced: combine the benchmarks with the balance heuristic; otherwise as MadMiner does
        :param most: the largest number of events of a partition in memory; None for as many as :data:`MOST` allows
        """
        analysis_workarounds.apply()
        from madminer.analysis import DataAnalyzer

        self._path, self._splits, self._most = path, (test_split, validation_split), most
        self.is_balanced = balanced
        """Whether the events of several benchmarks are combined with the balance heuristic."""
        with layout.opened(path):
            self._file = DataAnalyzer(str(path))  # without nuisance parameters it cannot load a file that has some
            self._rows, self._width = rows_of(str(path)), width(path)
        self._parts: dict[tuple[str, int | None], Events] = {}
        self._origins: dict[Partition, npt.NDArray[np.intp]] = {}
        self._variations: dict[Partition, Variations] = {}

    @classmethod
    def of(cls, path: Path, settings: LimitSettings) -> "EventFile":
        """Open a file with the splits and the event weights of the limits."""
        balanced = settings.event_weights != "madminer"
        points = math.prod(axis.points for axis in settings.grid.values())
        most = max(PAIRS // points, FEWEST)
        return cls(path, settings.test_split, settings.validation_split, balanced=balanced, most=most)

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

    @cached_property
    def _record(self) -> Mapping[str, Any]:
        """How the events were combined; empty if it is not known."""
        path = self._path.with_name(COMBINE.record)
        return read_json(path) if path.is_file() else {}

    @property
    def floating(self) -> tuple[str, ...]:
        """The samples whose normalisations float in combinations."""
        return tuple(self._record.get("floating", ()))

    @property
    def samples(self) -> Sequence[Mapping[str, Any]]:
        """The samples of one slice and benchmark that were generated together, and with how many events; empty if they
        are not known."""
        return tuple(self._record.get("samples", ()))

    @property
    def numbers(self) -> Any:
        """The number of each event in its sample."""
        return numbers_of(str(self._path))

    @property
    def observables(self) -> list[str]:
        """The names of the columns of ``x``."""
        return list(self._file.observables)

    @property
    def n_events(self) -> int:
        """The number of events in the file."""
        return int(self._file.n_samples)

    @cached_property
    def n_undefined(self) -> npt.NDArray[np.int64]:
        """The number of events in which each observable is not a finite number, shape (observables,)."""
        found = np.zeros(len(self.observables), dtype=np.int64)
        for rows in slices(self.n_events, self._width):
            found += (~np.isfinite(self._rows[0][rows])).sum(axis=0)
        return found

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
                row[benchmark_at(self.benchmarks, self.parameters, point)] = 1.0
            return matrix
        weights = morphed(self._file.morpher, points)
        matrix[:, : weights.shape[1]] = weights
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
        slopes = morphed_slopes(self._file.morpher, point)
        return np.pad(slopes, ((0, 0), (0, int(self._file.n_benchmarks_phys) - slopes.shape[1])))

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
    def cross_sections(self) -> CrossSections:
        """The sums of the balanced weights of all events, and their errors."""
        each = ((block.events.weights, block.labels()) for block in self.blocks("all", balanced=True))
        return CrossSections.of(each, self.samples, len(self.benchmarks))

    def closest_benchmark(self, point: Array) -> int:
        """The index of the sampled benchmark that is closest to the point."""
        return int(self._file._find_closest_benchmark(point))

    def blocks(
        self, partition: Partition, near: Array | None = None, *, balanced: bool | None = None
    ) -> Iterator[Block]:
        """All events of a partition a block at a time, weighted as by :meth:`part`.

        :param balanced: whether to combine all benchmarks with the balance heuristic; None as the file does
        """
        return self._blocks(partition, near, balanced=self.is_balanced if balanced is None else balanced)

    def n_kept(self, partition: Partition) -> tuple[int, int]:
        """The number of events of a partition that :meth:`part` has in memory, and of all its events."""
        start, end, _ = self._bounds(partition)
        n_nuisance = 2 * 8 * len(self._file.nuisance_parameters)
        most = MOST // (self._width + n_nuisance)
        return min(end - start, most if self._most is None else min(most, self._most)), end - start

    def part(self, partition: Partition, near: Array | None = None) -> Events:
        """The events of a partition, or as many of them as :data:`MOST` allows.

        Without the balance heuristic, ``near`` keeps only backgrounds and events of the benchmark closest to it.

        :raises StepError: when no event is left
        """
        if self.is_balanced:
            return self.balanced(partition)
        key = (partition, None if near is None else self.closest_benchmark(near))
        if key not in self._parts:
            self._parts[key] = self._load(partition, near, balanced=False)
        return self._parts[key]

    def balanced(self, partition: Partition) -> Events:
        """The events of a partition, combined with the balance heuristic, or as many as :data:`MOST` allows.

        :raises StepError: when the partition is empty
        """
        key = (partition, -1)
        if key not in self._parts:
            self._parts[key] = self._load(partition, None, balanced=True)
        return self._parts[key]

    def is_near(self, partition: Partition, near: Array) -> npt.NDArray[np.bool_]:
        """Whether :meth:`part` keeps each event of a partition near a point; shape (events,)."""
        origin = self.origin(partition)
        if self.is_balanced:
            return np.ones(len(origin), dtype=bool)
        return np.asarray((origin == self.closest_benchmark(near)) | (origin < 0))

    def origin(self, partition: Partition) -> npt.NDArray[np.intp]:
        """The index of the sampled benchmark of each event in memory, -1 for backgrounds: shape (events,)."""
        if partition not in self._origins:
            start, _, _ = self._bounds(partition)
            self._origins[partition] = self._rows[2][start : start + self.n_kept(partition)[0]].astype(np.intp)
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
        """The factors of the nuisance parameters on the weights of a partition's events in memory."""
        if partition not in self._variations:
            parts = [block.variations() for block in self._blocks(partition, None, balanced=False, kept=True)]
            self._variations[partition] = {
                name: (
                    np.concatenate([part[name][0] for part in parts]),
                    np.concatenate([part[name][1] for part in parts]),
                )
                for name in (parts[0] if parts else ())
            }
        return self._variations[partition]

    def labels(self, partition: Partition) -> npt.NDArray[np.intp]:
        """The samples of a partition's events in memory, as in :attr:`Block.labels`."""
        start, _, _ = self._bounds(partition)
        return self._labels(start, start + self.n_kept(partition)[0])

    def members(self, partition: Partition) -> Members:
        """Which of a partition's events in memory are of the samples that float."""
        return self.members_of(self.labels(partition))

    def members_of(self, labels: npt.NDArray[np.intp]) -> Members:
        """Which events with these labels are of the samples that float."""
        samples = np.array([entry["sample"] for entry in self.samples])
        return {name: np.isin(labels, np.flatnonzero(samples == name)) for name in self.floating}

    def _labels(self, start: int, stop: int, here: Any = slice(None)) -> npt.NDArray[np.intp]:
        labels = labels_of(str(self._path))[start:stop] if self.samples else np.zeros(stop - start)
        return np.asarray(labels[here], dtype=np.intp)

    def _bounds(self, partition: Partition) -> tuple[int, int, float]:
        """First event and end of a partition, and the factor on its weights for the events outside it."""
        test, validation = self._splits
        if partition == "all":
            return 0, self.n_events, 1.0
        bounds = ("train", test, 0.0) if partition == "rest" else (partition, test, validation)
        try:
            start, end, correction = self._file._calculate_partition_bounds(*bounds)
        except ValueError as error:
            raise StepError(f"{self.n_events} are too few events: none is left for the part {partition!r}") from error
        return start, self.n_events if end is None else min(end, self.n_events), correction

    def _blocks(
        self, partition: Partition, near: Array | None, *, balanced: bool, kept: bool = False
    ) -> Iterator[Block]:
        """See :meth:`blocks`; ``kept`` for the events in memory alone."""
        start, end, correction = self._bounds(partition)
        if kept:
            n, n_all = self.n_kept(partition)
            end, correction = start + n, correction * (n_all / max(n, 1))
        n_physical, morpher = int(self._file.n_benchmarks_phys), self._file.nuisance_morpher
        raw = partial(self._raw, start, end)
        benchmark = None if near is None or balanced else self.closest_benchmark(near)
        factors = np.ones(n_physical + 1)
        if not balanced and benchmark is None:
            factors = self._file._calculate_sampling_factors()  # the last one is that of backgrounds
        means = mean_weights((weights, origin) for _, weights, origin in raw()) if balanced else {}
        of_origin = cache(
            lambda: nuisance_effects.mean_ratios(
                morpher.i_benchmark_ref, ((weights, origin) for _, weights, origin in raw())
            )
        )

        def varied(weights: Array, origin: npt.NDArray[np.intp], here: Any) -> Variations:
            if morpher is None:
                return {}
            up, down = nuisance_effects.factors(morpher, weights, origin, of_origin)
            return dict(zip(self.nuisance_parameters, zip(up[:, here], down[:, here], strict=True), strict=True))

        done, first = 0, start
        for x, weights, origin in raw():
            shares = balance_shares(weights[:, :n_physical], origin, means) if balanced else factors[origin]
            scaled = weights[:, :n_physical] * (correction * shares)[:, np.newaxis]
            here = slice(None) if benchmark is None else (origin == benchmark) | (origin < 0)
            labels = partial(self._labels, first, first + len(origin), here)
            variations = partial(varied, weights, origin, here)
            yield Block(Events(x[here], scaled[here]), origin[here], variations, done, labels)
            done, first = done + len(origin[here]), first + len(origin)

    def _raw(self, start: int, end: int) -> Iterator[tuple[Array, Array, npt.NDArray[np.intp]]]:
        """Observables, weights as they are stored and sampled benchmarks of some events of the file."""
        for rows in slices(end - start, self._width):
            x, weights, origin = read(self._path, self._rows, slice(start + rows.start, start + rows.stop))
            yield np.asarray(x, float), np.asarray(weights, float), np.asarray(origin, np.intp)

    def _load(self, partition: Partition, near: Array | None, *, balanced: bool) -> Events:
        n, n_all = self.n_kept(partition)
        if n < n_all:
            log.info("%s partition: the first %d of %d events are in memory", partition, n, n_all)
        x = np.empty((n, len(self.observables)))
        weights = np.empty((n, int(self._file.n_benchmarks_phys)))
        size = 0
        for block in self._blocks(partition, near, balanced=balanced, kept=True):
            size = block.start + len(block.origin)
            x[block.start : size], weights[block.start : size] = block.events.x, block.events.weights
        if not size:
            raise StepError(f"no event of the {partition} partition was generated near {near}: generate more events")
        return Events(x[:size], weights[:size])
