"""What readers hand over to MadMiner's reader."""

from types import SimpleNamespace

import numpy as np
import pytest
from mmc.errors import StepError
from mmc.jobs.formats.weight_groups import Nuisance
from mmc.jobs.madminer import workarounds
from mmc.jobs.readers.reading import Observations, hand_over


@pytest.mark.parametrize("others", [{}, {"first": [0.0, 0.3]}])
@pytest.mark.parametrize("central", [None, "p0"])
def test_varied_weights_are_relative_to_the_nominal_ones(others: dict[str, list[float]], central: str | None) -> None:
    """From which those in the column of the sampled benchmark may differ in single events."""
    workarounds.apply_reader()
    own, k = np.array([0.25, 0.25]), 1.2
    weights = {"sm": np.array([0.1, 0.4]), **{name: np.array(values) for name, values in others.items()}}
    events = SimpleNamespace(name="x.lhe", own_weights=own, weights={**weights, "up": k * own, "p0": own}, factor=2.0)
    reader = SimpleNamespace(benchmark_names_phys=[*others, "sm"], nuisance_parameters={})
    observed = Observations(np.ones(2, dtype=bool), {}, np.array([1.0, 0.5]))
    parameter = Nuisance("mu_nuisance_param_0", "mu", {"b": "up"}, central=central)
    hand_over(reader, observed, events, "sm", background=False, nuisance=[parameter])
    assert reader.reference_benchmark == "sm"
    np.testing.assert_allclose(reader.weights["sm"], [0.2, 0.4])
    np.testing.assert_allclose(reader.weights["b"] / reader.weights["sm"], k)


@pytest.mark.parametrize(
    ("n_negative", "at_negative", "is_factor"), [(9, 1.1, True), (3, 1.1, True), (2, 1.1, False), (9, -1.1, False)]
)
def test_factors_where_few_weights_are_negative(n_negative: int, at_negative: float, is_factor: bool) -> None:
    """Of 120 events of weight 1 and -1, whose varied weights are 1.1, or 1.1 and -1.1."""
    workarounds.apply_reader()
    is_negative = np.arange(120) < n_negative
    own, up = np.where(is_negative, -1.0, 1.0), np.where(is_negative, at_negative, 1.1)
    events = SimpleNamespace(name="x.lhe", own_weights=own, weights={"sm": own, "up": up}, factor=1.0)
    reader = SimpleNamespace(benchmark_names_phys=["sm"], nuisance_parameters={})
    observed = Observations(np.ones(120, dtype=bool), {}, np.ones(120))
    parameter = Nuisance("mu_nuisance_param_0", "mu", {"b": "up"})
    if is_factor:
        with pytest.raises(StepError, match=r"^the weights 'up' .* are mostly positive where the nominal weights are"):
            hand_over(reader, observed, events, "sm", background=False, nuisance=[parameter])
    else:
        hand_over(reader, observed, events, "sm", background=False, nuisance=[parameter])
        np.testing.assert_allclose(reader.weights["b"], up)
