"""Changes of a study on the command line: the data, the places that messages show, and what cannot be changed."""

import pytest
from mmc.compiler.checks import check
from mmc.compiler.language.changes import changed
from mmc.compiler.language.document import load
from mmc.errors import UsageError

STUDY = """mmc: "1.0"
name: example
seed: 1_0
cuts: [met.pt > 1, {definition: met.pt > 2}]
evaluation: {luminosity: 300 fb^-1}
"""


@pytest.mark.parametrize(
    ("change", "path", "value"),
    [
        ("seed=3", ("seed",), 3),
        ("evaluation.luminosity=3 ab^-1", ("evaluation", "luminosity"), "3 ab^-1"),
        ("evaluation.grid.c={points: 5}", ("evaluation", "grid", "c"), {"points": 5}),
        ("cuts.0=met.pt == 5", ("cuts", 0), "met.pt == 5"),
        ("cuts.1.definition=x", ("cuts", 1, "definition"), "x"),
        ("cuts=[]", ("cuts",), []),
        ("sampling.test_split=0.5", ("sampling", "test_split"), 0.5),
        ("title='a=b'", ("title",), "a=b"),
    ],
)
def test_a_change_replaces_or_adds_a_value(change: str, path: tuple[str | int, ...], value: object) -> None:
    before = load(STUDY, "study.yaml")
    after = changed(before, [change])
    found: object = after.data
    for key in path:
        found = found[key]  # type: ignore[index]
    assert found == value
    assert before.data == load(STUDY, "study.yaml").data
    span = after.value_span(path)
    assert after.lines[span.line - 1] == f"--set {change}"
    assert after.lines[span.line - 1][span.column - 1 : span.end_column - 1] == change.partition("=")[2]


def test_the_last_of_equal_changes_counts_and_others_stay() -> None:
    document = changed(load(STUDY, "study.yaml"), ["seed=3", "name=other", "seed=20_000"])
    found = check(document, lambda _path: "missing").diagnostics
    assert found and not [item for item in found if item.span.line in (3, 6, 8)]
    assert document.data is not None and document.data["name"] == "other"
    assert document.lines[-3:] == ["--set seed=3", "--set name=other", "--set seed=20_000"]


def test_a_message_shows_the_change() -> None:
    document = changed(load(STUDY, "study.yaml"), ["cuts.0=j.pt > 2"])
    (found,) = [item for item in check(document, lambda _path: "missing").diagnostics if item.code == "MMC405"]
    line = document.lines[found.span.line - 1]
    assert line == "--set cuts.0=j.pt > 2"
    assert line[found.span.column - 1 : found.span.end_column - 1] == "j.pt"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("seed", "is not KEY=VALUE"),
        ("=3", "is not KEY=VALUE"),
        ("seed=", "is not KEY=VALUE"),
        ("seed=3\nname: x", "is not KEY=VALUE"),
        ("seed=[1", "cannot be read: the list that opens here is not closed"),
        ("seed=.nan", "cannot be read"),
        ("seed.x=3", "'seed' is a value"),
        ("cuts.2=x", "the list has no entry '2'"),
        ("cuts.00=x", "the list has no entry '00'"),  # another path for the place of `cuts.0`
        ("cuts.٠=x", "the list has no entry '٠'"),
        ("cuts.x=x", "the list has no entry 'x'"),
        ("cuts.0.definition=x", "'cuts.0' is a value"),
    ],
)
def test_what_cannot_be_changed(change: str, reason: str) -> None:
    with pytest.raises(UsageError, match=r"^--set: ") as raised:
        changed(load(STUDY, "study.yaml"), [change])
    assert reason in str(raised.value)


def test_a_study_that_cannot_be_read_stays_as_it_is() -> None:
    document = load("mmc: [", "study.yaml")
    assert changed(document, ["seed=3"]) == document
