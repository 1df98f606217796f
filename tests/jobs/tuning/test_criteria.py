"""The criteria for trials, which do not depend on test events."""

import json
from pathlib import Path

import pytest
from mmc.compiler.settings.encoding import from_json
from mmc.compiler.settings.evaluation import EvaluateSettings
from mmc.jobs.madminer.event_file import EventFile
from mmc.jobs.tuning.criteria import judge_of, validation_loss

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
