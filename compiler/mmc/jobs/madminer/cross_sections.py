"""Cross sections at the benchmarks from the events of a file, and their errors.

Of the n_k events of sample k that were generated, some pass the cuts; w_i are the weights of all events that pass, and
S_k is the sum of those of sample k. The cross section Σ_i w_i is a sum of means over independent events, which are 0
where an event does not pass, so its variance is

    Σ_i w_i² - Σ_k S_k² / n_k :

binomial for equal weights, (1 - ε)/(ε n_k) relative to the cross section with the efficiency ε. Where n_k is not known,
the number of events that pass is taken as Poisson distributed, which is the limit of many generated events. A *sample*
here is what was generated together: a sample of the study, of one slice, at one benchmark. Where samples are not known,
all events are taken as one.

The errors of the integration of the cross sections are common to all events of a sampled benchmark.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class CrossSections:
    """The sums of the weights of the events that pass, in pb."""

    of_samples: Array
    """Of the events of each sample, shape (samples, benchmarks)."""
    n_passed: Array
    """Shape (samples,)."""
    n_generated: Array
    """Shape (samples,); infinite where it is not known."""
    of_origins: Array
    """Of backgrounds, and of the events of each sampled benchmark, shape (benchmarks + 1, benchmarks)."""
    integration_errors: Array | None
    """The relative errors of the latter from the integration, shape (benchmarks + 1,); None if they are not known."""

    @classmethod
    def of(
        cls, blocks: Iterable[tuple[Array, Indices, Indices]], record: Mapping[str, Any], benchmarks: Sequence[str]
    ) -> "CrossSections":
        """The sums from the weights (events, benchmarks), origins and labels (events,) of all events.

        :param record: how the events were combined; empty if it is not known, and then all labels are 0
        """
        samples, n = record.get("samples") or [{"n_generated": None}], len(benchmarks)
        of_samples, passed, of_origins = np.zeros((len(samples), n)), np.zeros(len(samples)), np.zeros((n + 1, n))
        for weights, origin, labels in blocks:
            for index in np.unique(origin):
                of_origins[index + 1] += weights[origin == index].sum(axis=0)
            for k in np.unique(labels):
                of_samples[k] += weights[labels == k].sum(axis=0)
                passed[k] += np.count_nonzero(labels == k)
        numbers = [np.inf if entry["n_generated"] is None else entry["n_generated"] for entry in samples]
        errors = record.get("integration_errors")
        if errors is not None:
            errors = np.array([errors["background"], *(errors["benchmarks"].get(name, 0.0) for name in benchmarks)])
        return cls(of_samples, passed, np.array(numbers, dtype=float), of_origins, errors)

    def covariance(self, products: Array) -> Array:
        """The covariance of the cross sections, shape (benchmarks, benchmarks).

        :param products: the sums of products of two weights over all events
        """
        return np.asarray(products - (self.of_samples.T / self.n_generated) @ self.of_samples)

    @property
    def count_changes(self) -> Array:
        """Independent changes of the cross sections by the errors of the numbers of events that pass.

        The weights of these events have errors of their own. Shape (changes, benchmarks), as many as benchmarks or
        samples, whichever are fewer.
        """
        some = self.n_passed > 0.0
        variances = np.maximum(1.0 / self.n_passed[some] - 1.0 / self.n_generated[some], 0.0)
        each = self.of_samples[some] * np.sqrt(variances)[:, np.newaxis]
        return np.asarray(np.linalg.qr(each, mode="r")) if each.any() else each[:0]

    @property
    def integration_changes(self) -> Array | None:
        """The changes of the cross sections by one error of each integrated cross section.

        The weights of all events of a sampled benchmark are wrong by the same factor. Shape (integrations, benchmarks);
        None if the errors are not known.
        """
        if self.integration_errors is None:
            return None
        some = self.integration_errors != 0.0
        return np.asarray(self.of_origins[some] * self.integration_errors[some, np.newaxis])

    def integration_error(self, coefficients: Array) -> float | None:
        """The relative error of the cross section at a point from the integration; None if it is not known.

        :param coefficients: the morphing coefficients of the point, shape (benchmarks,)
        """
        if self.integration_changes is None:
            return None
        total = self.of_origins.sum(axis=0) @ coefficients
        return float(np.linalg.norm(self.integration_changes @ coefficients) / abs(total))
