"""Cross sections at the benchmarks from the events of a file, and their errors.

Of the n_k events of sample k that were generated, some pass the cuts; w_i are the weights of all events that pass, and
S_k is the sum of those of sample k. The cross section Σ_i w_i is a sum of means over independent events, which are 0
where an event does not pass. The integration of the cross section of sample k has the relative error ε_k, which all its
events share. So two sums A and B over events of the same samples have the covariance

    Cov(A, B) = Σ_{i in both} w_Ai w_Bi + Σ_k (ε_k² - 1/n_k) S_Ak S_Bk :

two benchmarks, two regions, disjoint or not, or two groups of samples. The variance of a single one without ε_k is
binomial for equal weights, (1 - ε)/(ε n_k) relative to the cross section with the efficiency ε. Where n_k is not known,
the number of events that pass is taken as Poisson distributed, which is the limit of many generated events. A *sample*
here is what was generated together: a sample of the study, of one slice, at one benchmark. Where samples are not known,
all events are taken as one.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
NEGLIGIBLE = 1e-12
"""Independent errors whose variance is smaller than this part of the largest are left out."""


@dataclass(frozen=True)
class CrossSections:
    """The sums of the weights of the events that pass, in pb, or in expected events."""

    names: npt.NDArray[np.int64]
    """Digests of the names of the samples, which identify them also in other files; shape (samples,)."""
    of_samples: Array
    """Of the events of each sample, shape (samples, benchmarks)."""
    n_generated: Array
    """Shape (samples,); infinite where it is not known."""
    integration: Array
    """The relative errors of the cross sections from their integration, shape (samples,); NaN where it is not known."""
    products: Array
    """The sums of the products of two weights over all events, shape (benchmarks, benchmarks)."""

    @classmethod
    def of(
        cls, blocks: Iterable[tuple[Array, Indices]], samples: Sequence[Mapping[str, Any]], n_benchmarks: int
    ) -> "CrossSections":
        """The sums from the weights (events, benchmarks) and labels (events,) of all events.

        :param samples: as they are recorded; empty if they are not known, and then all labels are 0
        """
        known = samples or [{"n_generated": None}]
        of_samples, products = np.zeros((len(known), n_benchmarks)), np.zeros((n_benchmarks, n_benchmarks))
        for weights, labels in blocks:
            for k in np.unique(labels):
                of_samples[k] += weights[labels == k].sum(axis=0)
            products += weights.T @ weights
        numbers = [np.inf if entry["n_generated"] is None else entry["n_generated"] for entry in known]
        return cls(
            names_of(known),
            of_samples,
            np.array(numbers, dtype=float),
            np.array([entry.get("integration_error", np.nan) for entry in known], dtype=float),
            products,
        )

    def times(self, factor: float) -> "CrossSections":
        """The expected events for a luminosity."""
        return replace(self, of_samples=factor * self.of_samples, products=factor**2 * self.products)

    def covariance(self, other: "CrossSections | None" = None, both: Array | float = 0.0) -> Array:
        """The covariance of these sums, or with those over other events, shape (benchmarks, benchmarks).

        :param both: the sums of the products of the weights here and there of the events that are in both
        """
        if other is None:
            other, both = self, self.products
        _, here, there = np.intersect1d(self.names, other.names, return_indices=True)
        return np.asarray(both + (self.of_samples[here].T * self.common_of()[here]) @ other.of_samples[there])

    @property
    def integration_changes(self) -> Array:
        """The sums' independent errors from the integration, of each sample, shape (samples, benchmarks); 0 where it is
        not known."""
        return np.asarray(np.nan_to_num(self.integration)[:, np.newaxis] * self.of_samples)

    @property
    def changes(self) -> Array:
        """Independent errors of the sums, shape (changes, benchmarks); the last ones are the
        :attr:`integration_changes`."""
        integration = self.integration_changes
        return np.concatenate([independent_changes(self.covariance() - integration.T @ integration), integration])

    def common_of(self, part: float = 1.0) -> Array:
        """ε_k² - 1/n_k of a part of all events, shape (samples,)."""
        return np.asarray(np.nan_to_num(self.integration) ** 2 - 1.0 / (part * self.n_generated))

    def integration_error(self, coefficients: Array, others: "Sequence[CrossSections]" = ()) -> float | None:
        """The relative error of the cross section at a point from the integration; None if it is not known.

        The error of a sample is the same in all regions and groups.

        :param coefficients: the morphing coefficients of the point, shape (benchmarks,)
        :param others: further sums that are added
        """
        every = (self, *others)
        names, errors = (np.concatenate([getattr(one, name) for one in every]) for name in ("names", "integration"))
        if np.isnan(errors).any():
            return None
        of_samples = np.concatenate([one.of_samples @ coefficients for one in every])
        each = np.bincount(np.unique(names, return_inverse=True)[1], weights=errors * of_samples)
        return float(np.linalg.norm(each) / abs(of_samples.sum()))


def names_of(samples: Sequence[Mapping[str, Any]]) -> npt.NDArray[np.int64]:
    """:attr:`CrossSections.names` of samples as they are recorded."""
    return np.array([_digest(entry) for entry in samples], dtype=np.int64)


def _digest(sample: Mapping[str, Any]) -> int:
    """64 bits of a digest of what was generated together."""
    text = json.dumps([sample.get(key) for key in ("sample", "slice", "benchmark")])
    return int.from_bytes(sha256(text.encode()).digest()[:8], "big", signed=True)


def independent_changes(covariance: Array) -> Array:
    """Independent changes of sums with this covariance, each by one standard deviation: shape (changes, sums)."""
    values, vectors = np.linalg.eigh(covariance)
    some = values > NEGLIGIBLE * values.max(initial=0.0)
    return np.asarray((vectors[:, some] * np.sqrt(values[some])).T)
