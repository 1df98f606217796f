"""Where training samples are, in each parameter: around their mean, as far as a number of standard deviations."""

from collections.abc import Sequence

import numpy as np

from mmc.jobs.madminer.event_file import Array

REACH = 2.0
"""A flat prior ends at √3 standard deviations. Beyond 2 there are 5 % of the samples of a Gaussian prior."""
NO_WIDTH = 1e-9
"""The width of an empty interval."""


def common(known: Sequence[tuple[Array, Array]]) -> tuple[Array, Array]:
    """The mean and the standard deviation of samples that reach as far as several samples all do.

    :param known: the means and the standard deviations of each of the samples, of shape (parameters,)
    """
    low = np.max([mean - REACH * width for mean, width in known], axis=0)
    high = np.min([mean + REACH * width for mean, width in known], axis=0)
    return 0.5 * (low + high), np.maximum(0.5 * (high - low) / REACH, NO_WIDTH)
