"""The criteria for trials, which do not depend on test events."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from mmc.compiler.settings.encoding import from_json
from mmc.compiler.settings.evaluation import EvaluateSettings
from mmc.jobs.madminer.event_file import EventFile
from mmc.jobs.statistics.limits import Grid, Limits
from mmc.jobs.tuning.criteria import judge_of, validation_loss, volume

from tests.jobs.learning_jobs import Learning


def test_the_loss_is_that_of_the_network_that_is_kept(tmp_path: Path) -> None:
    (tmp_path / "train.json").write_text(json.dumps({"kept_epoch": 2, "loss_validation": [3.0, 1.5, 2.0]}))
    assert validation_loss([tmp_path]).value == 1.5


def test_test_events_have_no_say(tmp_path: Path, toy_events: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learning, events = Learning(tmp_path, toy_events), toy_events / "events.h5"
    alices = learning.train("alices", learning.sample("alices"))
    sally = learning.train("sally", learning.sample("sally", samples=500))
    asked = []
    part = EventFile.part
    monkeypatch.setattr(EventFile, "part", lambda self, name, near=None: asked.append(name) or part(self, name, near))
    for criterion in ("closure", "expected_limit"):
        for method in ({}, {"calibration": "normalisation"}):
            settings = from_json(EvaluateSettings, learning.evaluate_settings("alices", **method))
            judge_of(criterion, settings, events)([alices])
    assert set(asked) == {"validation", "train"}
    judge_of("closure", from_json(EvaluateSettings, learning.evaluate_settings("sally")), events)([sally])
    assert set(asked) == {"validation", "train"}


def gaussian(width: float, points: int, shift: float = 0.0) -> Limits:
    """A Gaussian likelihood in two parameters."""
    axis = np.linspace(-1.0, 1.0, points)
    grid = Grid({"a": axis, "b": axis})
    squares = np.square((grid.points - shift) / width).sum(axis=1)
    return Limits(grid, np.append(-0.5 * squares, 0.0))


@pytest.mark.parametrize("points", [9, 25])
def test_the_volume_of_a_gaussian_region(points: int) -> None:
    """π w² q / 4, with q the χ² quantile for two degrees of freedom; linear interpolation makes it a bit smaller."""
    q = -2.0 * math.log(0.05)
    assert volume(gaussian(0.2, points), 0.95) == pytest.approx(math.pi * 0.2**2 * q / 4.0, rel=0.15)


def test_the_volume_tells_regions_apart_that_have_the_same_points() -> None:
    one, other = gaussian(0.21, 9), gaussian(0.22, 9)
    assert one.allowed(0.95).sum() == other.allowed(0.95).sum()
    assert volume(one, 0.95) < volume(other, 0.95)
