"""Golden bundles: every study of ``studies/`` compiled for every target, as it lies in ``tests/golden``.

``pytest tests/test_golden.py --update-golden`` rewrites them; the diff shows what a change of mmc does to bundles.
"""

from pathlib import Path

import pytest
from mmc.cli.study_file import StudyFile, read
from mmc.compiler.catalogue.reana import ENGINES
from mmc.compiler.targets import TARGETS, Options
from mmc.compiler.targets.bundle import differences, write

from tests.support import ROOT, STUDIES, reana_study

GOLDEN = ROOT / "tests" / "golden"
STUDY_FILES = sorted(STUDIES.glob("*/*.yaml"))

MAIN_TARGETS = ["yadage", "cwl", "script"]
CHOSEN = {
    "wh-smeft/study": ["yadage"],
    "drell-yan/regions": ["yadage"],
    "toy-simulator/study": ["script"],
    "wh-ntuple/study": ["script"],
    "wh-smeft/laptop": ["script"],
    "drell-yan/tuning": ["yadage"],
    "drell-yan/tiny": [target for target in TARGETS if target != "reana"],
    "vbf-higgs/study": [*MAIN_TARGETS, "slurm"],
}
"""The targets of studies that are not compiled for the main ones: some are large, or like another one; some stand for
all in targets that differ little between studies."""
BUNDLES = {
    f"{study.parent.name}/{study.stem}/{target}": (study, target)
    for study in STUDY_FILES
    for target in CHOSEN.get(f"{study.parent.name}/{study.stem}", MAIN_TARGETS)
}
FOR_REANA = {
    f"{study}/reana/{engine}": (study, engine)
    for study, engines in {"drell-yan/tiny": ENGINES, "vbf-higgs/study": ENGINES[:1]}.items()
    for engine in engines
}


@pytest.mark.parametrize(("study", "target"), BUNDLES.values(), ids=BUNDLES)
def test_bundle(study: Path, target: str, pytestconfig: pytest.Config) -> None:
    found = read(str(study))
    folder = GOLDEN / study.parent.name / study.stem / target
    assert _differences(found, target, Options(), folder, pytestconfig) == []


@pytest.mark.parametrize(("study", "engine"), FOR_REANA.values(), ids=FOR_REANA)
def test_bundle_for_reana(study: str, engine: str, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """Studies with images, and with resources on two compute backends."""
    found = read(str(reana_study(tmp_path, study)))
    folder = GOLDEN / study / "reana" / engine
    assert _differences(found, "reana", Options(engine=engine), folder, pytestconfig) == []


def _differences(study: StudyFile, target: str, options: Options, folder: Path, config: pytest.Config) -> list[str]:
    """What distinguishes a study's bundle from the golden one, which is rewritten first if that is asked for."""
    assert not study.is_wrong
    plan = study.plan()
    bundle = TARGETS[target](plan, options)
    if config.getoption("--update-golden"):
        write(bundle, folder, study.sources(plan))
    return differences(bundle, folder)


def test_there_are_studies() -> None:
    assert STUDY_FILES


def test_no_golden_bundle_is_without_its_study() -> None:
    bundles = {str(manifest.parent.relative_to(GOLDEN)) for manifest in GOLDEN.rglob("manifest.json")}
    assert bundles == {*BUNDLES, *FOR_REANA}
