import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tests.jobs.physics import BENCHMARKS, READING, Folder, combine_settings
from tests.support import SHARED_DATA

RANGE = {"range": [-0.06, 0.06]}


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Folder(tmp_path_factory.mktemp("chain"))
    setup = folder.setup()
    analysed = [folder.analyse(setup, folder.simulate(setup, folder.generate(setup), 60), READING)]
    return folder.run("combine", "combine", combine_settings(analysed), setup=setup, analysed=analysed)


def _settings(path: Path, **changes: Any) -> dict[str, Any]:
    parameters = dict.fromkeys(("c_LL", "c_LR"), RANGE)
    settings = {"parameters": parameters, "benchmarks": BENCHMARKS, "observables": list(READING["observables"])}
    return {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), **settings, **changes}


def test_file_is_copied_and_described_as_if_it_were_our_own(tmp_path: Path, events: Path) -> None:
    path = events / "events.h5"
    out = Folder(tmp_path).run("ingest", "ingest", _settings(path), file=path)
    assert (out / "events.h5").read_bytes() == path.read_bytes()
    theirs, ours = (json.loads((folder / "events.json").read_text()) for folder in (out, events))
    assert ours.pop("samples")  # which a file does not tell, so that the errors there are those of the weights alone
    for told in (theirs, ours):
        told["cross_sections_pb"] = {name: value for name, (value, _) in told["cross_sections_pb"].items()}
    assert theirs == ours


def test_events_that_a_file_holds_twice(tmp_path: Path, events: Path) -> None:
    path = tmp_path / "events.h5"
    shutil.copyfile(events / "events.h5", path)
    with h5py.File(path, "r+") as file:
        for name in ("observations", "weights", "sampling_benchmarks"):
            rows = file[f"samples/{name}"][()]
            del file[f"samples/{name}"]
            file[f"samples/{name}"] = np.concatenate([rows, rows])
        file["sample_summary/signal_events"][...] = 2 * file["sample_summary/signal_events"][()]
    line = Folder(tmp_path).refusal("ingest", "ingest", _settings(path), file=path)
    assert line.startswith(
        f"events.h5 holds {2 * len(rows)} events, and {len(rows)} of them are copies of others in the"
    )


def test_observables_that_the_study_does_not_list(tmp_path: Path) -> None:
    path = SHARED_DATA / "vbf-higgs-delphes" / "events.h5"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    with h5py.File(path) as file:
        names, points = ([text.decode() for text in file[f"{of}/names"][()]] for of in ("parameters", "benchmarks"))
        values = file["benchmarks/values"][()].tolist()
    benchmarks = {name: dict(zip(names, point, strict=True)) for name, point in zip(points, values, strict=True)}
    settings = _settings(path, parameters=dict.fromkeys(names, RANGE), benchmarks=benchmarks, observables=["pt_j1"])
    out = Folder(tmp_path).run("ingest", "ingest", settings, file=path)
    (warning,) = json.loads((out / "events.json").read_text())["warnings"]
    assert warning.startswith("events.h5 has observables that the study does not list (delta_phi_jj): methods without")


def test_observables_that_say_nothing_are_warned_about(tmp_path: Path, events: Path) -> None:
    path = tmp_path / "events.h5"
    shutil.copyfile(events / "events.h5", path)
    with h5py.File(path, "r+") as file:
        file["samples/observations"][:, 0] = 3.5
        file["samples/observations"][:7, 1] = np.nan
        n = len(file["samples/observations"])
    out = Folder(tmp_path).run("ingest", "ingest", _settings(path), file=path)
    assert json.loads((events / "events.json").read_text())["warnings"] == []
    assert json.loads((out / "events.json").read_text())["warnings"] == [
        "the observable m_ll is 3.5 in all events",
        f"the observable pt_1 is not a finite number in 7 of {n} events",
    ]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sha256": "0" * 64}, "events.h5 is not the file that the study was compiled with: compile the study again"),
        (
            {"parameters": {"c_LR": RANGE, "c_LL": RANGE}},
            "the parameters of events.h5 are c_LL, c_LR; the study has c_LR, c_LL",
        ),
        (
            {"benchmarks": {"w": {"c_LL": 0.0, "c_LR": 0.0}}},
            "events.h5 has no benchmark 'w'; it has sm, ll, lr, morphing_basis_vector_3, morphing_basis_vector_4, "
            "morphing_basis_vector_5",
        ),
        (
            {"benchmarks": {"ll": {"c_LL": 0.051, "c_LR": 0.0}}},
            "benchmark 'll' is at c_LL = 0.05 in events.h5, 0.051 in the study",
        ),
        ({"observables": ["pt_1", "pt_2"]}, "events.h5 has no observable 'pt_2'; it has m_ll, pt_1"),
    ],
)
def test_mismatch_is_one_clear_line(tmp_path: Path, events: Path, changes: dict[str, Any], reason: str) -> None:
    path = events / "events.h5"
    assert Folder(tmp_path).refusal("ingest", "ingest", _settings(path, **changes), file=path) == reason


def test_file_that_is_no_event_file(tmp_path: Path, events: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("hello")
    folder = Folder(tmp_path)
    assert folder.refusal("ingest", "ingest", _settings(text), file=text) == "notes.txt is not an HDF5 file"
    bare = tmp_path / "bare.h5"
    shutil.copyfile(events / "events.h5", bare)
    with h5py.File(bare, "a") as file:
        del file["samples"]
    reason = folder.refusal("ingest", "ingest", _settings(bare), file=bare)
    assert reason == "bare.h5 is not a MadMiner event file: it has no events"


def test_a_file_without_morphing(tmp_path: Path, events: Path) -> None:
    """It is read where the study says so, as weights are then known at benchmarks alone."""
    path, folder = tmp_path / "events.h5", Folder(tmp_path)
    shutil.copyfile(events / "events.h5", path)
    without = {"morphing": False}
    reason = folder.refusal("ingest", "ingest", _settings(path, **without), file=path)
    assert reason == "events.h5 has a morphing basis: remove `morphing: none`"
    with h5py.File(path, "a") as file:
        del file["morphing"]
    reason = folder.refusal("ingest", "ingest", _settings(path), file=path)
    assert reason == "events.h5 has no morphing basis: write `morphing: none`"
    out = folder.run("ingest", "ingest", _settings(path, **without), file=path)
    assert "morphing_deviations" not in json.loads((out / "events.json").read_text())


def test_weights_must_be_finite(tmp_path: Path, events: Path) -> None:
    path = tmp_path / "broken.h5"
    shutil.copyfile(events / "events.h5", path)
    with h5py.File(path, "a") as file:
        file["samples/weights"][3, 1] = np.nan
    assert Folder(tmp_path).refusal("ingest", "ingest", _settings(path), file=path) == (
        "samples/weights of broken.h5 is not a finite number in row 3"
    )


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="needs the event files beside the checkout")
@pytest.mark.parametrize("name", ["vbf-higgs-delphes/events.h5", "vbf-higgs/h5/delphes_combined.h5"])
def test_events_of_madgraph_pythia_and_delphes(tmp_path: Path, name: str) -> None:
    path = SHARED_DATA / name
    points = {"sm": {"CWL2": 0.0, "CPWL2": 0.0}, "w": {"CWL2": 10.0, "CPWL2": 0.0}}
    parameters = {"CWL2": RANGE, "CPWL2": RANGE}
    settings = _settings(path, parameters=parameters, benchmarks=points, observables=["pt_j1", "delta_phi_jj"])
    out = Folder(tmp_path).run("ingest", "ingest", settings, file=path)
    found = json.loads((out / "events.json").read_text())["cross_sections_pb"]
    assert found["sm"][0] == pytest.approx(0.00103, rel=0.25)
    assert found["w"][0] == pytest.approx(0.0170, rel=0.25)
