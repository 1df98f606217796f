"""What readers hand over to MadMiner's reader."""

from types import SimpleNamespace

import numpy as np
import pytest
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
