"""Likelihood scans and simulated experiments, from the study to the settings of the jobs."""

from typing import Any

import pytest
import yaml
from mmc.compiler.language.schema import fill_defaults
from mmc.compiler.plan.evaluation import limit_settings
from mmc.compiler.settings.limits import Experiments, LikelihoodScan, LimitSettings
from mmc.compiler.study.build import build_study

from tests.support import STUDIES


def settings(n: int, **evaluation: Any) -> LimitSettings:
    """The settings of the limits of a study with n parameters."""
    data: dict[str, Any] = yaml.safe_load((STUDIES / "drell-yan" / "tiny.yaml").read_text())
    names = [f"c-{k}" for k in range(n)]
    data["parameters"] = {name: {"coefficient": "LL", "range": [-1, 1]} for name in names}
    data["benchmarks"] = {"sm": dict.fromkeys(names, 0), "w": dict.fromkeys(names, 0.5)}
    data["methods"] = {}
    data["evaluation"] = {"luminosity": "300 fb^-1", **evaluation}
    study = build_study(fill_defaults(data))
    assert study.evaluation is not None
    return limit_settings(study, study.evaluation)


def test_more_than_three_parameters_have_scans_instead_of_a_grid() -> None:
    assert settings(3).scans == () and len(settings(3).grid) == 3 and settings(3).ranges == {}
    found = settings(4)
    assert found.grid == {} and found.ranges["c_3"] == (-1.0, 1.0)
    assert found.scans == tuple(LikelihoodScan(over=(f"c_{k}",), points=25) for k in range(4))
    assert len(settings(4, grid={"c-0": {"points": 5}}).grid) == 4


@pytest.mark.parametrize(
    ("others", "point"),
    [
        ("profile", None),
        (0, {"c_0": 0.0, "c_1": 0.0, "c_2": 0.0}),
        ({"benchmark": "w"}, {"c_0": 0.5, "c_1": 0.5, "c_2": 0.5}),
        ({"point": {"c-0": 0.1, "c-1": 0.2, "c-2": 0.3}}, {"c_0": 0.1, "c_1": 0.2, "c_2": 0.3}),
    ],
)
def test_the_other_parameters_are_fitted_or_fixed_at_a_point(others: Any, point: Any) -> None:
    (found,) = settings(3, scans=[{"over": ["c-1", "c-2"], "others": others}]).scans
    assert found == LikelihoodScan(over=("c_1", "c_2"), points=15, others=point)


def test_each_and_pairs_are_scans_without_repetitions() -> None:
    found = settings(3, scans=[{"over": "each", "points": 5}, {"over": "pairs"}, {"over": ["c-0"], "points": 5}]).scans
    assert [scan.over for scan in found] == [
        ("c_0",),
        ("c_1",),
        ("c_2",),
        ("c_0", "c_1"),
        ("c_0", "c_2"),
        ("c_1", "c_2"),
    ]


def test_scans_look_for_the_best_fit_in_the_range_of_the_grid() -> None:
    found = settings(2, scans=[{"over": "each"}], grid={"c-1": {"range": [-0.5, 0.25]}})
    assert found.ranges == {"c_0": (-1.0, 1.0), "c_1": (-0.5, 0.25)}


def test_experiments_are_drawn_at_the_true_point_unless_the_study_says_another() -> None:
    truth = {"benchmark": "w"}
    found = settings(2, theta_true=truth, observed={"toys": {"repeat": 7}})
    assert found.experiments == Experiments(at={"c_0": 0.5, "c_1": 0.5}, repeat=7, events="poisson")
    found = settings(2, theta_true=truth, observed={"toys": {"benchmark": "sm", "events": "fixed"}})
    assert found.experiments == Experiments(at={"c_0": 0.0, "c_1": 0.0}, repeat=100, events="fixed")
    assert found.ranges and not found.scans
