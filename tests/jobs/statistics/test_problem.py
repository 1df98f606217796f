"""The input of every limit."""

from pathlib import Path

import pytest
from mmc.jobs.madminer.event_file import EventFile
from mmc.jobs.statistics.problem import LimitProblem

from tests.jobs.learning_jobs import Learning


def test_a_problem_keeps_data_and_templates_apart(tmp_path: Path, toy_events: Path) -> None:
    limits = Learning(tmp_path, toy_events).limits
    file = EventFile(toy_events / "events.h5", 0.2, 0.2)
    test, tuned = (LimitProblem.of(file, limits, partition=part) for part in ("test", "validation"))
    assert (test.partition, test.template_partition, tuned.partition, tuned.template_partition) == (
        "test",
        "validation",
        "validation",
        "train",
    )
    assert tuned.n_expected == pytest.approx(test.n_expected, rel=0.1)
    assert tuned.n_expected != test.n_expected  # the same theory, other events
