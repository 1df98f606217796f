"""Checks of MadMiner's samples before the training."""

import numpy as np
import pytest
from mmc.errors import StepError
from mmc.jobs.learning.samples import _repair


def test_negative_ratios_count_as_zero_and_undefined_ones_are_refused() -> None:
    arrays = {"x": np.zeros((4, 1)), "r_xz": np.array([[1.0], [-0.5], [2.0], [0.0]], dtype=np.float32)}
    assert _repair(arrays) == ["25.00% of the samples have a negative joint ratio, which is set to 0"]
    assert arrays["r_xz"].ravel().tolist() == [1.0, 0.0, 2.0, 0.0]
    assert arrays["r_xz"].dtype == np.float32
    assert _repair(arrays) == []
    with pytest.raises(StepError, match="t_xz is not finite in 1 of 2 samples"):
        _repair({"t_xz": np.array([[1.0, np.inf], [0.0, 0.0]])})
