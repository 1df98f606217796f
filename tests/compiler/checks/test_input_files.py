"""Rules about files that a study reads: event files, tables and the folder of another run."""

import pytest
from mmc.compiler.checks import check
from mmc.compiler.language.document import load

from tests.compiler.checks.test_rules import BASE, DEFINITION, GENERATION, codes


def event_file(*replacements: tuple[str, str]) -> list[str]:
    source = (GENERATION, "events: {file: events.h5}\n")
    return codes(source, (DEFINITION, "{label: mass}"), *replacements, files=("events.h5",))


def test_an_event_file_takes_the_place_of_generation() -> None:
    assert event_file() == []
    assert event_file(("{label: mass}", "{definition: nonsense[}")) == ["MMC004"]
    assert event_file(("{label: mass}", "{definition: nonsense, required: true}")) == ["MMC311", "MMC311"]
    assert event_file(("methods:", "detector: {}\nmorphing: {}\nmethods:")) == ["MMC311", "MMC311"]
    assert codes(("observables:", "events: {file: events.h5}\nobservables:"), files=("events.h5",)) == ["MMC302"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("events.h5", []),
        ("./events.h5", ["MMC601"]),
        ("missing.h5", ["MMC601"]),
        ("/etc/passwd", ["MMC602"]),
        ("../x", ["MMC602"]),
        ("a/../../x", ["MMC602"]),
        ("''", ["MMC107"]),
        ("[a]", ["MMC103"]),
    ],
)
def test_files(path: str, expected: list[str]) -> None:
    assert event_file(("file: events.h5", f"file: {path}")) == expected


@pytest.mark.parametrize("problem", ["outside", "folder", "unreadable"])
def test_what_the_file_system_says(problem: str) -> None:
    text = BASE.replace(GENERATION, "events: {file: events.h5}\n").replace(DEFINITION, "{}")
    result = check(load(text, "study.yaml"), lambda _: problem)
    assert [item.code for item in result.diagnostics] == ["MMC602" if problem == "outside" else "MMC603"]
    assert result.files == ()


def test_the_files_of_a_right_study_are_named() -> None:
    text = BASE.replace(GENERATION, "events: {file: events.h5}\n").replace(DEFINITION, "{}")
    assert check(load(text, "study.yaml"), lambda _: "file").files == ("events.h5",)


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        ("{folder: runs/a, stage: simulate}", []),
        ("{folder: runs/a, stage: detect}", ["MMC115"]),
        ("{folder: runs/b, stage: simulate}", ["MMC115"]),
        ("{folder: ../runs/a, stage: simulate}", ["MMC115"]),
        ("{folder: runs/a}", ["MMC102"]),
    ],
)
def test_events_of_another_run(taken: str, expected: list[str]) -> None:
    text = BASE.replace("generation:", f"events: {{from_run: {taken}}}\ngeneration:")
    found = check(load(text, "study.yaml"), lambda path: "folder" if path in ("runs/a", "runs/a/out") else "missing")
    assert [item.code for item in found.diagnostics] == expected
    assert codes((GENERATION, "events: {from_run: {folder: a, stage: simulate}}\n")) == ["MMC302", "MMC115"]


OF_TABLES = """mmc: "1.0"
name: tables
parameters: {c: {range: [-1, 1]}}
benchmarks: {sm: {c: 0}, w: {c: 1}, v: {c: -1}}
events:
  tables:
    t: {files: [{paths: [t.root], benchmark: sm}], columns: {pt: "Jet_pt[0]"}, weight: w, weights: "rwgt[:]"}
observables: {double: 2 * pt}
methods: {sally: {theta: {benchmark: sm}, samples: 10}}
"""


def test_weights_in_lists_are_in_the_order_of_the_benchmarks() -> None:
    checked = check(load(OF_TABLES, "s.yaml"), lambda _: "file")
    assert checked.diagnostics == [] and checked.data is not None
    assert checked.data["events"]["tables"]["t"]["weights"] == {"sm": "rwgt[0]", "w": "rwgt[1]", "v": "rwgt[2]"}


def test_an_error_of_a_table_leaves_its_quantities_known() -> None:
    found = check(load(OF_TABLES.replace("rwgt[:]", "rwgt"), "s.yaml"), lambda _: "file").diagnostics
    assert [item.code for item in found] == ["MMC105"]
