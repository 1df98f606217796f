"""The configuration file of a stage."""

from typing import Any

import pytest
from mmc.compiler.settings.combine import AnalysedJob, CombineSettings
from mmc.compiler.settings.configuration import configuration, job_entry

JOBS = {"a.0": (1, 5, "f0"), "a.1": (1, 6, "f1"), "b": (0, 7, "f2")}
CONTENT = configuration("simulate", {"x": 1, "y": 1}, [{"n": 3}, {"n": 4, "y": 2}], JOBS)


def test_own_settings_go_before_shared_ones() -> None:
    first, last = job_entry(CONTENT, "a.1"), job_entry(CONTENT, "b")
    assert (first.settings, first.seed, first.fingerprint) == ({"x": 1, "y": 2, "n": 4}, 6, "f1")
    assert last.settings == {"x": 1, "y": 1, "n": 3}


@pytest.mark.parametrize(
    ("jobs", "error"), [({}, KeyError), ({"a.1": [5, 1, "f"]}, IndexError), ({"a.1": [0, 1]}, ValueError)]
)
def test_what_is_no_entry(jobs: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        job_entry({**CONTENT, "jobs": jobs}, "a.1")


def test_parts_of_a_sample_are_one_entry() -> None:
    events: dict[str, Any] = {"sample": "s", "benchmark": "b", "n_events": 9, "k_factor": 1.0, "background": False}
    entries = (AnalysedJob(job="s.b.8", parts=3, **events), AnalysedJob(job="s.b.11", **{**events, "n_events": 1}))
    found = CombineSettings(jobs=entries).each
    assert [(entry.job, entry.parts, entry.n_events) for entry in found] == [
        *[(f"s.b.{part}", 1, 9) for part in (8, 9, 10)],
        ("s.b.11", 1, 1),
    ]
