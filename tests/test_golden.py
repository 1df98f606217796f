"""Golden bundles: every study of ``studies/`` compiled for every target, as it lies in ``tests/golden``.

``pytest tests/test_golden.py --update-golden`` rewrites them; the diff shows what a change of mmc does to bundles.
"""

from pathlib import Path

import pytest
from mmc.reading import read
from mmc.targets import TARGETS, Options
from mmc.targets.bundle import differences, write

from tests.support import ROOT, STUDIES

GOLDEN = ROOT / "tests" / "golden"
STUDY_FILES = sorted(STUDIES.glob("*/*.yaml"))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("study", STUDY_FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_bundle(study: Path, target: str, pytestconfig: pytest.Config) -> None:
    found = read(str(study))
    assert not found.is_wrong
    plan = found.plan()
    bundle = TARGETS[target](plan, Options())
    folder = GOLDEN / study.parent.name / study.stem / target
    if pytestconfig.getoption("--update-golden"):
        write(bundle, folder, found.sources(plan))
    assert differences(bundle, folder) == []


def test_there_are_studies() -> None:
    assert STUDY_FILES


def test_no_golden_bundle_is_without_its_study() -> None:
    bundles = {folder.parent for folder in GOLDEN.glob("*/*/*/manifest.json")}
    studies = {GOLDEN / path.parent.name / path.stem / target for path in STUDY_FILES for target in TARGETS}
    assert bundles == studies
