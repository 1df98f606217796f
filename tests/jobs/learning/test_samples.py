"""Checks of MadMiner's samples before the training."""

import numpy as np
import pytest
from mmc.compiler.catalogue.methods import METHODS
from mmc.errors import StepError
from mmc.jobs.learning.sample_checks import check_effective, repair


def test_negative_ratios_count_as_zero_and_undefined_ones_are_refused() -> None:
    ratios = np.ones((200, 1), dtype=np.float32)
    ratios[:3, 0] = -0.5, 2.0, 0.0
    arrays = {"x": np.zeros((200, 1)), "r_xz": ratios}
    assert repair(arrays, METHODS["alice"]) == ["0.50% of the samples have a negative joint ratio, which is set to 0"]
    assert arrays["r_xz"][:4, 0].tolist() == [0.0, 2.0, 0.0, 1.0]
    assert arrays["r_xz"].dtype == np.float32
    assert repair(arrays, METHODS["alice"]) == []
    with pytest.raises(StepError, match="t_xz is not finite in 1 of 2 samples"):
        repair({"t_xz": np.array([[1.0, np.inf], [0.0, 0.0]])}, METHODS["sally"])


def test_many_negative_ratios_are_refused_if_the_method_uses_them() -> None:
    arrays = {"r_xz": np.where(np.arange(100) < 2, -0.5, 1.0)[:, np.newaxis], "t_xz": np.full((100, 1), np.nan)}
    with pytest.raises(StepError, match=r"2\.0% of the samples have a negative joint ratio.*use carl"):
        repair(arrays, METHODS["alice"])
    assert repair(arrays, METHODS["carl"]) == []


def test_effective_sample_sizes_are_compared_with_the_events_of_the_same_file() -> None:
    sizes = {"theta0": np.array([900.0]), "theta1": np.array([5_000.0])}
    assert check_effective(sizes, {"theta0": 1_000, "theta1": 10_000}, "train") == []
    (warning,) = check_effective(sizes, {"theta0": 10_000, "theta1": 10_000}, "train")
    assert warning.startswith("train: the effective sample size is only 900 from 10000 events")
    (warning,) = check_effective(sizes, {"theta0": 1_000, "theta1": 100_000}, "train")
    assert warning.startswith("train: the effective sample size is only 5000 from 100000 events")
    sizes["theta1"] = np.ones(1)
    with pytest.raises(StepError, match=r"train samples at theta1 have .* 1\.0 from 7 events"):
        check_effective(sizes, {"theta0": 1_000, "theta1": 7}, "train")
