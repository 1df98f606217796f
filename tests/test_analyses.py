"""The analyses of ``studies/analyses`` and the toy simulator: each is right, short, and compiles for every target."""

import shutil
from pathlib import Path

import pytest
from mmc.cli.study_file import read
from mmc.compiler.targets import TARGETS
from mmc.compiler.targets.options import Options

from tests.support import STUDIES

ANALYSES = [*sorted((STUDIES / "analyses").glob("*/study.yaml")), STUDIES / "toy-simulator" / "study.yaml"]
MOST = {
    "toy-simulator": 25,
    "top-eft": 36,
    "top-mass": 64,
    "tutorial-parton": 89,
    "wh-cp-odd": 124,
    "wh-four-channels": 133,
}
"""The lines that each took when the language said less of it, without its observables and ratios."""


@pytest.mark.parametrize("file", ANALYSES, ids=lambda file: file.parent.name)
def test_an_analysis_is_short_and_compiles_for_every_target(file: Path, tmp_path: Path) -> None:
    assert len(file.read_text().splitlines()) < MOST[file.parent.name]
    folder = shutil.copytree(file.parent, tmp_path / "study")
    images = "\nexecution: {images: {physics: 'registry.example/mmc:0.1.0', learning: 'registry.example/mmc:0.1.0'}}"
    (folder / file.name).write_text(file.read_text() + images)
    found = read(str(folder / file.name))
    assert found.diagnostics == []
    plan = found.plan()
    for target, emit in TARGETS.items():
        assert emit(plan, Options()).texts, target
