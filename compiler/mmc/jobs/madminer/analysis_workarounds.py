"""Work-arounds for MadMiner 0.9.6's analysis of event files; see :mod:`mmc.jobs.madminer.workarounds`."""

from functools import cache
from typing import Any

import numpy as np

from mmc.jobs.madminer import nuisance_effects, workarounds
from mmc.jobs.madminer.morphing_basis import units_of


@cache
def apply() -> None:
    """Let MadMiner's analysis find the closest benchmark, and effects of nuisance parameters that change the sign.

    - Stock MadMiner adds up squares of numbers with different units. It excludes benchmarks without events by a
      distance of 1e9, which is nothing for a parameter in small units of energy. Here parameters are in units of
      their ranges, as in the basis.
    - The share of each benchmark in the signal events is 0/0 in a file of backgrounds; here it is 0.
    - Events with a weight of 0 or of the other sign at a nuisance benchmark do not depend on the nuisance parameter.
    """
    workarounds.apply()
    from madminer.analysis import DataAnalyzer
    from madminer.utils.morphing import NuisanceMorpher

    def closest(self: Any, theta: Any) -> int | None:
        if theta is None:
            return None
        unit = units_of([parameter.val_range for parameter in self.parameters.values()])
        points = self._benchmark_array()[: self.n_benchmarks_phys]
        distances = np.linalg.norm((points - theta) / unit, axis=1)
        if len(self.n_events_generated_per_benchmark) > 0:
            distances[self.n_events_generated_per_benchmark == 0] = np.inf
        return int(np.argmin(distances))

    def sampling_factors(self: Any) -> Any:
        events = np.asarray(self.n_events_generated_per_benchmark, dtype=float)
        return np.append(events / max(events.sum(), 1.0), 1.0)  # 1 for backgrounds

    def exponents(self: Any, weights: Any) -> Any:
        return nuisance_effects.exponents(*nuisance_effects.factors(self, weights))

    DataAnalyzer._find_closest_benchmark = closest
    DataAnalyzer._calculate_sampling_factors = sampling_factors
    NuisanceMorpher.calculate_a = lambda self, weights: exponents(self, weights)[0]
    NuisanceMorpher.calculate_b = lambda self, weights: exponents(self, weights)[1]
