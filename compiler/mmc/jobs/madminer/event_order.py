"""The order of the events of a MadMiner file, which must be random.

The first events of a file are for training, the next for validation, the last for tests. If the events are ordered, for
example by the benchmark at which they were generated, the three parts follow different distributions.
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import chdtrc

from mmc.jobs.madminer.event_file import Array

BLOCKS = 10
"""The number of blocks of consecutive events that are compared."""
CHANCE = 1e-9
"""Blocks of randomly ordered events differ by more with this probability."""
PER_EVENT = ("observations", "weights", "sampling_benchmarks")
"""The datasets of ``samples`` with a row for each event."""

log = logging.getLogger(__name__)


def shuffle_if_ordered(path: Path, seed: int) -> str:
    """Shuffle the events of a file, in place, if their order is not random.

    :param path: a copy of the user's file
    :returns: the reason for shuffling, empty if the order is random
    """
    import h5py

    with h5py.File(path, "r+") as file:
        samples = file["samples"]
        reason = next(_ordered(samples), "")
        if not reason:
            return ""
        order = np.random.default_rng(seed).permutation(len(samples["observations"]))
        for name in PER_EVENT:
            samples[name][...] = samples[name][()][order]
    log.warning("the events are not in random order (%s): they are shuffled", reason)
    return reason


def _ordered(samples: Any) -> Iterator[str]:
    """The quantities whose distribution changes along the file."""
    origins = samples["sampling_benchmarks"][()]
    for origin in np.unique(origins):
        if _changes((origins == origin).astype(float)):
            yield f"the share of events from benchmark {origin} changes along the file"
    for name in ("weights", "observations"):
        for column in samples[name][()].T:
            if _changes(_ranks(column)):
                yield f"the {name} change along the file"


def _ranks(values: Array) -> Array:
    """The rank of each value; equal values have the mean of their ranks."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2.0)[places]


def _changes(values: Array) -> bool:
    """Whether the means of consecutive blocks differ by more than chance allows (a Kruskal-Wallis test if the values
    are ranks; for values of 0 and 1 the χ² test of equal shares)."""
    variance = values.var()
    if not variance > 0.0 or len(values) < 10 * BLOCKS:
        return False
    blocks = np.array_split(values, BLOCKS)
    statistic = sum(len(block) * (block.mean() - values.mean()) ** 2 for block in blocks) / variance
    return bool(chdtrc(BLOCKS - 1, statistic) < CHANCE)
