"""The trials of scans: in their ranges, different, and the same whatever else is in the study."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmc.compiler.study.scans import Range, Scan, draw, grid, scan_of, size

numbers = st.floats(1e-6, 1e6)
fractions = st.floats(0, 1, exclude_max=True)


@st.composite
def ranges(draw: st.DrawFn) -> Range:
    integer = draw(st.booleans())
    ends = st.integers(1, 10**6) if integer else numbers
    low, high = sorted(draw(st.sets(ends, min_size=2, max_size=2)))
    return Range(low, high, log=draw(st.booleans()), integer=integer)


@given(ranges(), fractions)
def test_values_lie_in_their_range(values: Range, fraction: float) -> None:
    value = values.at(fraction)
    assert values.low <= value <= values.high
    assert isinstance(value, int) == values.integer


@given(ranges(), st.tuples(fractions, fractions))
def test_a_larger_fraction_is_a_larger_value(values: Range, two: tuple[float, float]) -> None:
    low, high = sorted(two)
    assert values.at(low) <= values.at(high)


def test_whole_numbers_are_equally_likely() -> None:
    dice = Range(1, 6, log=False, integer=True)
    thrown = [dice.at((k + 0.5) / 6000) for k in range(6000)]
    assert {face: thrown.count(face) for face in range(1, 7)} == dict.fromkeys(range(1, 7), 1000)


def test_half_of_the_draws_are_in_each_half_of_a_range() -> None:
    scan: Scan = {"initial_lr": Range(1e-4, 1e-2, log=True, integer=False), "alpha": (1, 5)}
    drawn = draw(scan, 1000, seed=1, method="alices")
    assert 450 < sum(values["initial_lr"] < 1e-3 for values in drawn) < 550
    assert 450 < sum(values["alpha"] == 1 for values in drawn) < 550


@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
def test_trials_depend_on_nothing_but_the_seed_the_method_and_the_hyperparameter(seed: int, trials: int) -> None:
    lr, width = Range(1e-4, 1e-2, log=True, integer=False), ((10,), (20,))
    drawn = draw({"initial_lr": lr, "n_hidden": width}, trials, seed, "alices")
    assert draw({"n_hidden": width, "initial_lr": lr}, trials + 5, seed, "alices")[:trials] == drawn
    assert [v["initial_lr"] for v in draw({"initial_lr": lr}, trials, seed, "alices")] == [
        v["initial_lr"] for v in drawn
    ]
    many = draw({"initial_lr": lr, "n_hidden": width}, trials + 5, seed, "alices")  # a single trial may be drawn twice
    assert draw({"initial_lr": lr, "n_hidden": width}, trials + 5, seed, "alice") != many
    assert draw({"initial_lr": lr, "n_hidden": width}, trials + 5, seed + 1, "alices") != many


@given(st.integers(0, 100), st.integers(1, 11))
def test_no_trial_is_drawn_twice(seed: int, trials: int) -> None:
    scan: Scan = {"alpha": (1, 5, 20), "n_epochs": Range(1, 4, log=True, integer=True)}
    drawn = draw(scan, trials, seed, "alices")
    assert len({tuple(values.items()) for values in drawn}) == trials


def test_these_values_are_for_ever() -> None:
    """Whoever changes them changes the trials of all studies that exist."""
    scan: Scan = {"initial_lr": Range(1e-4, 1e-2, log=True, integer=False), "batch_size": Range(32, 512, True, True)}
    drawn = draw(scan, 3, seed=20, method="alices")
    assert [values["initial_lr"] for values in drawn] == [0.0001139, 0.0001673, 0.006958]
    assert [values["batch_size"] for values in drawn] == [43, 129, 46]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [({}, 1), ({"training.alpha": [1, 5]}, 2), ({"training.n_epochs": {"range": [3, 7], "scale": "linear"}}, 5)],
)
def test_size_of_a_scan(entry: dict[str, Any], expected: float) -> None:
    assert size(scan_of(entry)) == expected
    assert size(scan_of({**entry, "training.initial_lr": {"range": [1, 2], "scale": "log"}})) == math.inf


def test_a_grid_has_all_combinations() -> None:
    assert grid({}) == [{}]
    assert grid({"alpha": (1, 5), "n_hidden": ([10], [20])}) == [
        {"alpha": alpha, "n_hidden": hidden} for alpha in (1, 5) for hidden in ([10], [20])
    ]
