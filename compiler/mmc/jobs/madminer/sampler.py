"""MadMiner's sampler, with the work that all parameter points share done once."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mmc.errors import StepError
from mmc.jobs.madminer import analysis_workarounds
from mmc.jobs.madminer.balance import balance_shares, mean_weights
from mmc.jobs.madminer.event_block import BYTES, Block
from mmc.jobs.madminer.event_rows import block_rows, width

MOST = 1 << 29
"""The bytes of events that are kept in memory, at most; larger files are read again for every parameter point."""
MOST_NEGATIVE = 0.01
"""The largest part of the cross section that events with negative weights may have where samples are drawn."""


def make_sampler(path: Path, *, balanced: bool = True) -> Any:
    """MadMiner's ``SampleAugmenter``, ten times faster.

    :param balanced: whether events of all benchmarks, where samples are not from the closest one alone, are combined
        with the balance heuristic, as in :class:`mmc.jobs.madminer.event_file.EventFile`, or as MadMiner does

    For every parameter point the stock sampler reads the file three times, sums over all events four times, and
    computes gradients for all events instead of the few that it draws. The samples are the same (a test compares them).
    """
    analysis_workarounds.apply()
    from madminer.sampling import SampleAugmenter
    from madminer.utils.various import mdot

    class CachedSampler(SampleAugmenter):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(str(path))
            self._width = width(path)
            self._batches: dict[Any, Sequence[tuple[Any, ...]]] = {}
            self._kept = 0
            """The bytes of :attr:`_batches`, which are all of one partition."""
            self._means: dict[Any, Any] = {}
            """The mean weights of some events, for the balance heuristic."""
            self._sums: dict[Any, tuple[Any, ...]] = {}
            self._closest: dict[Any, int | None] = {}
            self.resamples = False
            """Whether events count a random number of times, Poisson-distributed with mean 1 (bootstrap)."""
            self._states: dict[Any, Any] = {}
            """The state of numpy's global generator before these numbers of each part of the events."""
            self.left_out = 0.0
            """The largest fraction of the cross section at a point that ``n_eff_forced`` left out."""
            self.negative = 0.0
            """The largest fraction of the cross section at a point that events with negative weights have."""

        def _find_closest_benchmark(self, theta: Any) -> int | None:
            key = None if theta is None else np.asarray(theta).tobytes()
            if key not in self._closest:
                self._closest[key] = super()._find_closest_benchmark(theta)
            return self._closest[key]

        def _combine_thetas_nus(self, all_thetas: Any, all_nus: Any) -> Any:
            """Each point with the nuisance parameters in further columns; nominal ones, which are None, are 0."""
            if self.nuisance_morpher is None:
                return all_thetas
            nominal = np.zeros((len(all_thetas[0]), self.n_nuisance_parameters))
            numbers = [nominal if nus.dtype == object else nus for nus in all_nus]
            return [np.hstack(both) for both in zip(all_thetas, numbers, strict=True)]

        def event_loader(self, start: int = 0, end: int | None = None, **options: Any) -> Any:
            near = options.pop("generated_close_to", None)
            assert not options, options
            yield from self._loaded(start, end, near)  # for MadMiner's `_sample_set`

        def _loaded(self, start: int, end: int | None, near: Any) -> Iterable[tuple[Any, Block]]:
            """Observables and weights of some events a block at a time, which stay in memory as far as they fit."""
            benchmark = self._find_closest_benchmark(near)
            key = (start, end, benchmark, self.resamples)
            if key in self._batches:
                return self._batches[key]
            if any(other[:2] != (start, end) for other in self._batches):  # the samples of that partition are drawn
                self._batches.clear()
                self._kept = 0
            weighted = self._resampled(self._batches_of(start, end, near), key)
            batches = ((x, Block(weights, self.nuisance_morpher)) for x, weights in weighted)
            n_bytes = (self._width + BYTES * self.n_nuisance_parameters) * ((end or self.n_samples) - start)
            if benchmark is not None:
                n_near = self.n_events_generated_per_benchmark[benchmark] + self.n_events_backgrounds
                n_bytes = n_bytes * int(n_near) // self.n_samples
            if self._kept + n_bytes > MOST:
                return batches
            self._kept += n_bytes
            self._batches[key] = list(batches)
            return self._batches[key]

        def _batches_of(self, start: int, end: int | None, near: Any) -> Iterator[tuple[Any, Any]]:
            """Observables and weights of some events a block at a time, combined as samples need them."""
            load = partial(super().event_loader, start=start, end=end, batch_size=block_rows(self._width))
            if near is not None or not balanced:
                yield from load(generated_close_to=near)
                return
            factors, n_physical = self._calculate_sampling_factors(), self.n_benchmarks_phys
            own = (
                (x, weights / factors[origin][:, np.newaxis], origin)
                for x, weights, origin in load(return_sampling_ids=True)
            )
            if (start, end) not in self._means:
                self._means[start, end] = mean_weights(
                    (weights / factors[origin][:, np.newaxis], origin)
                    for _, weights, origin in load(return_sampling_ids=True)
                )
            means = self._means[start, end]
            for x, weights, origin in own:
                yield x, weights * balance_shares(weights[:, :n_physical], origin, means)[:, np.newaxis]

        def _resampled(self, batches: Iterable[tuple[Any, Any]], key: Any) -> Iterator[tuple[Any, Any]]:
            """The batches, with weights multiplied by random numbers if events are resampled."""
            if not self.resamples:
                yield from batches
                return
            numbers: Any = np.random
            if key in self._states:
                numbers = np.random.RandomState()
                numbers.set_state(self._states[key])
            else:
                self._states[key] = np.random.get_state()
            for x, weights in batches:
                yield x, weights * numbers.poisson(1.0, len(weights))[:, np.newaxis]

        def _sample_set(self, set_: Any, **options: Any) -> Any:
            where = {name: options[name] for name in ("partition", "test_split", "validation_split")}
            theta, nu = set_[options["sampling_index"]]
            near = self._get_theta_value(theta) if options["sample_only_from_closest_benchmark"] else None
            probabilities = self._probabilities(theta, nu, near, **where)
            self._check_signs(probabilities, theta)
            if options["n_eff_forced"] is not None:
                self._check_trimming(probabilities, options["n_eff_forced"])
            return super()._sample_set(set_, **options)

        def sample_train_weights(
            self,
            points: Any,
            n_samples: int,
            *,
            sample_only_from_closest_benchmark: bool,
            n_eff_forced: float | None = None,
            double_precision: bool = False,
            n_processes: int = 1,
            **where: Any,
        ) -> tuple[Any, Any, Any]:
            """Events drawn at several points in equal numbers, with their weights at the benchmarks.

            The weights are relative to the density of all samples together, the mean of the densities at the points.

            :param points: shape (points, parameters)
            :returns: observables (samples, observables), weights in pb (samples, benchmarks), and the effective number
                of samples at each point, as MadMiner defines it
            """
            del n_processes
            x: list[Any] = []
            weights: list[Any] = []
            sizes: list[float] = []
            density = np.zeros(self.n_benchmarks)
            for point in points:
                near = point if sample_only_from_closest_benchmark else None
                p = self._probabilities(point, None, near, **where)
                self._check_signs(p, point)
                if n_eff_forced is not None:
                    self._check_trimming(p, n_eff_forced)
                    p = np.where(p > 1.0 / n_eff_forced, 0.0, p)
                p = np.maximum(p, 0.0)
                cumulative = np.cumsum(p)
                u = np.random.rand(max(round(n_samples / len(points)), 1)) * cumulative[-1]
                rows = np.minimum(np.searchsorted(cumulative, u, side="right"), len(p) - 1)
                for drawn, values in zip((x, weights), self._events(rows, near, **where), strict=True):
                    drawn.append(values)
                (total,), _ = self.xsecs([point], [None], generated_close_to=near, **where)
                density += self._get_theta_benchmark_matrix(point) / (total * len(points))
                sizes.append(1.0 / max(1e-12, p.max()))
            all_weights = np.concatenate(weights)
            mixture = all_weights @ density
            relative = all_weights / np.where(mixture > 0.0, mixture, np.nan)[:, np.newaxis]
            dtype = np.float64 if double_precision else np.float32
            return np.concatenate(x).astype(dtype), relative[:, : self.n_benchmarks_phys], np.array(sizes)

        def _events(self, rows: Any, near: Any, **where: Any) -> tuple[Any, Any]:
            """Observables and weights of some events of a partition, shape (rows, ...)."""
            start, end, _ = self._calculate_partition_bounds(*where.values())
            x, weights = np.empty((len(rows), self.n_observables)), np.empty((len(rows), self.n_benchmarks))
            done = 0
            for some_x, block in self._loaded(start, end, near):
                here = (rows >= done) & (rows < done + len(some_x))
                x[here], weights[here] = some_x[rows[here] - done], block.weights[rows[here] - done]
                done += len(some_x)
            return x, weights

        def _probabilities(self, theta: Any, nu: Any, near: Any, **where: Any) -> Any:
            """The part of each event of a partition in the cross section at a point, shape (events,).

            :raises RuntimeError: when the cross section is not positive; MadMiner would draw negative events there
            """
            start, end, factor = self._calculate_partition_bounds(*where.values())
            matrix = self._get_theta_benchmark_matrix(theta)
            (total,), _ = self.xsecs([theta], [nu], generated_close_to=near, **where)
            if not total > 0.0:
                raise RuntimeError(f"the cross section is not positive {self._place(theta)}")
            blocks = (block for _, block in self._loaded(start, end, near))
            return factor / total * np.concatenate([mdot(matrix, each.weights) * each.factors(nu) for each in blocks])

        def _place(self, theta: Any) -> str:
            values = zip(self.parameters, self._get_theta_value(theta), strict=True)
            return "at " + ", ".join(f"{name} = {value:.4g}" for name, value in values)

        def _check_signs(self, probabilities: Any, theta: Any) -> None:
            """Check the events with negative weights, which no sample can contain. MadMiner leaves them out.

            :raises StepError: when they are more than :data:`MOST_NEGATIVE` of the cross section
            """
            negative = -float(probabilities[probabilities < 0.0].sum())
            self.negative = max(self.negative, negative)
            if negative > MOST_NEGATIVE:
                raise StepError(
                    f"events with negative weights are {negative:.1%} of the cross section {self._place(theta)}: "
                    f"samples would leave them out, and be wrong beyond {MOST_NEGATIVE:.0%}; draw samples at other "
                    "points, or remove the methods and use the baselines `rate` and `histogram`, which use all weights "
                    "with their signs"
                )

        def _check_trimming(self, probabilities: Any, n_eff_forced: float) -> None:
            """Check the cross section that is left out: MadMiner would draw for ever where all events are left out.

            :raises RuntimeError: when most of the cross section is left out
            """
            positive = np.maximum(probabilities, 0.0)
            left_out = float(positive[positive > 1.0 / n_eff_forced].sum() / positive.sum())
            self.left_out = max(self.left_out, left_out)
            if left_out > 0.5:
                raise RuntimeError(
                    f"n_eff_forced = {n_eff_forced:g} leaves out {left_out:.0%} of the cross section at a point"
                )

        def xsecs(self, thetas: Any, nus: Any, **where: Any) -> tuple[Any, Any]:
            matrices = [self._get_theta_benchmark_matrix(theta) for theta in thetas]
            sums = [self._weight_sums(nu, **where) for nu in nus]
            total, squares = (
                np.array([mdot(matrix, item[k]) for matrix, item in zip(matrices, sums, strict=True)]) for k in (0, 1)
            )
            return total, np.sqrt(np.maximum(squares, 0.0))

        def xsec_gradients(self, thetas: Any, nus: Any, gradients: str, **where: Any) -> Any:
            rows = []
            for theta, nu in zip(thetas, nus, strict=True):
                total, _, varied = self._weight_sums(nu, **where)
                row = mdot(self._get_dtheta_benchmark_matrix(theta), total)
                by_nu = [varied @ self._get_theta_benchmark_matrix(theta)] if gradients == "all" else []
                rows.append(np.concatenate([row, *by_nu]))
            return np.array(rows)

        def _weight_sums(
            self, nu: Any, partition: str, test_split: float, validation_split: float, generated_close_to: Any
        ) -> tuple[Any, ...]:
            """Sums over the events of a partition: of the benchmark weights, of their squares (for errors), and of
            their derivatives by the nuisance parameters, shape (nuisance parameters, benchmarks)."""
            point = None if nu is None else np.asarray(nu).tobytes()
            key = (point, partition, test_split, validation_split, self._find_closest_benchmark(generated_close_to))
            if key not in self._sums:
                start, end, factor = self._calculate_partition_bounds(partition, test_split, validation_split)
                total: Any = 0.0
                squares: Any = 0.0
                varied: Any = 0.0
                n_events = 0
                for _, block in self._loaded(start, end, generated_close_to):
                    factors, w = block.factors(nu), block.weights
                    total, squares = total + factors @ w, squares + factors @ w**2
                    varied = varied + (factors * block.slopes(nu)) @ w
                    n_events += len(w)
                if not n_events:
                    raise RuntimeError(f"no event was generated near {generated_close_to}")
                self._sums[key] = (factor * total, factor**2 * squares, factor * varied)
            return self._sums[key]

        def _weights(self, thetas: Any, nus: Any, block: Block, theta_matrices: Any) -> Any:
            factors = np.stack([block.factors(nu) for nu in nus])
            return factors * mdot(np.asarray(theta_matrices), block.weights)

        def _weight_gradients(
            self, thetas: Any, nus: Any, block: Block, gradients: str, **matrices: Sequence[Any]
        ) -> Any:
            return _Gradients(nus, block, by_nu=gradients == "all", **matrices)

    class _Gradients:
        """Gradients of the weights, shape (points, parameters, events), computed for the requested events."""

        def __init__(
            self,
            nus: Any,
            block: Block,
            *,
            by_nu: bool,
            theta_matrices: Sequence[Any],
            theta_gradient_matrices: Sequence[Any],
        ) -> None:
            self._nus, self._block, self._by_nu = nus, block, by_nu
            self._matrices, self._gradients = np.asarray(theta_matrices), np.asarray(theta_gradient_matrices)

        def __getitem__(self, key: tuple[slice, slice, Any]) -> Any:
            block = self._block.rows(key[2])
            factors = np.stack([block.factors(nu) for nu in self._nus])
            found = mdot(self._gradients, block.weights) * factors[:, np.newaxis]
            if not self._by_nu:
                return found
            at_points = mdot(self._matrices, block.weights) * factors
            slopes = np.stack([block.slopes(nu) for nu in self._nus])
            return np.concatenate([found, slopes * at_points[:, np.newaxis]], axis=1)

    return CachedSampler()
