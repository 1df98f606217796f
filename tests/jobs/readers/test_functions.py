"""Observables that are Python functions of the study: what they see, and what is refused."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tests.jobs.physics import READING, Folder, analyse_settings

CODE = """
def softer(event):
    return min(event.mu[0].pt, event.mu[1].pt) if event.met.pt >= 0 else None

def some(event):
    return event.pair.m if event.mu[0].pt > 400 else None

def text(event):
    return "12"

def wrong(event):
    return event.jets[0].pt
"""


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = Folder(tmp_path_factory.mktemp("functions"))
    setup = folder.setup()
    return setup, folder.simulate(setup, folder.generate(setup), 60)


def reading(**functions: str) -> dict[str, Any]:
    own = {name: {"definition": name, "required": False, "default": None} for name in functions}
    return {
        **READING,
        "observables": {
            **READING["observables"],
            **own,
            "same": {"definition": "min(mu[0].pt, mu[1].pt)", "required": True, "default": None},
        },
        "names": {"pair": "mu[0] + mu[1]"},
        "functions": {name: {"file": "file_observables_py", "name": function} for name, function in functions.items()},
        "trust": ["file_observables_py"],
    }


def inputs(folder: Path, simulated: tuple[Path, Path]) -> dict[str, Path]:
    (folder / "observables.py").write_text(CODE)
    return {"setup": simulated[0], "events": simulated[1], "file_observables_py": folder / "observables.py"}


def test_functions_see_the_objects_of_an_event(tmp_path: Path, simulated: tuple[Path, Path]) -> None:
    folder = Folder(tmp_path)
    asked = reading(pt_2="softer", heavy="some")
    asked["observables"]["twice"] = {"definition": "2 * pt_2", "required": True, "default": None}
    settings = analyse_settings(simulated[1], asked)
    out = folder.run("analyse", simulated[1].name, settings, **inputs(tmp_path, simulated))
    with h5py.File(out / "events.h5") as file:
        names = [name.decode() for name in file["observables/names"]]
        values = dict(zip(names, file["samples/observations"][()].T, strict=True))
    assert len(values["same"]) > 20
    assert values["pt_2"].tolist() == values["same"].tolist()
    assert values["twice"].tolist() == (2 * values["same"]).tolist()
    is_hard = values["pt_1"] > 400
    assert 0 < is_hard.sum() < len(is_hard)
    assert np.isnan(values["heavy"][~is_hard]).all()
    assert values["heavy"][is_hard] == pytest.approx(values["m_ll"][is_hard])


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        ("text", "the function of x returns str instead of a number"),
        ("wrong", "the function of x fails: AttributeError: an event has no 'jets'"),
        ("absent", "the file of the observable x does not define the function absent"),
    ],
)
def test_functions_that_fail_end_the_job(
    tmp_path: Path, simulated: tuple[Path, Path], function: str, reason: str
) -> None:
    settings = analyse_settings(simulated[1], reading(x=function))
    assert reason in Folder(tmp_path).refusal("analyse", simulated[1].name, settings, **inputs(tmp_path, simulated))


def test_a_file_without_trust_is_not_run(tmp_path: Path, simulated: tuple[Path, Path]) -> None:
    settings = {**analyse_settings(simulated[1], reading(x="softer")), "trust": []}
    given = inputs(tmp_path, simulated)
    given["file_observables_py"].write_text("open('ran', 'w')\n")
    refused = Folder(tmp_path).refusal("analyse", simulated[1].name, settings, **given)
    assert refused == "the study does not trust the file of the function softer"
    assert not (tmp_path / "ran").exists() and not Path("ran").exists()
