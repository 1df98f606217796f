"""Events that MadMiner's sampler visits again for every parameter point: what all points share is calculated once."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mmc.jobs.madminer import nuisance_effects
from mmc.jobs.madminer.nuisance_effects import Array

BYTES = 32
"""What is kept of an event for each nuisance parameter: its effect, in two numbers, for two scales."""


@dataclass
class Block:
    """The weights of some events, and the effects of nuisance parameters on them."""

    weights: Array
    """In pb, shape (events, benchmarks)."""
    morpher: Any
    """MadMiner's ``NuisanceMorpher``; None without nuisance parameters."""
    scale: float = 1.0
    _exponents: dict[float, tuple[Array, Array]] = field(default_factory=dict)
    """By scale: ratios of weights depend on it, in their last digit."""

    def __imul__(self, factor: float) -> "Block":
        """The same events with other weights; MadMiner writes ``block *= factor`` and goes on with the result."""
        return Block(self.weights * factor, self.morpher, self.scale * factor, self._exponents)

    def __len__(self) -> int:
        return len(self.weights)

    def rows(self, rows: Any) -> "Block":
        """Some of the events."""
        known = {scale: (a[:, rows], b[:, rows]) for scale, (a, b) in self._exponents.items() if scale == self.scale}
        return Block(self.weights[rows], self.morpher, self.scale, known)

    def factors(self, nu: Array | None) -> Array:
        """The factors of the nuisance parameters on the weights, shape (events,)."""
        if nu is None:
            return np.ones(len(self))
        (a, b), column = self._known(), nu[:, np.newaxis]
        factors: Array = np.exp(np.sum(a * column + b * column**2, axis=0))
        return factors

    def slopes(self, nu: Array | None) -> Array:
        """Derivatives of the logarithm of the weights by the nuisance parameters, shape (parameters, events)."""
        if self.morpher is None:
            return np.zeros((0, len(self)))
        a, b = self._known()
        return a + 2.0 * b * (np.zeros(len(a)) if nu is None else nu)[:, np.newaxis]

    def _known(self) -> tuple[Array, Array]:
        """MadMiner's a and b, both of the shape (nuisance parameters, events)."""
        if self.scale not in self._exponents:
            ratios = nuisance_effects.factors(self.morpher, self.weights)
            self._exponents[self.scale] = nuisance_effects.exponents(*ratios)
        return self._exponents[self.scale]
