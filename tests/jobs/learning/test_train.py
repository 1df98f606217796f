"""The end of a training: kept epoch and divergence."""

from typing import Any

import numpy as np
import pytest
from mmc.jobs.learning.train import DivergedError, _check

from tests.jobs.learning_jobs import TRAINING


@pytest.mark.parametrize(
    ("losses", "patience", "expected"),
    [
        ([3.0, 1.0, 2.0], None, (3, 2)),
        ([3.0, 1.0, 2.0, 2.0], 1, (4, 2)),
        ([3.0, 1.0, 2.0], 1, "NaN in epoch 4"),
        ([], None, "not finite in epoch 1"),
        ([1.0, float("inf")], None, "not finite in epoch 2"),
    ],
)
def test_how_a_training_ended(losses: list[float], patience: int | None, expected: Any) -> None:
    n_epochs = 3 if expected == (3, 2) else 10
    training = {**TRAINING, "n_epochs": n_epochs, "early_stopping_patience": patience}
    if isinstance(expected, str):
        with pytest.raises(DivergedError, match=expected):
            _check((np.array(losses), np.array(losses)), training)
    else:
        assert _check((np.array(losses), np.array(losses)), training) == expected
