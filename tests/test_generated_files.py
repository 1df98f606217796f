"""A study of files that MadGraph and Delphes made before: the physics part from there on, against MadMiner's own."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.engines import compile_target, run_target
from tests.support import SHARED_DATA, study_data

h5py = pytest.importorskip("h5py", reason="needs mmc[steps]")
np = pytest.importorskip("numpy", reason="needs mmc[steps]")

DATA = SHARED_DATA / "vbf-higgs"
SAMPLED = ("sm", "w", "morphing_basis_vector_2")
POINTS = {2: (-1.773, -5.133), 3: (-7.416, 7.148), 4: (1.166, 7.227), 5: (6.623, -4.359)}

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(not DATA.is_dir(), reason="needs the event files beside the checkout"),
]


def write_study(folder: Path, *, delphes: bool) -> Path:
    """The study of weak-boson fusion on the files in the folder, without what it learns from them."""
    study = study_data("vbf-higgs/study.yaml")
    for key in ("generation", "methods", "evaluation"):
        del study[key]
    for k, (first, second) in POINTS.items():
        study["benchmarks"][f"morphing_basis_vector_{k}"] = {"CWL2": first, "CPWL2": second}
    files: list[dict[str, Any]] = []
    for name in SAMPLED:
        files.append({"benchmark": name, "lhe": f"signal_{name}.lhe.gz"})
        shutil.copy(DATA / "lhe" / files[-1]["lhe"], folder)
        if delphes:
            files[-1]["delphes"] = f"signal_{name}_500ev_slim_seed1234.root"
            shutil.copy(DATA / "delphes" / files[-1]["delphes"], folder)
    study["events"] = {"samples": {"signal": {"files": files}}}
    study["detector"] = {"simulation": "delphes"} if delphes else {}
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(study, sort_keys=False))
    return path


def events(path: Path) -> tuple[Any, Any]:
    """Observables, weights at the benchmarks that are there, of all events in the order of the first observable."""
    with h5py.File(path) as file:
        names = [name.decode() for name in file["benchmarks/names"][()]]
        observations, weights = file["samples/observations"][()], file["samples/weights"][()]
    order = np.argsort(observations[:, 0])
    return observations[order], {name: weights[order, k] for k, name in enumerate(names)}


@pytest.mark.parametrize("kind", ["parton", "delphes"])
def test_the_events_are_those_that_madminer_finds(kind: str, tmp_path: Path, quick_jobs: dict[str, str]) -> None:
    study = write_study(tmp_path, delphes=kind == "delphes")
    compile_target("script", study, tmp_path / "bundle", quick_jobs)
    made = run_target("script", tmp_path / "bundle", quick_jobs)
    observations, weights = events(made / "combine" / "combine" / "events.h5")
    expected, expected_weights = events(DATA / "h5" / f"{kind}_combined.h5")
    assert observations == pytest.approx(expected, rel=1e-4)
    assert list(weights) == list(expected_weights)
    for name, values in weights.items():
        assert values == pytest.approx(expected_weights[name], rel=1e-4)
