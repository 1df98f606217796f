import gzip
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tests.jobs.physics import READING, Folder, analyse_settings, names

Chain = tuple[Folder, Path, Path]


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """A folder, the set-up and 200 events of the signal at the standard model."""
    folder = Folder(tmp_path_factory.mktemp("chain"))
    setup = folder.setup()
    return folder, setup, folder.simulate(setup, folder.generate(setup), 200)


def _content(analysed: Path) -> dict[str, Any]:
    with h5py.File(analysed / "events.h5") as file:
        columns = [name.decode() for name in file["observables/names"][()]]
        observations = dict(zip(columns, file["samples/observations"][()].T, strict=True))
        return {**observations, "weights": file["samples/weights"][()], "ids": file["samples/sampling_benchmarks"][()]}


def _smearing(**changes: Any) -> dict[str, Any]:
    none = {f"{q}_resolution_{kind}": 0.0 for q in ("energy", "pt", "eta", "phi") for kind in ("abs", "rel")}
    return {"pdgids": [13, -13], **none, "on_shell": None, **changes}


def _observables(**definitions: str) -> dict[str, Any]:
    return {name: {"definition": text, "required": True, "default": None} for name, text in definitions.items()}


def test_events_and_what_is_said_of_them(chain: Chain) -> None:
    folder, setup, events = chain
    analysed = folder.analyse(setup, events)
    record = json.loads((analysed / "analyse.json").read_text())
    content = _content(analysed)
    simulated = json.loads((events / "simulate.json").read_text())
    mean, error = record.pop("cross_section_pb")
    assert mean == simulated["mean_weights_pb"]["sm"]
    assert error == pytest.approx(mean / simulated["effective_sample_size"]["sm"] ** 0.5)
    assert record.pop("integrated_pb") == [simulated["cross_section_pb"], simulated["cross_section_error_pb"]]
    assert record == {
        "sample": "signal",
        "benchmark": "sm",
        "background": False,
        "n_read": 200,
        "size": 200,
        "n_generated": 200,
        "n_passed": len(content["m_ll"]),
        "undefined": {},
    }
    assert 100 < record["n_passed"] < 200
    assert (content["m_ll"] > 500.0).all()
    assert (content["ids"] == 0).all()
    assert names(analysed) == ["analyse.json", "events.h5", "job.json"]
    assert names(events) == ["events.lhe.gz", "job.json", "simulate.json"], "nothing is written beside the input"


def test_weights_sum_up_to_the_cross_section(chain: Chain) -> None:
    folder, setup, events = chain
    content = _content(folder.analyse(setup, events, {**READING, "cuts": []}))
    expected = json.loads((events / "simulate.json").read_text())["mean_weights_pb"]
    np.testing.assert_allclose(content["weights"].sum(axis=0), list(expected.values()), rtol=1e-12)


def test_a_charge_is_a_number_like_any_other(chain: Chain) -> None:
    folder, setup, events = chain
    observables = _observables(q="l[0].charge", total="mu[0].charge + mu[1].charge")
    content = _content(folder.analyse(setup, events, {**READING, "observables": observables, "cuts": []}))
    assert set(content["q"]) == {-1.0, 1.0}
    assert (content["total"] == 0.0).all()


def test_smearing_follows_the_seed(chain: Chain) -> None:
    folder, setup, events = chain
    first, again, other = (_content(folder.analyse(setup, events, seed=seed))["pt_1"] for seed in (9, 9, 10))
    np.testing.assert_array_equal(first, again)
    assert len(first) != len(other) or not np.array_equal(first, other)


def test_smearing_has_the_width_asked_for(chain: Chain) -> None:
    folder, setup, events = chain
    definitions = _observables(
        ratio="mu[0].pt / max(p_truth[0].pt, p_truth[1].pt) - 1", d_eta="p[0].eta - p_truth[0].eta"
    )
    reading = {**READING, "observables": definitions, "cuts": []}
    smearing = _smearing(pt_resolution_rel=0.03, eta_resolution_abs=0.001, on_shell="energy")
    content = _content(folder.analyse(setup, events, {**reading, "smearing": [smearing]}))
    assert 0.02 < content["ratio"].std() < 0.035
    assert content["d_eta"].std() == pytest.approx(0.001, rel=0.2)
    exact = _content(folder.analyse(setup, events, {**reading, "smearing": []}))
    np.testing.assert_allclose(exact["ratio"], 0.0, atol=1e-12)


@pytest.mark.parametrize(
    ("smearing", "on_shell"),
    [
        ({"pt_resolution_rel": 0.1, "on_shell": "energy"}, True),
        ({"energy_resolution_rel": 0.1, "eta_resolution_abs": 0.1, "on_shell": "pt"}, True),
        ({"pt_resolution_rel": 0.1, "energy_resolution_rel": 0.1}, False),
    ],
)
def test_on_shell(chain: Chain, smearing: dict[str, Any], on_shell: bool) -> None:
    folder, setup, events = chain
    definitions = _observables(off="abs(mu[0].e**2 - (mu[0].pt * cosh(mu[0].eta))**2) / mu[0].e**2")
    reading = {**READING, "observables": definitions, "smearing": [_smearing(**smearing)], "cuts": []}
    off = _content(folder.analyse(setup, events, reading))["off"]
    assert (np.median(off) < 1e-6) == on_shell


def test_met_noise(chain: Chain) -> None:
    folder, setup, events = chain
    reading = {**READING, "observables": _observables(met="met.pt"), "smearing": [], "cuts": []}
    exact = _content(folder.analyse(setup, events, reading))["met"]
    np.testing.assert_allclose(exact, 0.0, atol=1e-6)
    noisy = _content(folder.analyse(setup, events, {**reading, "met_noise": {"abs": 20.0, "rel": 0.0}}))["met"]
    assert noisy.mean() == pytest.approx(20.0 * np.sqrt(np.pi / 2.0), rel=0.2)


def test_default_observables_cuts_and_efficiencies(chain: Chain) -> None:
    folder, setup, events = chain
    options = {f"n_{kind}_max": count for kind, count in (("leptons", 2), ("photons", 0), ("jets", 1))}
    switches = {"include_met": True, "include_visible_sum": True, "include_numbers": True}
    reading = {
        **READING,
        "default_observables": {**options, **switches},
        "cuts": [{"definition": "pt_l1 > 250", "required": False}, {"definition": "j[5].pt > 1", "required": True}],
        "efficiencies": [{"definition": "0.5", "default": 1.0}, {"definition": "j[0].pt", "default": 0.5}],
    }
    content = _content(folder.analyse(setup, events, reading))
    assert (content["n_ls"] == 2).all()
    assert (content["e_j1"] == 0.0).all()
    assert (content["pt_l1"] > 250.0).all()
    assert (content["e_visible"] > 500.0).all()
    cross_section = json.loads((events / "simulate.json").read_text())["cross_section_pb"]
    np.testing.assert_allclose(content["weights"][:, 0], 0.25 * cross_section / 200)


def test_no_event_passes(chain: Chain) -> None:
    folder, setup, events = chain
    nothing = {**READING, "cuts": [{"definition": "m_ll > 1e6", "required": False}]}
    analysed = folder.analyse(setup, events, nothing)
    assert json.loads((analysed / "analyse.json").read_text())["n_passed"] == 0
    assert names(analysed) == ["analyse.json", "job.json"]


def test_weights_that_are_not_finite_are_named(chain: Chain, tmp_path: Path) -> None:
    _, setup, events = chain
    changed = Path(shutil.copytree(events, tmp_path / events.name))
    text = gzip.decompress((events / "events.lhe.gz").read_bytes()).decode()
    text = re.sub(r"(<wgt id='ll'>) \S+", r"\1 nan", text, count=3)
    (changed / "events.lhe.gz").write_bytes(gzip.compress(text.encode()))
    settings = analyse_settings(events, {**READING, "cuts": []})
    line = Folder(tmp_path).refusal("analyse", events.name, settings, setup=setup, events=changed)
    assert line.startswith(
        "the weights 'll' are not finite in 3 of 200 events that pass: check the weights in the file"
    )


def test_undefined_values_are_counted(chain: Chain) -> None:
    folder, setup, events = chain
    lax = {"definition": "j[0].pt", "required": False, "default": None}
    reading = {**READING, "observables": {**READING["observables"], "pt_j": lax, "pt_j0": {**lax, "default": 0.0}}}
    record = json.loads((folder.analyse(setup, events, reading) / "analyse.json").read_text())
    assert record["undefined"] == {"pt_j": record["n_passed"]}


def test_events_of_another_job_are_refused(tmp_path: Path, chain: Chain) -> None:
    _, setup, events = chain
    settings = analyse_settings(events)
    reason = Folder(tmp_path).refusal("analyse", "signal.sm.1", settings, setup=setup, events=events)
    assert reason == "none of the directories of --events is the output of job 'signal.sm.1'"


def test_misspelt_observable(tmp_path: Path, chain: Chain) -> None:
    _, setup, events = chain
    settings = {**analyse_settings(events), "observables": _observables(a="muon[0].pt")}
    reason = Folder(tmp_path).refusal("analyse", events.name, settings, setup=setup, events=events)
    assert reason == "cannot evaluate 'muon[0].pt': name 'muon' is not defined"


@pytest.mark.parametrize("blocks", [16, 100])
def test_full_disk(tmp_path: Path, chain: Chain, blocks: int) -> None:
    _, setup, events = chain
    folder = Folder(tmp_path)
    reading = {**READING, "observables": _observables(**{f"x{i}": "mu[0].pt" for i in range(150)})}
    inputs = {"setup": setup, "events": events}
    words = folder.arguments("analyse", events.name, analyse_settings(events, reading), inputs, 1)
    limited = [
        "bash",
        "-c",
        f'ulimit -f {blocks}; exec "$0" "$@"',
        sys.executable,
        "-m",
        "mmc.jobs.steps.runner",
        *words,
    ]
    done = subprocess.run(limited, capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert done.stderr.strip().rpartition("\n")[2].startswith(f"mmc step analyse[{events.name}]: cannot write: ")
    assert "Traceback" not in done.stderr
    assert names(tmp_path / "analyse") == [f"{events.name}.log"]
