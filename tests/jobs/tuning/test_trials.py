"""The ranking of trials, with invented records."""

from pathlib import Path

import pytest
from mmc.errors import StepError
from mmc.jobs.tuning.criteria import Judgement
from mmc.jobs.tuning.trials import Trial, rank


def trial(name: str, judgement: Judgement | None) -> Trial:
    return Trial(name, {}, [Path(name)], 1.0, 1, judgement, "" if judgement else "the loss is not finite")


def test_the_smallest_is_the_best_and_the_first_of_two_as_good() -> None:
    made = [trial("a", Judgement(2.0, 2.0)), trial("b", Judgement(1.0, 1.0)), trial("c", Judgement(1.0, 1.0))]
    assert [item.name for item in rank(made)] == ["b", "c", "a"]


def test_a_trial_that_diverged_comes_last_and_says_why() -> None:
    made = [trial("a", None), trial("b", Judgement(1.0, 1.0))]
    ranked = rank(made)
    assert [item.name for item in ranked] == ["b", "a"]
    assert ranked[1].summary() | {"values": None} == {
        "name": "a",
        "values": None,
        "criterion": None,
        "error": None,
        "verdict": None,
        "epochs": 1,
        "seconds": 1.0,
        "failed": "the loss is not finite",
    }
    with pytest.raises(StepError, match="all 1 trials failed; the first one: the loss is not finite"):
        rank(made[:1])
