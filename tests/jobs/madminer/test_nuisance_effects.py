"""Effects of nuisance parameters on events whose weights are zero or change their sign."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from mmc.jobs.madminer.event_file import EventFile
from mmc.jobs.madminer.nuisance_effects import exponents, factors

from tests.jobs.learning_jobs import stock_module

MORPHER = SimpleNamespace(i_benchmark_ref=0, i_benchmarks_pos=[1, 2], i_benchmarks_neg=[None, 3])
"""One nuisance parameter that has a weight at 1 alone, and one that has both."""


def test_ordinary_effects_are_those_of_madminer() -> None:
    weights = np.random.default_rng(1).uniform(0.9, 1.5, (50, 4))
    stock = stock_module("madminer.utils.morphing").NuisanceMorpher
    of = SimpleNamespace(**vars(MORPHER), degrees=[1, 2])
    a, b = exponents(*factors(MORPHER, weights))
    assert a == pytest.approx(stock.calculate_a(of, weights)) and b == pytest.approx(stock.calculate_b(of, weights))


@pytest.mark.filterwarnings("ignore:invalid value")
def test_sums_are_those_of_the_varied_weights() -> None:
    """In MadMiner, events without a logarithm do not depend on the nuisance parameter."""
    random = np.random.default_rng(1)
    weights = random.uniform(0.6, 1.5, (400, 4))
    weights[:40, 2] = 0.0
    weights[40:80, 3] *= -1.0
    weights[80:120] *= -1.0
    up, down = factors(MORPHER, weights)
    nominal = weights[:, 0]
    assert (up @ nominal, down[1] @ nominal) == (
        pytest.approx(weights[:, 1:3].sum(axis=0)),
        pytest.approx(weights[:, 3].sum()),
    )
    stock = stock_module("madminer.utils.morphing").NuisanceMorpher
    of = SimpleNamespace(**vars(MORPHER), degrees=[1, 2])
    with np.errstate(divide="ignore"):
        a, b = stock.calculate_a(of, weights)[1], stock.calculate_b(of, weights)[1]
    assert nominal @ np.exp(a + b) > 1.05 * weights[:, 2].sum()


def test_an_effect_at_one_alone_never_explodes() -> None:
    weights = np.ones((5, 4))
    weights[:, 1] = 1.1, 0.9, 0.5, 1e-9, -0.2
    _, down = factors(MORPHER, weights)
    assert down[0] == pytest.approx([1.0 / 1.1, 1.0 / 0.9, 2.0, 4.0, 4.8])


def test_events_without_a_nominal_weight_have_the_mean_effect_of_their_origin() -> None:
    weights = np.ones((6, 4))
    weights[:, 1] = 1.1, 1.3, 0.0, 2.0, 0.0, 0.0
    weights[[2, 4, 5], 0] = 0.0
    up, _ = factors(MORPHER, weights, np.array([0, 0, 0, 1, 1, -1]))
    assert up[0] == pytest.approx([1.1, 1.3, 1.2, 2.0, 2.0, 1.0])


def test_templates_of_a_file_have_the_sums_of_its_varied_weights(uncertain: Path, tmp_path: Path) -> None:
    shutil.copytree(uncertain, tmp_path / "events")
    path = tmp_path / "events" / "events.h5"
    with h5py.File(path, "r+") as file:
        names = [name.decode() for name in file["benchmarks/names"][()]]
        column = names.index("tilt_nuisance_param_0_benchmark_0")
        weights = file["samples/weights"][()]
        weights[::7, column] = 0.0
        weights[::11, column] *= -1.0
        file["samples/weights"][...] = weights
    file_ = EventFile(path, 0.2, 0.2, balanced=False)
    up, down = file_.variations("all")["tilt_nuisance_param_0"]
    assert up @ weights[:, 0] == pytest.approx(weights[:, column].sum())
    assert down @ weights[:, 0] == pytest.approx(weights[:, column + 1].sum())
    slopes = file_.slopes("all")
    assert np.isfinite(slopes).all() and slopes.shape == (len(weights), 2)
    assert slopes[7, 1] == pytest.approx(0.5 * (up[7] - down[7]))
