"""The declarations of closure tests agree with verdicts, results, reports and evaluations."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from mmc.jobs.madminer.event_file import EventFile
from mmc.jobs.report.closure import PANELS
from mmc.jobs.statistics.closure import verdict
from mmc.jobs.statistics.closure.declaration import FAILED, ClosureTest
from mmc.jobs.statistics.closure.evidence import Evidence
from mmc.jobs.statistics.closure.registry import TESTS
from mmc.jobs.statistics.problem import LimitProblem

from tests.jobs.learning_jobs import Learning
from tests.support import ROOT

NAMES = [test.name for test in TESTS]
COMPILER = ROOT / "compiler" / "mmc"
FOLLOWING = (
    COMPILER / "jobs/statistics/closure/verdict.py",
    COMPILER / "jobs/statistics/closure/registry.py",
    COMPILER / "jobs/report/page.py",
    COMPILER / "jobs/report/pictures.py",
    COMPILER / "jobs/report/results.py",
    COMPILER / "jobs/tracking/entries.py",
    COMPILER / "jobs/tuning/criteria.py",
    ROOT / "templates/report/limits.html.j2",
)
"""Files that must not mention the name of a closure test."""


def test_every_file_declares_a_test_of_its_name() -> None:
    files = {path.stem for path in (COMPILER / "jobs/statistics/closure/tests").glob("*.py")} - {"__init__"}
    assert files == set(NAMES)
    assert len({test.place for test in TESTS}) == len(TESTS)
    keys = [key for test in TESTS for key in test.schema]
    assert len(set(keys)) == len(keys) and "verdicts" not in keys


@pytest.mark.parametrize("path", FOLLOWING, ids=lambda path: path.name)
def test_the_others_know_no_test_by_its_name(path: Path) -> None:
    assert not re.findall(rf"[\"'.](?:{'|'.join(NAMES)})\b", path.read_text(encoding="utf-8"))


def test_panels_are_of_tests() -> None:
    assert set(PANELS) <= set(NAMES)


@pytest.fixture(scope="module")
def records(toy_events: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The entries of result files for a likelihood of each family."""
    learning = Learning(tmp_path_factory.mktemp("families"), toy_events)
    folders: dict[str, Path] = {
        "rate": learning.baseline("rate"),
        "truth": learning.baseline("truth"),
        "histogram": learning.histogram(["x1"], [6]),
        "score": learning.evaluate("sally", learning.train("sally", learning.sample("sally"))),
        "ratio": learning.evaluate("carl", learning.train("carl", learning.sample("carl"))),
        "polynomial": learning.evaluate(
            "derivatives", learning.train("derivatives", learning.sample("derivatives"), n_epochs=1)
        ),
    }
    found = {
        family: json.loads(next(iter(folder.glob("*e.json"))).read_text(encoding="utf-8"))
        for family, folder in folders.items()
    }
    (learning.path / "data.csv").write_text("x1,x2,id\n" + "0.1,0.2,10\n-0.3,0.4,900\n" * 20)
    learning.observed = {"observed": learning.path / "data.csv"}
    folder = learning.histogram(["x1"], [6])
    return found | {"observed": json.loads((folder / "baseline.json").read_text(encoding="utf-8"))["observed"]}


ASKED_FOR = {"minimum", "pseudo_data"}
"""Tests of what a study asks for: scans, and simulated experiments. The records here have neither."""
OF_THE_PRIOR = "trained_region"
"""The test of ratios with a prior, which polynomials do not have."""


def _applies(test: ClosureTest, family: str) -> bool:
    """Polynomials are ratios too."""
    is_ratio = family == "polynomial" and test.name != OF_THE_PRIOR
    return test.name not in ASKED_FOR and not {family, *(["ratio"] if is_ratio else [])}.isdisjoint(test.families)


def test_families_have_the_tests_that_say_so(records: dict[str, Any]) -> None:
    for family, record in records.items():
        assert list(record["closure"]["verdicts"]) == [test.name for test in TESTS if _applies(test, family)]


@pytest.mark.parametrize("test", TESTS, ids=NAMES)
def test_figures_follow_their_schema_and_fill_the_table(test: ClosureTest, records: dict[str, Any]) -> None:
    definitions = json.loads((ROOT / "schema/1.0/results.json").read_text(encoding="utf-8"))["definitions"]
    schema = {"properties": test.schema, "required": list(test.schema), "definitions": definitions}
    for family, record in records.items():
        jsonschema.Draft7Validator(schema).validate(record["closure"])
        assert test.is_made(record["closure"]) == _applies(test, family)
        for column in test.columns if _applies(test, family) else ():
            assert isinstance(column.value(record["closure"]), float) and column.text(record["closure"])


def test_another_test_is_part_of_every_verdict(
    tmp_path: Path, toy_events: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imaginary = replace(
        TESTS[0],
        name="imaginary",
        place=15,
        schema={"imaginary": {"type": "number"}},
        measure=lambda evidence: {"imaginary": evidence.limits.p_true},
        grade=lambda figures, _: (FAILED, f"it is {figures['imaginary']:g}"),
        distance=lambda figures: (figures["imaginary"], None),
    )
    monkeypatch.setattr(verdict, "TESTS", (*TESTS, imaginary))
    problem = LimitProblem.of(EventFile(toy_events / "events.h5", 0.2, 0.2), Learning(tmp_path, toy_events).limits)
    found = verdict.judge(Evidence(problem, problem.limits(0.0)))
    assert found.figures["imaginary"] == found.figures["p_value_true"] == pytest.approx(1.0, abs=1e-4)
    assert found.figures["verdicts"].pop("imaginary") == "failed"
    assert set(found.figures["verdicts"].values()) == {"passed"}
    assert (found.verdict, found.reasons, found.distance) == ("failed", ("it is 1",), (1.0, None))
