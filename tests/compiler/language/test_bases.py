"""Studies that extend others: what merges, what is removed, which paths move, and where each value is from."""

import pytest
from mmc.compiler.language.bases import Reader, extended
from mmc.compiler.language.document import Document, load

HEAD = 'mmc: "1.0"\n'


def whole(study: str, **bases: str) -> Document:
    """A study that says the text after ``extends``, in a folder with these files."""
    files = {f"{name.replace('__', '/')}.yaml": f"{HEAD}{text}" for name, text in bases.items()}
    reader = Reader(
        lambda path: "file" if path in files else "missing", lambda path: files[path].encode(), "in/".__add__
    )
    return extended(load(f"{HEAD}extends: {study}", "in/study.yaml"), "study.yaml", reader)


def test_mappings_merge_and_others_replace() -> None:
    base = "seed: 3\ncuts: [met.pt > 1, met.pt > 2]\nmethods: {one: {samples: 1, training: {a: 1}}, two: {samples: 2}}"
    document = whole("base.yaml\ncuts: [met.pt > 3]\nmethods: {one: {training: {b: 2}}, three: {}}", base=base)
    assert document.data == {
        "mmc": "1.0",
        "seed": 3,
        "cuts": ["met.pt > 3"],
        "methods": {"one": {"samples": 1, "training": {"a": 1, "b": 2}}, "two": {"samples": 2}, "three": {}},
    }
    assert list(document.data["methods"]) == ["one", "two", "three"]
    assert document.value_span(("methods", "one", "samples"))[:2] == (4, 26)
    assert document.value_span(("methods", "one", "samples")).file == "in/base.yaml"
    assert document.value_span(("methods", "one", "training", "b")).file == ""
    assert ("cuts", 1) not in document.spans


def test_an_empty_value_removes_what_the_base_has_and_nothing_else() -> None:
    base = "cuts: [met.pt > 1]\nmethods: {one: {}, two: {samples: 1_000}}"
    document = whole("base.yaml\ncuts:\ntitle: null\nmethods: {two: ~, one: 0x}", base=base)
    assert document.data == {"mmc": "1.0", "title": None, "methods": {"one": "0x"}}
    assert not document.grouped and not [path for path in document.spans if path[:1] == ("cuts",)]


def test_an_unreadable_value_removes_nothing() -> None:
    document = whole("base.yaml\nseed: .nan", base="seed: 3")
    assert document.data == {"mmc": "1.0", "seed": None} and document.broken == {("seed",)}


def test_bases_have_bases_and_paths_are_those_of_the_file_that_says_them() -> None:
    middle = (
        "extends: deep/root.yaml\ndetector: {simulation: delphes, card: ../cards/a.tcl}\ntrust: [deep/o.py, x, cards/b]"
    )
    root = "seed: 3\nobservables: {m: {function: 'o.py:mass'}}\ntrust: [o.py]\nevents: {file: e.h5}"
    document = whole("sub/middle.yaml\ngeneration: {generator: ufo}", sub__middle=middle, sub__deep__root=root)
    assert document.data is not None
    assert document.data["observables"]["m"]["function"] == "sub/deep/o.py:mass"
    assert document.data["detector"]["card"] == "cards/a.tcl"
    assert document.data["events"]["file"] == "sub/deep/e.h5"
    assert document.data["seed"] == 3 and document.value_span(("seed",)).file == "in/sub/deep/root.yaml"
    assert document.data["trust"] == ["deep/o.py", "x", "cards/b"]  # the file that says them names no such path
    document = whole("deep/root.yaml", deep__root=root)
    assert document.data is not None and document.data["trust"] == ["deep/o.py"]


@pytest.mark.parametrize(
    ("study", "code", "file", "line"),
    [
        ("none.yaml", "MMC112", "in/study.yaml", 2),
        ("''", "MMC112", "in/study.yaml", 2),
        ("../base.yaml", "MMC112", "in/study.yaml", 2),
        ("/base.yaml", "MMC112", "in/study.yaml", 2),
        ("study.yaml", "MMC113", "in/study.yaml", 2),
        ("circle.yaml", "MMC113", "in/circle.yaml", 2),
        ("lost.yaml", "MMC112", "in/lost.yaml", 2),
        ("listed.yaml", "MMC112", "in/listed.yaml", 2),
        ("twice.yaml", "MMC008", "in/twice.yaml", 3),
        ("broken.yaml", "MMC004", "in/broken.yaml", 2),
    ],
)
def test_what_is_wrong_with_a_base_has_a_place(study: str, code: str, file: str, line: int) -> None:
    document = whole(
        study,
        circle="extends: study.yaml",
        lost="extends: none.yaml",
        listed="extends: [study.yaml]",
        twice="seed: 1\nseed: 2",
        broken="seed: 'a",
    )
    (found,) = document.diagnostics
    assert (found.code, found.path, found.span.line) == (code, file, line)
    assert (document.data is None) == (code != "MMC008")


def test_a_study_that_extends_nothing_is_as_it_was() -> None:
    document = load(f"{HEAD}seed: 3", "study.yaml")
    assert extended(document, "study.yaml", Reader(str, str.encode, str)) is document
