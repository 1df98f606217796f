"""The steps generate and simulate with MadGraph; a script stands in for it here, the real one is in test_real_chain."""

import gzip
import json
import os
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest
from mmc.jobs.formats import les_houches_normalise
from mmc.jobs.formats.weight_groups import Nuisance
from mmc.jobs.generators import madgraph_events
from mmc.jobs.generators.madgraph import complaint, hint
from mmc.jobs.generators.madgraph_process import pack, unpack
from mmc.packing import packed

from tests.jobs.madgraph import BENCHMARKS, event_settings, install_fake, process_settings, setup
from tests.jobs.matrix_elements import ufo_models
from tests.jobs.physics import Folder, names

Chain = tuple[Folder, Path, Path]
SIX = ["sm", "w", *(f"morphing_basis_vector_{k}" for k in range(2, 6))]


@pytest.fixture
def mg5(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return install_fake(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return setup(Folder(tmp_path_factory.mktemp("configured")))


@pytest.fixture
def process(tmp_path: Path, mg5: Path) -> Path:
    return Folder(tmp_path).run("generate", "signal", process_settings(mg5))


def _text(events: Path) -> str:
    return gzip.decompress((events / "events.lhe.gz").read_bytes()).decode()


def _refusal(folder: Path, settings: dict[str, Any], setup: Path, process: Path, **files: Path) -> str:
    return Folder(folder).refusal("simulate", "x", settings, setup=setup, process=process, **files)


# -- the process ------------------------------------------------------------------------------------------------------


def test_process_is_an_archive_that_tells_no_time_and_place(tmp_path: Path, mg5: Path) -> None:
    first = Folder(tmp_path).run("generate", "signal", process_settings(mg5))
    again = Folder(tmp_path / "elsewhere")
    again.path.mkdir()
    second = again.run("generate", "signal", process_settings(mg5))
    assert names(first) == ["job.json", "process.json", "process.tar.gz"]
    assert (first / "process.tar.gz").read_bytes() == (second / "process.tar.gz").read_bytes()
    with tarfile.open(first / "process.tar.gz") as tar:
        members = {member.name: member for member in tar}
    assert not {"index.html", "madevent.tar.gz", "Cards/me5_configuration.txt"} & set(members)
    assert members["SubProcesses/P1_qq/cuts.f"].linkname == "../cuts.f"
    record = json.loads((first / "process.json").read_text())
    assert (record["madgraph"], record["param_card"]) == ("3.5.7", "Cards/param_card_default.dat")


def test_commands_in_the_order_of_the_study(tmp_path: Path, mg5: Path) -> None:
    settings = process_settings(
        mg5, process=["p p > l vl", "p p > l vl j"], definitions={"l": "e+ mu+", "vl": "ve vm"}, model="sm"
    )
    Folder(tmp_path).run("generate", "signal", settings)
    said = re.findall(r"program: (.*)", (tmp_path / "generate" / "signal.log").read_text())
    assert said == [
        "import model sm",
        "define l = e+ mu+",
        "define vl = ve vm",
        "generate p p > l vl",
        "add process p p > l vl j",
        "output process",
    ]


def test_a_model_travels(tmp_path: Path, mg5: Path, configured: Path) -> None:
    """It is put beside the process, with the study's restriction, and the jobs that simulate find it there."""
    (tmp_path / "models").mkdir()
    model = ufo_models.write(tmp_path / "models" / "EWdim6")
    (model / "__pycache__").mkdir()
    (tmp_path / "model").write_bytes(packed(model))
    (tmp_path / "card").write_text("Block dim6\n 2 9.1e-1\n")
    travels = {"model": "EWdim6", "model_file": "m", "restriction_file": "r", "trust": ["m"]}
    inputs = {"m": tmp_path / "model", "r": tmp_path / "card"}
    folder = Folder(tmp_path)
    process = folder.run("generate", "signal", process_settings(mg5, **travels), **inputs)
    log = (tmp_path / "generate" / "signal.log").read_text()
    assert "program: import model mmc_EWdim6-mmc\n" in log
    with tarfile.open(process / "process.tar.gz") as tar:
        names = [name for name in tar.getnames() if name.startswith("models_of_study/mmc_EWdim6/")]
        restriction = tar.extractfile("models_of_study/mmc_EWdim6/restrict_mmc.dat")
        assert restriction is not None and restriction.read() == b"Block dim6\n 2 9.1e-1\n"
    assert "models_of_study/mmc_EWdim6/particles.py" in names and not any("pycache" in name for name in names)
    assert {path.name for path in (mg5 / "models").iterdir()} == {"sm", "EWdim6"}, "nothing is installed there"
    folder.run("simulate", "x", event_settings(mg5), setup=configured, process=process)
    (said,) = re.findall(r"program: models: (.*)", (tmp_path / "simulate" / "x.log").read_text())
    assert said.split(":")[0].endswith("/process/models_of_study")
    untrusted = process_settings(mg5, **{**travels, "trust": []})
    (tmp_path / "untrusted").mkdir()
    assert "does not trust" in Folder(tmp_path / "untrusted").refusal("generate", "y", untrusted, **inputs)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"process": ["p p > e+ e-", "p p > nosuch"]},
            "MadGraph rejects the process of signal: `add process p p > nosuch`: No particle nosuch in model",
        ),
        (
            {"definitions": {"x": "nosuch"}},
            "MadGraph rejects the process of signal: `define x = nosuch`: No particle nosuch in model",
        ),
        ({"model": "4mu-full"}, "the model 4mu-full of signal is not installed: put the folder of its UFO files into "),
        (
            {"process": ["p p > e+ e-; output /tmp/x"]},
            "a process line of signal contains ';', which is not allowed: 'p p > e+ e-; output /tmp/x'",
        ),
        ({"definitions": {"x": "e+\nlaunch"}}, "a process line of signal contains '\\n', which is not allowed"),
        ({"process": ["g g > h [QCD] --loop_filter=exit()"]}, "a process line of signal contains '--loop_filter'"),
    ],
)
def test_processes_that_cannot_be(tmp_path: Path, mg5: Path, changes: dict[str, Any], reason: str) -> None:
    assert Folder(tmp_path).refusal("generate", "signal", process_settings(mg5, **changes)).startswith(reason)


def test_madgraph_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MMC_MADGRAPH_DIR", raising=False)
    reason = Folder(tmp_path).refusal("generate", "signal", process_settings())
    assert reason.startswith("MadGraph is not installed here: name its folder in the study's ")


def test_madgraph_crashes(tmp_path: Path, mg5: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_MADGRAPH", "crash")
    reason = Folder(tmp_path).refusal("generate", "signal", process_settings(mg5))
    assert reason == "MadGraph ended with code 1: see the log"
    assert "program: Segmentation fault" in (tmp_path / "generate" / "signal.log").read_text()


def test_archive_follows_links_that_lead_out(tmp_path: Path) -> None:
    (tmp_path / "library.a").write_text("objects")
    folder = tmp_path / "process"
    folder.mkdir()
    (folder / "library.a").symlink_to(tmp_path / "library.a")
    (folder / "relative.a").symlink_to("../library.a")
    (folder / "run").write_text("#!/bin/sh\n")
    (folder / "run").chmod(0o700)
    pack(folder, tmp_path / "process.tar.gz")
    unpack(tmp_path / "process.tar.gz", tmp_path / "unpacked")
    for name in ("library.a", "relative.a"):
        assert (tmp_path / "unpacked" / name).read_text() == "objects"
        assert not (tmp_path / "unpacked" / name).is_symlink()
    assert os.access(tmp_path / "unpacked" / "run", os.X_OK)


# -- events -----------------------------------------------------------------------------------------------------------


def test_events_carry_the_weight_of_every_benchmark(tmp_path: Path, mg5: Path, configured: Path, process: Path) -> None:
    settings = event_settings(mg5, benchmark="w")
    events = Folder(tmp_path).run("simulate", "signal.w.0", settings, setup=configured, process=process)
    assert names(events) == ["events.lhe.gz", "job.json", "simulate.json"]
    found = re.findall(r"<wgt id='(\w+)'> (\S+) </wgt>", _text(events))
    assert [name for name, _ in found] == SIX * 100
    assert {value for name, value in found if name == "w"} == {"+5.0000000e-01"}
    record = json.loads((events / "simulate.json").read_text())
    assert (record["sample"], record["slice"], record["benchmark"], record["n_events"]) == ("signal", None, "w", 100)
    assert record["cross_section_pb"] == 0.5 and list(record["mean_weights_pb"]) == SIX
    assert record["mean_weights_pb"]["sm"] == pytest.approx(0.5) and "warnings" not in record


def test_cards_are_those_of_the_settings(tmp_path: Path, mg5: Path, configured: Path, process: Path) -> None:
    card, run_card = tmp_path / "param.dat", tmp_path / "run.dat"
    card.write_text("Block dim6\n 1 0.25\n 2 1.\n 5 1.\n")
    run_card.write_text(" 5000 = nevents\n 7 = iseed\n 50.0 = ptj\n 1.5 = drjj\n")
    settings = event_settings(
        mg5, benchmark="w", param_card_file="p", run_card_file="r", param_card={}, run_card={"mmjj": 200.0}
    )
    inputs = {"setup": configured, "process": process, "p": card, "r": run_card}
    events = Folder(tmp_path).refusal("simulate", "x", settings, **inputs)
    assert events == "MadGraph's run card has no setting drjj: correct the name, or remove it"
    run_card.write_text(run_card.read_text().replace("drjj", "ickkw"))
    text = _text(Folder(tmp_path).run("simulate", "x", settings, seed=11, **inputs))
    shown = {name: value for value, name in re.findall(r"^\s*(\S+)\s*= (\w+)", text, re.MULTILINE)}
    assert shown == {
        **{"nevents": "100", "iseed": "11", "ptj": "50.0", "ickkw": "1.5", "mmjj": "200.0", "lpp1": "1", "lpp2": "1"},
        **{"ebeam1": "6500.0", "ebeam2": "6500.0", "pdlabel": "nn23lo1", "event_norm": "average", "use_syst": "False"},
    }
    assert re.search(r"Block dim6\n 1 0.25\n 2 165.2\d*\n 5 0.0\n", text)
    assert "keeps other entries of the parameters' blocks: dim6 1 = 0.25" in (tmp_path / "simulate/x.log").read_text()


def test_backgrounds_are_not_reweighted(tmp_path: Path, mg5: Path, configured: Path) -> None:
    folder = Folder(tmp_path)
    process = folder.run("generate", "ww", process_settings(mg5, sample="ww", model="sm", process=["p p > w+ w-"]))
    entries = {"param_card": {"smeft all": 0, "mass 25": 126}, "param_card_where_there": ["smeft all"]}
    settings = event_settings(mg5, sample="ww", process_job="ww", background=True, slice="low", **entries)
    parameters = {name: {**entry, "lha_block": "smeft"} for name, entry in settings["parameters"].items()}
    events = folder.run(
        "simulate", "ww.low.sm.0", {**settings, "parameters": parameters}, setup=configured, process=process
    )
    assert set(re.findall(r"<wgt id='(\w+)'> (\S+) </wgt>", _text(events))) == {("sm", "+5.0000000e-01")}
    assert re.search(r"Block mass\n 25 126(\.0)?\n", _text(events))
    assert json.loads((events / "simulate.json").read_text())["slice"] == "low"
    signal = {**settings, "parameters": parameters, "background": False}
    (tmp_path / "signal").mkdir()
    reason = _refusal(tmp_path / "signal", signal, configured, process)
    assert reason == "the param card of MadGraph has no entry 'smeft 2': it has decay, dim6, mass"


def test_same_seed_same_bytes_wherever(tmp_path: Path, mg5: Path, configured: Path, process: Path) -> None:
    inputs = {"setup": configured, "process": process}
    first = Folder(tmp_path).run("simulate", "x", event_settings(mg5), seed=7, **inputs)
    odd = Folder(tmp_path / "a folder, with signs")
    odd.path.mkdir()
    again = odd.run("simulate", "x", event_settings(mg5), seed=7, **inputs)
    assert (first / "events.lhe.gz").read_bytes() == (again / "events.lhe.gz").read_bytes()
    assert str(tmp_path) not in _text(first)
    other = Folder(tmp_path).run("simulate", "y", event_settings(mg5), seed=8, **inputs)
    assert not set(_text(first).split("<event>")[1:]) & set(_text(other).split("<event>")[1:])


def test_madgraph_has_nothing_to_read(
    tmp_path: Path, mg5: Path, configured: Path, process: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_MADGRAPH", "question")
    Folder(tmp_path).run("simulate", "x", event_settings(mg5), setup=configured, process=process)
    assert "program: answer: ''" in (tmp_path / "simulate" / "x.log").read_text()


@pytest.mark.parametrize(
    ("fails", "reason"),
    [
        (
            "reweighting",
            "MadGraph generates and reweights signal at sm, but event 1 of unweighted_events.lhe.gz has no weight for "
            "'w', 'morphing_basis_vector_2', 'morphing_basis_vector_3' and 2 more; it has none in <rwgt>: A "
            "compilation Error occurs: f2py failed",
        ),
        (
            "one",
            "MadGraph generates and reweights signal at sm, but event 4 of unweighted_events.lhe.gz has no weight for "
            "'morphing_basis_vector_5', which the events before it have; see the log",
        ),
        (
            "events",
            "MadGraph makes no events of signal at sm: the cross section is zero; are the cuts of the run card too "
            "tight, or is a width in the param card 0?",
        ),
        ("short", "MadGraph makes 80 of 100 events of signal at sm; see the log"),
    ],
)
def test_failures_that_madgraph_does_not_tell(
    tmp_path: Path,
    mg5: Path,
    configured: Path,
    process: Path,
    monkeypatch: pytest.MonkeyPatch,
    fails: str,
    reason: str,
) -> None:
    monkeypatch.setenv("FAKE_MADGRAPH", fails)
    assert _refusal(tmp_path, event_settings(mg5), configured, process) == reason


def test_a_few_events_may_be_missing(
    tmp_path: Path, mg5: Path, configured: Path, process: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_MADGRAPH", "few")
    assumed = [Nuisance(f"p{k}", "pdf", {}, warning=text) for k, text in enumerate(("", "a", "a"))]
    monkeypatch.setattr(madgraph_events, "find_nuisance", lambda *_: assumed)
    events = Folder(tmp_path).run("simulate", "x", event_settings(mg5), setup=configured, process=process)
    record = json.loads((events / "simulate.json").read_text())
    assert (record["n_events"], _text(events).count("<event>")) == (99, 99)
    assert record["mean_weights_pb"]["sm"] == pytest.approx(0.5)
    assert "\n 99 = nevents" in _text(events)
    assert record["warnings"] == ["a"]  # what is assumed of a PDF set


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"benchmark": "bsm"}, "there is no benchmark 'bsm'; the set-up has sm, w, morphing_basis_vector_2"),
        ({"run_card": {"ptjj": 20.0}}, "the study of signal: `ptjj` is not in the list of settings that mmc passes on"),
        (
            {"run_card": {"ptjj": 20.0}, "trust": ["ptjj"]},
            "MadGraph's run card has no setting ptjj: correct the name, or remove it",
        ),
        ({"param_card": {"dim6 9": 0}}, "the param card of MadGraph has no entry 'dim6 9': block dim6 has 1, 2, 5"),
        (
            {"systematics": {"mu": {"effect": "scale", "scale": "mu", "variations": [0.5, 1, 2]}}},
            "scale and PDF uncertainties need LHAPDF, but lhapdf-config is missing: install",
        ),
        (
            {"beams": {"energy_gev": 6500.0, "particles": ["p", "p"], "pdf": 303400}},
            "a numbered PDF set needs LHAPDF, but lhapdf-config is missing: install",
        ),
        (
            {"run_card": {"ickkw": 1}, "shower": {"card": None, "settings": {}}},
            "ickkw in the run card of signal matches events of several jets to the shower, without `merging`",
        ),
        ({"sample": "other"}, "signal is the process of signal, not of other"),
    ],
)
def test_events_that_cannot_be(
    tmp_path: Path, mg5: Path, configured: Path, process: Path, changes: dict[str, Any], reason: str
) -> None:
    assert _refusal(tmp_path, event_settings(mg5, **changes), configured, process).startswith(reason)


def test_parts_are_disjoint(tmp_path: Path, mg5: Path, configured: Path, process: Path) -> None:
    folder = Folder(tmp_path)
    parts = [
        folder.run("simulate", f"x.{k}", event_settings(mg5, n_events=25), seed=k, setup=configured, process=process)
        for k in range(1, 5)
    ]
    assert len({event for part in parts for event in _text(part).split("<event>")[1:]}) == 100


def test_showered_events_fit_the_event_file(tmp_path: Path, mg5: Path, configured: Path, process: Path) -> None:
    shower = {"card": "card", "settings": {"PartonLevel:MPI": False}}
    card = tmp_path / "pythia8_card.dat"
    card.write_text("Main:numberOfEvents = -1\nHEPMCoutput:file = auto\nMerging:Process = <set_by_user>\n")
    inputs = {"setup": configured, "process": process, "card": card}
    settings = event_settings(mg5, n_events=30, shower=shower)
    events = Folder(tmp_path).run("simulate", "x", settings, seed=5, **inputs)
    showered = gzip.decompress((events / "events.hepmc.gz").read_bytes())
    assert showered.count(b"\nE ") == _text(events).count("<event>") == 30
    assert json.loads((events / "simulate.json").read_text())["n_lost_in_shower"] == 0
    assert showered.decode().splitlines()[2] == "W " + "\\|".join(SIX)
    again = Folder(tmp_path).run("simulate", "y", settings, seed=5, **inputs)
    assert (again / "events.hepmc.gz").read_bytes() == (events / "events.hepmc.gz").read_bytes()


def test_vetoed_events_lower_the_cross_section(tmp_path: Path, mg5: Path, configured: Path, process: Path) -> None:
    """Events without jets whose shower has a jet above the matching scale belong to another process."""
    merging = {"scheme": "mlm", "jets": 1, "xqcut_gev": 8.0, "qcut_gev": 10.0}
    shower = {"card": None, "settings": {"PartonLevel:MPI": False, "HadronLevel:all": False}}
    settings = event_settings(mg5, n_events=40, shower=shower, merging=merging)
    events = Folder(tmp_path).run("simulate", "x", settings, seed=5, setup=configured, process=process)
    record = json.loads((events / "simulate.json").read_text())
    kept = record["n_events"]
    assert 0 < kept < 40 and record["n_lost_in_shower"] == 40 - kept and record["n_generated"] == 40
    assert record["cross_section_pb"] == pytest.approx(0.5 * kept / 40)
    assert record["mean_weights_pb"]["sm"] == pytest.approx(0.5 * kept / 40)
    showered = gzip.decompress((events / "events.hepmc.gz").read_bytes()).decode()
    weights = re.findall(r"^W (\S+) \S+ ", showered, re.MULTILINE)
    assert len(weights) == _text(events).count("<event>") == kept
    assert [float(weight) for weight in weights] == pytest.approx([0.5 * kept / 40] * kept)
    again = les_houches_normalise.inspect(events / "events.lhe.gz", "sm", SIX)
    assert again.record()["mean_weights_pb"] == pytest.approx(record["mean_weights_pb"]), "it can be imported"
    assert "ickkw" not in again.head.header, "nothing is left to merge"


def test_madspin_decays_the_events(tmp_path: Path, mg5: Path, configured: Path, process: Path) -> None:
    """The events are those that MadSpin writes; without them the job fails."""
    decays = {"decays": ["mu- > e- vm ve~"], "spinmode": "none", "definitions": {"lep": "e- mu-"}, "bw_cut": 15.0}
    changes = {"madspin": decays, "reweight_card": ["change process u u~ > mu- mu+"], "auto_widths": ["decay 25"]}
    inputs = {"setup": configured, "process": process}
    Folder(tmp_path).run("simulate", "x", event_settings(mg5, **changes), seed=7, **inputs)
    log = (tmp_path / "simulate" / "x.log").read_text()
    assert "program: madspin card: set spinmode none; set seed 7; set max_weight_ps_point 400; set BW_cut 15.0; " in log
    assert "define lep = e- mu-; decay mu- > e- vm ve~; launch\n" in log
    assert "change helicity False; change process u u~ > mu- mu+; " in log and "set decay 25 Auto" in log
    (tmp_path / "refused").mkdir()
    wrong = event_settings(mg5, **{**changes, "reweight_card": ["change boost 1"]})
    assert "`change boost` is not in the list" in _refusal(tmp_path / "refused", wrong, configured, process)


# -- what MadGraph says -----------------------------------------------------------------------------------------------


def test_complaint_at_the_last_command() -> None:
    lines = [
        "INFO: Trying process: u u~ > h WEIGHTED<=2 @1",
        'Command "generate_events run_01" interrupted with error:',
        "FileNotFoundError : [Errno 2] No such file or directory: 'HTML/run_01'",
        "Please report this bug on https://bugs.launchpad.net/mg5amcnlo",
    ]
    assert complaint(lines) == "[Errno 2] No such file or directory: 'HTML/run_01'"
    model = [
        "Error detected in sub-command import model x",
        "write debug file MG5_debug",
        "str : Model not found locally",
    ]
    assert complaint(model) == "Model not found locally"
    assert complaint(lines[:1]) is None


def test_hint_is_the_last_line_about_an_error() -> None:
    lines = ["fastjet-config does not seem to correspond to a valid executable: cannot be used", "fatal error: no disk"]
    assert hint([*lines, "INFO: Done"]) == ": fatal error: no disk"
    assert hint(lines[:1]) == "; see the log"


assert set(BENCHMARKS) <= set(SIX)
