"""Samples of two groups of events, from which a network learns to separate them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmc.jobs.madminer.event_file import Array


def draw_classes(
    samplers: Sequence[Any], thetas: Sequence[tuple[str, Any]], n_parameters: int, common: Mapping[str, Any]
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Half of the samples of the numerator's group at ``theta0``, half of the denominator's group at ``theta1``.

    The samples of the denominator stand beside the same points ``theta0``, in another order, so that the output of the
    network is p(x | θ0, numerator) / p(x | θ1, denominator).

    :param samplers: of the numerator and of the denominator
    :param thetas: MadMiner's arguments for ``theta0`` and ``theta1``
    :returns: the arrays of a partition, and MadMiner's effective sample sizes
    """
    half = {**common, "n_samples": -(-common["n_samples"] // 2)}
    drawn = [
        sampler.sample_train_plain(theta=theta, nu=None, **half)
        for sampler, theta in zip(samplers, thetas, strict=True)
    ]
    (x0, theta0, size0), (x1, theta1, size1) = drawn
    n = min(len(x0), len(x1))
    numerators = theta0[:n, :n_parameters]
    return {
        "x": np.concatenate([x0[:n], x1[:n]]),
        "theta0": np.concatenate([numerators, numerators[np.random.permutation(n)]]),
        "theta1": np.broadcast_to(theta1[0, :n_parameters], (2 * n, n_parameters)).copy(),
        "y": np.repeat([0.0, 1.0], n).astype(x0.dtype)[:, np.newaxis],
    }, {"theta0": np.atleast_1d(size0), "theta1": np.atleast_1d(size1)}
