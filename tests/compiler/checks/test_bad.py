"""Every code has a bad example, every bad example says what it should, and the documentation shows both."""

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import pytest
from mmc.cli.rendering import to_text
from mmc.cli.study_file import read_columns_in, read_model_in, read_start_in
from mmc.compiler.checks import check
from mmc.compiler.checks.codes import CODES
from mmc.compiler.checks.context import RULES
from mmc.compiler.language.bases import Reader, extended
from mmc.compiler.language.diagnostics import Diagnostic
from mmc.compiler.language.document import Document, load
from mmc.compiler.language.yaml_nodes import MAX_BYTES

from tests.jobs.matrix_elements.ufo_models import FILES
from tests.support import ROOT

BAD = ROOT / "tests" / "bad"
EXAMPLES = sorted(BAD.glob("*.yaml"))
TRUSTING = {"MMC383"}
"""Examples with a model that travels, which the study has to trust: that is a warning."""
WITHOUT_FILE = {"MMC002", "MMC015", "MMC016"}
"""What is too large is too large for the repository, and no study is known with which a rule fails."""


def look_up(text: str) -> str:
    """What a path beside the examples is."""
    path = BAD / text
    return "file" if path.is_file() else "folder" if path.is_dir() else "missing"


def read_text(text: str) -> str | None:
    """A card beside the examples; None if it is not text."""
    try:
        return (BAD / text).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


def read_model(model: object) -> Mapping[str, str] | None:
    """A model beside the examples, or the one that is called ``small``, or ``late`` where new physics counts more."""
    if not isinstance(model, str):
        return read_model_in(BAD)(model)
    late = FILES["coupling_orders"].replace(
        '"NP", expansion_order=99, hierarchy=1', '"NP", expansion_order=99, hierarchy=9'
    )
    files = {"small": FILES, "late": {**FILES, "coupling_orders": late}}.get(model)
    return None if files is None else {f"{name}.py": dedent(text) for name, text in files.items()}


READERS = (look_up, read_text, read_start_in(BAD), read_model)


def whole(file: Path) -> Document:
    """A study with its bases."""
    beside = Reader(look_up, lambda text: (BAD / text).read_bytes(), str)
    return extended(load(file.read_bytes(), file.name), file.name, beside)


def problems(file: Path) -> tuple[list[Diagnostic], dict[str, str]]:
    """The diagnostics of a file, and the texts of it and its bases."""
    document = whole(file)
    texts = {each.path: each.text for each in (document, *document.bases)}
    return check(document, *READERS, read_columns=read_columns_in(BAD)).diagnostics, texts


def test_every_code_has_a_bad_example() -> None:
    assert {file.name[:6] for file in EXAMPLES} | WITHOUT_FILE == set(CODES)
    assert len(EXAMPLES) + len(WITHOUT_FILE) == len(CODES)


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_a_bad_example_says_what_it_should(file: Path, request: pytest.FixtureRequest) -> None:
    found, texts = problems(file)
    said = to_text(found, texts)
    expected = file.with_suffix(".out")
    if request.config.getoption("--update-golden"):
        expected.write_text(said, encoding="utf-8")
    assert said == expected.read_text(encoding="utf-8")
    code = file.name[:6]
    assert found[-1 if code == "MMC014" else 0].code == code
    assert CODES[code].severity == found[0].severity
    codes = {item.code for item in found} - ({"MMC337"} if code in TRUSTING else set())
    assert code == "MMC014" or codes == {code}, "an example has one problem"


def test_a_file_that_is_too_large_is_one_diagnostic() -> None:
    (found,) = check(load(b"x" * 10_000_000, "large.yaml"), look_up).diagnostics
    assert (found.code, found.message) == (
        "MMC002",
        f"the file is too large: a study has at most {MAX_BYTES:,} bytes",
    )


def test_a_section_that_is_too_large_is_one_diagnostic() -> None:
    entries = "".join(f"  p{k}: {{range: [-1, 1]}}\n" for k in range(1001))
    (found,) = check(load(f"mmc: '1.0'\nparameters:\n{entries}cuts: 3\n", "large.yaml"), look_up).diagnostics
    assert (found.code, found.span.line) == ("MMC015", 2)
    assert found.message == "`parameters` has 1,001 entries; at most 1,000 are read"


def test_rules_are_documented() -> None:
    assert all(function.__doc__ for _, function in RULES)


def test_rules_report_the_codes_that_they_are_registered_with() -> None:
    from mmc.compiler.checks.context import Context
    from mmc.compiler.checks.shape import check_shape

    for file in EXAMPLES:
        document = whole(file)
        if document.data is None:
            continue
        context = Context(document, *check_shape(document)[1:3], *READERS, read_columns_in(BAD))
        for codes, rule in RULES:
            assert {item.code for item in rule(context)} <= {code.id for code in codes}
