"""Means of log ratios without some events, against a few lines of numpy."""

import numpy as np
from mmc.jobs.statistics.expectation import Expectation
from mmc.jobs.statistics.jackknife import GROUPS, group_of


def test_observed_events_have_the_errors_of_the_normalisation() -> None:
    """The ratio without a group of events is divided by its mean over the others; observed events stay as they are."""
    random, observed = np.random.default_rng(5), np.array([0.3, -0.1, 0.0])
    logs, p, q = random.normal(0.0, 0.2, (3, 300)), *random.dirichlet(np.ones(300), 2)
    found, alone = Expectation(p, q, 3), Expectation(p, None, 3)
    for rows in (slice(0, 130), slice(130, 300)):
        found.add(logs[:, rows], rows)
        alone.add(logs[:, rows], rows)
    expected = []
    for group in range(GROUPS):
        kept = group_of(300) != group
        expected.append(observed - np.log(np.exp(logs[:, kept]) @ q[kept] / q[kept].sum()))
    result = found.observed(observed)
    assert result.replicas is not None and result.changed is None
    np.testing.assert_allclose(result.replicas, expected)
    np.testing.assert_array_equal(alone.observed(observed).replicas, np.tile(observed, (GROUPS, 1)))
