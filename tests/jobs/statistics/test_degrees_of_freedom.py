"""The degrees of freedom of limits: a likelihood of few numbers cannot measure many parameters."""

import numpy as np
import pytest
from mmc.jobs.statistics.limits import Grid, Limits


@pytest.mark.parametrize(("n_measured", "dof"), [(None, 2), (1, 1), (2, 2), (7, 2)])
def test_the_smaller_number_counts(n_measured: int | None, dof: int) -> None:
    grid = Grid({"a": np.array([0.0, 1.0]), "b": np.array([0.0, 1.0])})
    limits = Limits(grid, np.array([0.0, -2.0, -2.5, -9.0, 0.0]), n_measured)
    assert limits.dof == dof
    # -2 ln λ = 4 is inside 95 % with two degrees of freedom (5.99), outside with one (3.84)
    assert limits.allowed(0.95).sum() == (3 if dof == 2 else 1)
