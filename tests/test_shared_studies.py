"""Analyses that people made: the language says them, and shorter words have the same values."""

import gzip
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from mmc.compiler.checks import check
from mmc.compiler.expressions.naming import expression
from mmc.compiler.language.document import load

from tests.support import ROOT, study_data

SHARED = ROOT.parent / "shared" / "studies"
SHORT = ROOT / "tests" / "data" / "wh-cp-odd.yaml"
needs_them = pytest.mark.skipif(not SHARED.exists(), reason="the analyses that people made are not here")


def observables(entries: dict[str, Any], names: tuple[str, ...], folder: Path) -> dict[str, Any]:
    """The values of some observables in events of a lepton, two jets and two neutrinos."""
    import numpy as np
    from mmc.jobs.readers import les_houches
    from mmc.jobs.readers.reading import define

    from tests.jobs.event_files import HEADER, les_houches_settings, setup_file

    folder.mkdir()
    random = np.random.default_rng(3)
    text = HEADER.format(n=300, norm="average")
    for _ in range(300):
        text += "<event>\n 5 1 0.5 100. 0.0078 0.1\n"
        for pdgid, mass in ((random.choice([11, -11, 13, -13]), 0.0), (5, 4.7), (-5, 4.7), (12, 0.0), (14, 0.0)):
            momentum = random.normal(0.0, 60.0, size=3)
            line = " ".join(f"{value:+.10e}" for value in (*momentum, np.hypot(np.linalg.norm(momentum), mass), mass))
            text += f" {pdgid} 1 1 2 0 0 {line} 0. 9.\n"
        text += "<rwgt>\n<wgt id='sm'> 0.5 </wgt>\n</rwgt>\n</event>\n"
    (folder / "events.lhe.gz").write_bytes(gzip.compress((text + "</LesHouchesEvents>\n").encode()))
    sections = ("objects", "definitions")
    reading = {
        "names": {name: expression(entry) for part in sections for name, entry in entries.get(part, {}).items()},
        "observables": {name: {"default": None, "required": False, **entries["observables"][name]} for name in names},
        **{"cuts": [], "efficiencies": [], "smearing": [], "default_observables": None},
        "met_noise": {"abs": 0.0, "rel": 0.0},
    }
    settings = les_houches_settings(reading)
    reader = les_houches.make(setup_file(folder / "setup.h5", ["sm"]), settings)
    define(reader, settings)
    les_houches.analyse(reader, folder / "events.lhe.gz", "sm", False)
    found: dict[str, Any] = reader.observations
    return found


@needs_them
@pytest.mark.engine
def test_short_words_have_the_values_of_long_lines(tmp_path: Path) -> None:
    import numpy as np

    long = yaml.safe_load((SHARED / "wh-cp-odd" / "study.yaml").read_text(encoding="utf-8"))
    short = yaml.safe_load(SHORT.read_text(encoding="utf-8"))
    names = tuple(short["observables"])
    expected = observables(long, names, tmp_path / "long")
    found = observables(short, names, tmp_path / "short")
    for name in names:
        assert len(found[name]) == 300
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-6, atol=1e-6, err_msg=name)
    assert max(len(entry["definition"]) for entry in short["observables"].values()) < 80


@needs_them
def test_the_study_is_valid_with_them() -> None:
    long = (SHARED / "wh-cp-odd" / "study.yaml").read_text(encoding="utf-8")
    start, _, rest = long.partition("observables:\n")
    kept = "".join(
        f"{line}\n"
        for line in rest.partition("cuts:")[0].splitlines()
        if f"{line.split(':')[0]}:" not in SHORT.read_text(encoding="utf-8")
    )
    text = f"{start}{SHORT.read_text(encoding='utf-8')}{kept}cuts:{rest.partition('cuts:')[2]}"
    found = check(load(text, "study.yaml"), lambda _path: "missing").diagnostics
    assert {item.code for item in found if item.severity == "error"} == {"MMC601"}  # cards that are not here
    assert len(text) < 0.8 * len(long)


@needs_them
@pytest.mark.parametrize("name", ["tutorial-parton", "wh-four-channels"])
def test_they_are_valid(name: str) -> None:
    text = (SHARED / name / "study.yaml").read_text(encoding="utf-8")
    found = check(load(text, "study.yaml"), lambda _path: "missing").diagnostics
    assert {item.code for item in found if item.severity == "error"} <= {"MMC601"}


@pytest.mark.engine
def test_definitions_have_the_values_of_what_they_stand_for(tmp_path: Path) -> None:
    """The study of W H with four operators, with and without its definitions."""
    import numpy as np

    study = study_data("wh-smeft/study.yaml")
    names = tuple(study["observables"])
    found = observables(study, names, tmp_path / "short")
    written_out = {name: {**entry} for name, entry in study["observables"].items()}
    for entry in written_out.values():
        for name, text in reversed(study["definitions"].items()):
            entry["definition"] = re.sub(rf"\b{name}\b", f"({text})", entry["definition"])
        assert set(re.findall(r"[a-z]\w*", entry["definition"])).isdisjoint(study["definitions"])
    expected = observables({"observables": written_out}, names, tmp_path / "long")
    for name in names:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-12, err_msg=name)
