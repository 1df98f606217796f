"""MadMiner's sampler, with the work that is the same for all parameter points done once."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmc.steps import madminer_compat


def make_sampler(path: Path) -> Any:
    """MadMiner's ``SampleAugmenter`` for a file without nuisance parameters, ten times faster.

    For every parameter point the stock one reads the file three times, sums over all events four times, and calculates
    gradients for all events to use those of the few that it draws. The samples are the same (a test compares them).
    """
    madminer_compat.apply()
    from madminer.sampling import SampleAugmenter
    from madminer.utils.various import mdot

    class CachedSampler(SampleAugmenter):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(str(path), include_nuisance_parameters=False)
            self._batches: dict[Any, Sequence[tuple[Any, ...]]] = {}
            self._sums: dict[Any, tuple[Any, Any]] = {}

        def event_loader(self, *args: Any, **kwargs: Any) -> Any:
            near = kwargs.pop("generated_close_to", None)
            key = (args, tuple(sorted(kwargs.items())), self._find_closest_benchmark(near))
            if key not in self._batches:
                self._batches[key] = list(super().event_loader(*args, generated_close_to=near, **kwargs))
            for x, weights, *more in self._batches[key]:
                yield x, weights.copy(), *more  # the caller scales the weights in place

        def xsecs(self, thetas: Any, nus: Any, **where: Any) -> tuple[Any, Any]:
            matrices = np.asarray([self._get_theta_benchmark_matrix(theta) for theta in thetas])
            total, squares = self._weight_sums(**where)
            return mdot(matrices, total), np.sqrt(np.maximum(mdot(matrices, squares), 0.0))

        def xsec_gradients(self, thetas: Any, nus: Any, gradients: str, **where: Any) -> Any:
            matrices = np.asarray([self._get_dtheta_benchmark_matrix(theta) for theta in thetas])
            return mdot(matrices, self._weight_sums(**where)[0])

        def _weight_sums(
            self, partition: str, test_split: float, validation_split: float, generated_close_to: Any
        ) -> tuple[Any, Any]:
            """Sums over the events of a partition of the benchmark weights and, for errors, of their squares."""
            key = (partition, test_split, validation_split, self._find_closest_benchmark(generated_close_to))
            if key not in self._sums:
                start, end, factor = self._calculate_partition_bounds(partition, test_split, validation_split)
                batches = list(self.event_loader(start=start, end=end, generated_close_to=generated_close_to))
                if not sum(len(x) for x, _ in batches):
                    raise RuntimeError(f"no event was generated near {generated_close_to}")
                total, squares = (sum((w**k).sum(axis=0) for _, w in batches) for k in (1, 2))
                self._sums[key] = (factor * total, factor**2 * squares)
            return self._sums[key]

        def _weight_gradients(self, thetas: Any, nus: Any, weights: Any, **options: Any) -> Any:
            return _Gradients(np.asarray(options["theta_gradient_matrices"]), weights)

    class _Gradients:
        """Gradients of the weights, shape (points, parameters, events), of the events that are asked for."""

        def __init__(self, matrices: Any, weights: Any) -> None:
            self._matrices, self._weights = matrices, weights

        def __getitem__(self, key: tuple[slice, slice, Any]) -> Any:
            return mdot(self._matrices, self._weights[key[2]])

    return CachedSampler()
