"""The order of the events of a MadMiner file, which must be random.

The first events of a file are for training, the next for validation, the last for tests. If the events are ordered, for
example by the benchmark at which they were generated, the three parts follow different distributions.
"""

import logging
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from scipy.special import chdtrc

from mmc.jobs.madminer import event_writer
from mmc.jobs.madminer.event_file import Array
from mmc.jobs.madminer.event_rows import DATASETS, blocks_of, rows_of, spaced_blocks, width

BLOCKS = 10
"""The number of blocks of consecutive events that are compared."""
CHANCE = 1e-9
"""Blocks of randomly ordered events differ by more with this probability."""
LOOKED_AT = 1 << 28
"""The bytes of the events that are compared, at most: of a larger file, events at equal distances."""

log = logging.getLogger(__name__)


def copy_shuffled(path: Path, out: Path, seed: int) -> str:
    """Copy a file, and shuffle its events if their order is not random.

    :returns: the reason for shuffling, empty if the order is random
    """
    n_events = len(rows_of(str(path))[0])
    step = max(-(-n_events * width(path) // LOOKED_AT), 1)
    parts = zip(*spaced_blocks(path, step), strict=True)
    tables = dict(zip(DATASETS, map(np.concatenate, parts), strict=True))
    reason = next(_ordered(tables), "")
    if not reason:
        shutil.copyfile(path, out)
        return ""
    del tables
    event_writer.copy_declarations(path, out)
    shapes = [column.shape for column in rows_of(str(path))]
    event_writer.add_events(out, lambda: blocks_of(path), shapes, np.random.default_rng(seed))
    log.warning("the events are not in random order (%s): they are shuffled", reason)
    return reason


def _ordered(tables: Mapping[str, Array]) -> Iterator[str]:
    """The quantities whose distribution changes along the file."""
    origins = tables["sampling_benchmarks"]
    for origin in np.unique(origins):
        if _changes((origins == origin).astype(float)):
            yield f"the share of events from benchmark {origin} changes along the file"
    for name in ("weights", "observations"):
        for column in tables[name].T:
            if _changes(ranks(column)):
                yield f"the {name} change along the file"


def ranks(values: Array) -> Array:
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
