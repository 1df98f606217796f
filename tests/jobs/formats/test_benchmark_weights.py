"""Weights that are factors on the nominal ones, as some programs write them, are not taken for weights in pb."""

import numpy as np
import pytest
from mmc.errors import StepError
from mmc.jobs.formats.benchmark_weights import BenchmarkWeights, check_absolute

RANDOM = np.random.default_rng(3)
RATIOS = {"p": RANDOM.uniform(0.6, 4.0, 300), "m": RANDOM.uniform(0.2, 1.5, 300)}
SIGNS = np.where(RANDOM.random(300) < 0.2, -1.0, 1.0)


def _warnings(nominal: np.ndarray, weights: dict[str, np.ndarray]) -> list[str]:
    """Of all events at once, which is what events one by one give."""
    found = {name: BenchmarkWeights.of(nominal, values) for name, values in weights.items()}
    for name, own in found.items():
        one_by_one = BenchmarkWeights()
        for pair in zip(nominal.tolist(), weights[name].tolist(), strict=True):
            one_by_one.add(*pair)
        assert vars(one_by_one) == pytest.approx(vars(own))
    return check_absolute(found, "x.lhe", "write products")


@pytest.mark.parametrize("size", [1e-4, 1.0, 1e4])
def test_weights_in_pb(size: float) -> None:
    nominal = size * SIGNS
    assert _warnings(nominal, {name: nominal * ratio for name, ratio in RATIOS.items()}) == []
    assert _warnings(nominal, {"c": 40.0 * nominal}) == []  # an overall coupling
    assert _warnings(nominal, {"c": -nominal}) == []  # an interference alone
    assert _warnings(nominal, {"c": 0.0 * nominal}) == []
    assert _warnings(nominal, {}) == []


@pytest.mark.parametrize("size", [1e-3, 1e3])
def test_factors_of_another_size(size: float) -> None:
    (warning,) = _warnings(np.full(300, size), RATIOS)
    low, high = sorted((RATIOS["p"].min() / size, RATIOS["p"].max() / size))
    assert warning.startswith(f"the weights at 'p' in x.lhe are {low:.3g} to {high:.3g} times the nominal weights, and")
    assert _warnings(np.full(300, size), {**RATIOS, "near": size * RATIOS["p"]}) == []


def test_factors_without_the_sign_of_the_event() -> None:
    n_negative = int((SIGNS < 0.0).sum())
    message = f"the weights at 'p' in x.lhe are positive in {n_negative} of the {n_negative} events with a negative"
    with pytest.raises(StepError, match=f"^{message} nominal weight: they are factors on these; write products$"):
        _warnings(SIGNS, RATIOS)
    _warnings(SIGNS[:20], {name: ratio[:20] for name, ratio in RATIOS.items()})  # few may be so by chance
