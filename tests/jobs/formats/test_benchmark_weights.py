"""Weights that are factors on the nominal ones, as some programs write them, are not taken for weights in pb."""

import numpy as np
import pytest
from mmc.errors import StepError
from mmc.jobs.formats.benchmark_weights import BenchmarkWeights, check_absolute, check_told

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


def test_factors_that_vanish_in_some_events() -> None:
    """As |1 + c x|² does where the interference cancels the rest."""
    x = RANDOM.normal(size=1000)
    factors = {"plus": (1.0 + 0.5 * x) ** 2, "minus": (1.0 - 0.5 * x) ** 2}
    (warning,) = _warnings(np.full(1000, 1e-4), factors)
    assert warning.startswith("the weights at 'plus' in x.lhe are ")
    assert _warnings(np.ones(1000), factors) == []


def test_factors_without_the_sign_of_the_event() -> None:
    n_negative = int((SIGNS < 0.0).sum())
    message = f"the weights at 'p' in x.lhe are positive in {n_negative} of the {n_negative} events with a negative"
    for size in (1e-3, 1e3):
        with pytest.raises(StepError, match=f"^{message} nominal weight: they are factors on these; write products$"):
            _warnings(size * SIGNS, RATIOS)
    few = {name: ratio[:20] for name, ratio in RATIOS.items()}
    assert _warnings(SIGNS[:20], few) == []  # few may be so by chance


def test_an_interference_may_have_another_sign() -> None:
    """Events at SM + c · interference, unweighted to ±size: the SM is positive in each, and nothing is refused."""
    sm = RANDOM.uniform(0.5, 2.0, 300)
    linear = RANDOM.normal(-0.3, 1.0, 300)
    for size in (1e-3, 1.0, 500.0):
        at_two = sm + 2.0 * linear
        nominal = size * np.sign(at_two)
        others = {"sm": size * sm / np.abs(at_two), "one": size * (sm + linear) / np.abs(at_two)}
        (warning,) = _warnings(nominal, others)
        assert warning.startswith("the weights at 'sm' in x.lhe are positive in ")
        # also if one benchmark alone is far from the nominal weights, or negative somewhere
        assert _warnings(1e3 * SIGNS, {**RATIOS, "m": np.where(np.arange(300) == 0, -1.0, RATIOS["m"])})


def test_what_a_file_tells_of_its_weights() -> None:
    """Means of 100 merged events, of which the head tells those of the first 4 alone, and an error of the generator."""
    weights = {"w": BenchmarkWeights.of(np.ones(100), np.tile([0.5, 1.5], 50))}  # 1 ± 0.5 for each event
    for told, allowed, n_told in ((1.2, 0.02, 100), (1.3, 0.25, 100), (2.2, 0.02, 4)):
        check_told({"w": told}, weights, 1.0, "x.lhe", allowed=allowed, n_told=n_told)
    for told, allowed, n_told in ((1.3, 0.02, 100), (1.7, 0.25, 100), (2.3, 0.0, 4)):
        with pytest.raises(
            StepError, match=r"^the weights at 'w' in x\.lhe give a cross section of 1 pb, and <xsecinfo>"
        ):
            check_told({"w": told}, weights, 1.0, "x.lhe", allowed=allowed, n_told=n_told)
