"""Editors agree with mmc: the real YAML language server of VS Code finds nothing wrong with studies that are right."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from mmc.cli.main import main
from mmc.compiler.checks import check
from mmc.compiler.language.document import load
from mmc.compiler.language.schema import load_schema

from tests.compiler.checks import test_fuzz
from tests.jobs.matrix_elements import ufo_models
from tests.language_server import PROGRAM, LanguageServer
from tests.support import ROOT, STUDIES

pytestmark = pytest.mark.skipif(
    PROGRAM is None, reason="needs yaml-language-server on the PATH, or named by MMC_YAML_LANGUAGE_SERVER"
)
TINY = STUDIES / "drell-yan" / "tiny.yaml"
MANY = "events: {sm: 900, default: 400}"


@pytest.fixture(scope="module")
def server() -> Iterator[LanguageServer]:
    assert PROGRAM is not None
    with LanguageServer(PROGRAM) as running:
        yield running


def described(folder: Path, text: str) -> Path:
    """A study with that text, below the line by which editors find the schema."""
    study = folder / "study.yaml"
    study.write_text(f"# yaml-language-server: $schema={ROOT / 'schema' / '1.0' / 'study.json'}\n{text}")
    return study


def changed(folder: Path, old: str, new: str) -> Path:
    """The tiny study with something else in it."""
    text = TINY.read_text()
    assert old in text
    return described(folder, text.replace(old, new).partition("\n")[2])


SHIPPED = [path for path in sorted(STUDIES.rglob("*.yaml")) if not {"build", "runs"} & set(path.parts)]


@pytest.mark.parametrize("study", SHIPPED, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_study_that_is_shipped_is_right(server: LanguageServer, study: Path) -> None:
    schema = os.path.relpath(ROOT / "schema" / "1.0" / "study.json", study.parent)
    assert study.read_text().startswith(f"# yaml-language-server: $schema={schema}\n")
    assert server.diagnostics(study) == []


def test_what_mmc_init_writes_is_right_also_what_is_commented_out(server: LanguageServer, tmp_path: Path) -> None:
    assert main(["init", str(tmp_path / "new")]) == 0
    study = tmp_path / "new" / "study.yaml"
    assert server.diagnostics(study) == []
    more = tmp_path / "new" / "more.yaml"
    more.write_text(study.read_text().replace("\n  # ", "\n  "))
    assert server.diagnostics(more) == []


def test_what_mmc_init_writes_for_a_ufo_model_is_right(server: LanguageServer, tmp_path: Path) -> None:
    model = ufo_models.write(tmp_path / "small")
    words = ["init", str(tmp_path / "new"), "--model", str(model), "--process", "q q~ > k k~ h", "--parameter", "even"]
    assert main(words) == 0
    assert server.diagnostics(tmp_path / "new" / "study.yaml") == []


@pytest.mark.parametrize("name", ["COMPLETE", "MADGRAPH", "EVENT_FILES"])
def test_everything_that_can_be_said_is_right(server: LanguageServer, tmp_path: Path, name: str) -> None:
    assert server.diagnostics(described(tmp_path, getattr(test_fuzz, name))) == []


@pytest.mark.parametrize("number", ["150000", "15e4", "1.5e5", "150_000", "+150_000", "0x249F0"])
def test_a_number_that_mmc_reads_is_right(server: LanguageServer, tmp_path: Path, number: str) -> None:
    study = changed(tmp_path, MANY, f"events: {{sm: {number}, default: 1_000}}")
    assert server.diagnostics(study) == []
    checked = check(load(study.read_bytes(), "study.yaml"), lambda _: "missing")
    assert checked.data is not None
    assert repr(checked.data["generation"]["samples"]["signal"]["events"]) == "{'sm': 150000, 'default': 1000}"


@pytest.mark.parametrize("number", ["15_00", "1__0", "_100", "1_000_", "many", "1.5", "[900]", "true", ""])
def test_what_is_not_a_number_is_wrong(server: LanguageServer, tmp_path: Path, number: str) -> None:
    study = changed(tmp_path, MANY, f"events: {{sm: {number}, default: 400}}")
    (found,) = server.diagnostics(study)
    line = TINY.read_text().splitlines().index(f"      {MANY}") + 1
    assert re.match(rf"{line}: (Not a number\. Write it as in 150000|Incorrect type\. Expected one of integer)", found)
    (item,) = check(load(study.read_bytes(), "study.yaml"), lambda _: "missing").diagnostics
    assert (item.code, item.span.line) in [("MMC103", line), ("MMC301", line)]


def test_a_study_that_extends_says_only_what_is_different(server: LanguageServer, tmp_path: Path) -> None:
    text = (
        'mmc: "1.0"\nextends: base.yaml\ncuts: null\nevaluation: {luminosity: 3 ab^-1, fisher_information: null}\n'
        "generation: {samples: {signal: {events: 30_000}}}\nmethods: {alices: {training: {n_epochs: 5}}, sally:}\n"
    )
    study = described(tmp_path, text)
    study.write_text(study.read_text().replace("study.json", "extending.json"))
    assert server.diagnostics(study) == []
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(study.read_text().replace("n_epochs", "epochs").replace("extends: base.yaml\n", ""))
    assert len(server.diagnostics(wrong)) == 2


def test_the_number_of_a_key_is_explained_as_the_key(server: LanguageServer, tmp_path: Path) -> None:
    study = changed(tmp_path, "seed: 20", "seed: 2_000")
    server.diagnostics(study)
    line = study.read_text().splitlines().index("seed: 2_000") + 1
    for column in (1, 8):
        assert load_schema()["properties"]["seed"]["description"].split(". ")[0] in server.hover(study, line, column)
