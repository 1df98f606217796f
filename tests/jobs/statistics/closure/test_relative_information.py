from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from mmc.jobs.statistics.closure.evidence import Compared
from mmc.jobs.statistics.closure.tests.relative_information import TEST


def found(factor: float, of: Any = "score", unit: float = 1.0) -> dict[str, Any]:
    """Joint scores of two components; the estimate knows 80 % of each variance. The second one has a factor."""
    random = np.random.default_rng(3)
    known, latent = random.normal(size=(2, 2, 10_000))
    estimated = 0.8**0.5 * known
    joint = estimated + 0.2**0.5 * latent
    units = np.array([[1.0], [unit]])
    estimated *= np.array([[1.0], [factor]])
    p = random.uniform(size=10_000)
    compared = Compared(of, [{}, {}], units * joint, units * estimated, p / p.sum())
    return TEST.measure(cast(Any, SimpleNamespace(compared=compared)))


@pytest.mark.parametrize("of", ["score", "ratio"])
@pytest.mark.parametrize("unit", [1.0, 1e12])
def test_the_information_of_a_part_is_a_part(of: str, unit: float) -> None:
    figures = found(1.0, of, unit)
    value, error = figures["relative_information"].values()
    assert value == pytest.approx(0.8, abs=4.0 * error + 0.01)
    assert TEST.grade(figures, cast(Any, None)) == ("passed", "")


def test_more_than_the_truth_knows_fails() -> None:
    figures = found(1.3)
    assert figures["relative_information"]["value"] == pytest.approx(1.3**2 * 0.8, abs=0.05)
    verdict, reason = TEST.grade(figures, cast(Any, None))
    assert verdict == "failed"
    assert reason.startswith("the estimate has 1.3")


def test_at_the_denominator_a_ratio_has_no_information() -> None:
    random = np.random.default_rng(4)
    joint = np.stack([1.0 + 1e-16 * random.normal(size=500), random.uniform(0.5, 1.5, size=500)])
    compared = Compared("ratio", [{}, {}], joint, 1.0 + 0.1 * random.normal(size=(2, 500)), np.full(500, 1 / 500))
    figures = TEST.measure(cast(Any, SimpleNamespace(compared=compared)))
    assert figures["relative_information"]["value"] == pytest.approx(0.12, abs=0.03)


def test_a_direction_without_information_is_left_out() -> None:
    figures = found(1.0, unit=0.0)
    assert figures["relative_information"]["value"] == pytest.approx(0.8, abs=0.05)
    nothing = Compared("score", [{}], np.zeros((1, 5)), np.ones((1, 5)), np.full(5, 0.2))
    assert not TEST.is_made(TEST.measure(cast(Any, SimpleNamespace(compared=nothing))))
