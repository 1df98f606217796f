"""A study of an existing MadMiner event file: the learning part alone, from every target."""

import json
import shutil
from pathlib import Path

import pytest

from tests.engines import COMMANDS, compile_target, run_target
from tests.support import SHARED_DATA, need

need("madminer", "steps")

pytestmark = pytest.mark.engine

FILE = "it's $(my) {events}.h5"
OBSERVED = "seen {by} $(me).csv"
STUDY = """
mmc: "1.0"
name: existing
parameters:
  PARAMETERS
benchmarks:
  sm: {FIRST: 0, SECOND: 0}
events: {file: "it's $(my) {events}.h5"}
observables: {OBSERVABLES}
methods:
  sally: {theta: {benchmark: sm}, samples: 300, training: {n_hidden: [10], n_epochs: 2}}
  alices:
    theta0: {random: {n: 10}}
    theta1: {benchmark: sm}
    samples: 300
    training: {n_hidden: [10], n_epochs: 2}
    ensemble: 2
evaluation:
  luminosity: 1 fb^-1
  grid: {FIRST: {points: 5}, SECOND: {points: 5}}
  baselines: {rate: true, histogram: {observables: [HISTOGRAM]}}
  fisher_information: {observable: HISTOGRAM, bins: 3}
"""


def write_study(folder: Path, parameters: tuple[str, str], observables: tuple[str, ...]) -> Path:
    """A study of the file ``FILE`` in the folder."""
    first, second = parameters
    text = STUDY.replace("PARAMETERS", f"{first}: {{range: [-1, 1]}}\n  {second}: {{range: [-1, 1]}}")
    text = text.replace("FIRST", first).replace("SECOND", second).replace("HISTOGRAM", observables[0])
    path = folder / "study.yaml"
    path.write_text(text.replace("OBSERVABLES", ", ".join(f"{name}: {{}}" for name in observables)))
    return path


@pytest.mark.parametrize("target", list(COMMANDS))
def test_every_target_learns_from_a_file(target: str, tmp_path: Path, quick_jobs: dict[str, str]) -> None:
    from tests.jobs.toy_events import write_events

    shutil.copy(write_events(tmp_path / "toy") / "events.h5", tmp_path / FILE)
    (tmp_path / OBSERVED).write_text("x2,x1\n0.3,-0.2\n-1.1,0.8\n0.1,0.4\n")
    study, bundle = write_study(tmp_path, ("c1", "c2"), ("x1", "x2")), tmp_path / "bundle"
    further = "baselines: {histograms: {both: {observables: [x1, x2]}},"
    text = study.read_text().replace("  baselines: {", f"  observed: {{file: {OBSERVED!r}}}\n  {further} ")
    study.write_text(text.replace("1 fb^-1", "1 fb^-1\n  include_xsec: both") + "plots: {formats: [svg]}\n")
    compile_target(target, study, bundle, quick_jobs)
    (tmp_path / FILE).unlink()  # the bundle has its own
    (tmp_path / OBSERVED).unlink()
    (results,) = run_target(target, bundle, quick_jobs).rglob("results.json")
    found = json.loads(results.read_text())
    assert [entry["name"] for entry in found["methods"]] == ["sally", "alices"]
    assert [entry["name"] for entry in found["baselines"]] == ["rate", "histogram", "histogram.both"]
    for entry in (*found["methods"], found["baselines"][1]):
        assert entry["n_observed"] == 3
        assert all(set(entry[key]["best_fit"]) == {"c1", "c2"} for key in ("observed", "observed_without_rate"))


def test_a_file_made_with_madgraph_pythia_and_delphes(tmp_path: Path, quick_jobs: dict[str, str]) -> None:
    source = SHARED_DATA / "vbf-higgs-delphes" / "events.h5"
    if not source.is_file():
        pytest.skip("needs the event files beside the checkout")
    shutil.copy(source, tmp_path / FILE)
    study = write_study(tmp_path, ("CWL2", "CPWL2"), ("pt_j1", "delta_phi_jj"))
    compile_target("script", study, tmp_path / "bundle", quick_jobs)
    report = run_target("script", tmp_path / "bundle", quick_jobs) / "report" / "report"
    assert "sally" in [entry["name"] for entry in json.loads((report / "results.json").read_text())["methods"]]
    assert (report / "contours_CWL2_CPWL2.png").is_file()
