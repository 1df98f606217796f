"""The simulated events that two files have in common: regions of the same samples, or groups that share samples."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mmc.jobs.madminer.cross_sections import names_of
from mmc.jobs.madminer.event_file import MOST, Array, EventFile

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SharedEvents:
    """Sums over the events that are in both files."""

    n: int
    sums: Array
    """The sums of their weights in both files, in pb, shape (2, benchmarks)."""
    products: Array
    """The sums of products of the weights in the first and in the second file, shape (benchmarks, benchmarks)."""

    @classmethod
    def of(cls, first: EventFile, second: EventFile) -> "SharedEvents | None":
        """The sums, which are read in parts that fit into memory; None if the files share no event."""
        samples = np.intersect1d(names_of(first.samples), names_of(second.samples))
        if not len(samples):
            return None
        row = 8 * (len(first.benchmarks) + 1)
        n_parts = -(-max(first.n_events, second.n_events) * row // MOST)
        found = cls(0, np.zeros((2, len(first.benchmarks))), np.zeros((len(first.benchmarks), len(second.benchmarks))))
        for part in range(n_parts):
            (one, here), (other, there) = (_events(file, samples, part, n_parts) for file in (first, second))
            _, rows, columns = np.intersect1d(one, other, assume_unique=True, return_indices=True)
            here, there = here[rows], there[columns]
            sums = found.sums + np.stack([here.sum(axis=0), there.sum(axis=0)])
            found = cls(found.n + len(here), sums, found.products + here.T @ there)
        return found if found.n else None


def _events(file: EventFile, samples: Numbers, part: int, n_parts: int) -> tuple[Numbers, Array]:
    """What identifies each event of some samples in a part of the file, and its weights (events, benchmarks)."""
    names, numbers = names_of(file.samples), file.numbers
    place = np.where(np.isin(names, samples), np.searchsorted(samples, names), -1)
    keys, weights = [], []
    for block in file.blocks("all", balanced=True):
        own = np.asarray(numbers[block.start : block.start + len(block.origin)], dtype=np.int64)
        sample = place[block.labels()]
        kept = (sample >= 0) & (own % n_parts == part)
        keys.append(own[kept] * len(samples) + sample[kept])
        weights.append(block.events.weights[kept])
    return np.concatenate(keys), np.concatenate(weights)
