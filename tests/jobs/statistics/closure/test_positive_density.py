from pathlib import Path

import numpy as np
from mmc.jobs.madminer.event_file import EventFile
from mmc.jobs.statistics.closure.evidence import Evidence
from mmc.jobs.statistics.closure.tests.positive_density import TEST
from mmc.jobs.statistics.problem import LimitProblem

from tests.jobs.learning_jobs import Learning


def test_the_verdict_depends_on_how_much_of_the_region_does(tmp_path: Path, toy_events: Path) -> None:
    problem = LimitProblem.of(EventFile(toy_events / "events.h5", 0.2, 0.2), Learning(tmp_path, toy_events).limits)
    distance = np.square(problem.points).sum(axis=1)
    limits = problem.limits(-50.0 * distance / problem.n_expected)

    def graded(share: float) -> tuple[str, float, float]:
        # the excluded points lose data, as if a negative density had excluded them
        parts = np.where(distance > 0.1, share, 0.0)
        evidence = Evidence(problem, limits, without_density=parts)
        figures = TEST.measure(evidence)
        found = figures["positive_density"]
        return TEST.grade(figures, evidence)[0], found["share"], found["moved"]

    assert graded(0.0) == ("passed", 0.0, 0.0)
    verdict, share, moved = graded(0.05)
    assert (verdict, share) == ("failed", 0.05) and moved > 0.25
    assert not TEST.is_made(TEST.measure(Evidence(problem, limits)))
