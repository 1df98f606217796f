"""The step import_events: event files that exist become what the other steps read, or one line says why not."""

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmc.jobs.formats import hepmc, les_houches_table

from tests.jobs.formats.test_les_houches_normalise import HEADER, write_lhe
from tests.jobs.madgraph import BENCHMARKS, PARAMETERS, setup
from tests.jobs.physics import Folder, names
from tests.support import SHARED_DATA

SIX = ["sm", "w", *(f"morphing_basis_vector_{k}" for k in range(2, 6))]
OTHERS = dict.fromkeys(SIX[1:], "1.0")
HEPMC = "HepMC::Version 3.02.05\nHepMC::Asciiv3-START_EVENT_LISTING\n{events}HepMC::Asciiv3-END_EVENT_LISTING\n"


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return setup(Folder(tmp_path_factory.mktemp("configured")))


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The points of the real event files, to three digits."""
    others = [(-1.773, -5.133), (-7.416, 7.148), (1.166, 7.227), (6.623, -4.359)]
    points = [dict(zip(BENCHMARKS["sm"], point, strict=True)) for point in others]
    benchmarks = {**BENCHMARKS, **dict(zip(SIX[2:], points, strict=True))}
    return setup(Folder(tmp_path_factory.mktemp("real")), benchmarks)


def _settings(**changes: Any) -> dict[str, Any]:
    own = {"sample": "signal", "benchmark": "sm", "background": False, "systematics": {}, "parameters": PARAMETERS}
    return {**own, "lhe": "file_lhe", "hepmc": None, "delphes": None, **changes}


def _hepmc(path: Path, n_events: int) -> Path:
    path.write_text(HEPMC.format(events="E 0 1 2\nP 1\n" * n_events))
    return path


def _root(path: Path, n_events: int, tree: str = "Delphes") -> Path:
    import uproot

    with uproot.recreate(path) as file:
        file.mktree(tree, {"Event": np.int32}).extend({"Event": np.arange(n_events)})
    return path


def test_events_alone(tmp_path: Path, configured: Path) -> None:
    source = write_lhe(tmp_path / "sm.lhe", [OTHERS] * 2)
    out = Folder(tmp_path).run("import_events", "signal.sm.0", _settings(), setup=configured, file_lhe=source)
    assert names(out) == ["events.lhe.gz", "job.json", "simulate.json"]
    record = json.loads((out / "simulate.json").read_text())
    assert (record["sample"], record["slice"], record["benchmark"], record["n_events"]) == ("signal", None, "sm", 2)
    assert (record["cross_section_pb"], record["mean_weights_pb"]["w"]) == (0.5, 2.0)
    assert list(les_houches_table.read(out / "events.lhe.gz").weights) == SIX


def test_events_with_shower_and_detector(tmp_path: Path, configured: Path) -> None:
    source = write_lhe(tmp_path / "sm.lhe", [OTHERS] * 2)
    files = {
        "file_lhe": source,
        "file_hepmc": _hepmc(tmp_path / "sm.hepmc", 2),
        "file_root": _root(tmp_path / "sm.root", 2),
    }
    settings = _settings(hepmc="file_hepmc", delphes="file_root")
    out = Folder(tmp_path).run("import_events", "x", settings, setup=configured, **files)
    expected = ["detect.json", "events.hepmc.gz", "events.lhe.gz", "events.root", "job.json", "simulate.json"]
    assert names(out) == expected
    assert gzip.decompress((out / "events.hepmc.gz").read_bytes()) == (tmp_path / "sm.hepmc").read_bytes()
    assert (out / "events.root").read_bytes() == (tmp_path / "sm.root").read_bytes()
    assert json.loads((out / "detect.json").read_text())["n_events"] == 2


def test_weights_with_other_names(tmp_path: Path, configured: Path) -> None:
    """A weight under the benchmark's own name is another one then."""
    in_file = {"w": "172.5_40", "morphing_basis_vector_2": "160_15"}
    weights = {in_file.get(name, name): value for name, value in OTHERS.items()} | {"w": "7.0", "1001": "3.0"}
    source = write_lhe(tmp_path / "sm.lhe", [weights] * 2)
    out = Folder(tmp_path).run("import_events", "x", _settings(weights=in_file), setup=configured, file_lhe=source)
    found = les_houches_table.read(out / "events.lhe.gz").weights
    plain = write_lhe(tmp_path / "plain.lhe", [OTHERS | {"1001": "3.0"}] * 2)
    same = Folder(tmp_path).run("import_events", "plain", _settings(), setup=configured, file_lhe=plain)
    expected = les_houches_table.read(same / "events.lhe.gz").weights
    assert {name: values.tolist() for name, values in found.items()} == {
        name: values.tolist() for name, values in expected.items()
    }
    (tmp_path / "refused").mkdir()
    wrong = _settings(weights={**in_file, "w": "155_10"})
    missing = Folder(tmp_path / "refused").refusal("import_events", "x", wrong, setup=configured, file_lhe=source)
    assert "event 1 of sm.lhe has no weight for '155_10'" in missing


@pytest.mark.parametrize("weights", [{}, {"w": "0.2500001", "1001": "3"}])
def test_background_needs_no_weights(tmp_path: Path, configured: Path, weights: dict[str, str]) -> None:
    source = write_lhe(tmp_path / "ww.lhe", [weights] * 2)
    settings = _settings(sample="ww", background=True)
    out = Folder(tmp_path).run("import_events", "x", settings, setup=configured, file_lhe=source)
    assert json.loads((out / "simulate.json").read_text())["mean_weights_pb"] == {"sm": 0.5}


@pytest.mark.parametrize(
    ("weights", "changes", "reason"),
    [
        (
            {},
            {},
            "event 1 of sm.lhe has no weight for 'w', 'morphing_basis_vector_2', 'morphing_basis_vector_3' and 2 more; "
            "let MadGraph's reweighting add it under the benchmark's name, say what it is called with `weights` of the "
            "sample, or remove the benchmark",
        ),
        (
            {name: "1" for name in SIX if name != "w"},
            {},
            "event 1 of sm.lhe has no weight for 'w': was it sampled at 'w', and not at 'sm'?",
        ),
        (
            {"sm": "0.25", "w": "0.2500001", "morphing_basis_vector_2": "1"},
            {"background": True},
            "event 1 of sm.lhe has another weight at 'morphing_basis_vector_2' than at 'sm': its process depends on "
            "the parameters, so the sample is not a background",
        ),
        (
            OTHERS,
            {"systematics": {"mu": {"effect": "scale", "scale": "mu", "variations": [0.5, 1, 2]}}},
            "sm.lhe has no weight for the scale uncertainty mu (MUR=2, MUF=2): ",
        ),
        (
            OTHERS,
            {"benchmark": "bsm"},
            "sm.lhe was sampled at 'bsm', which is not a benchmark; the benchmarks are sm, w, morphing_basis_vector_2, "
            "morphing_basis_vector_3, morphing_basis_vector_4, morphing_basis_vector_5",
        ),
        (
            OTHERS,
            {"hepmc": "file_hepmc"},
            "sm.hepmc holds 1 events and sm.lhe 2: the two files must hold the same events",
        ),
        (
            OTHERS,
            {"delphes": "file_root"},
            "sm.root holds 3 events and sm.lhe 2: the two files must hold the same events",
        ),
        (OTHERS, {"delphes": "file_tree"}, "tree.root is not an output of Delphes: it has no tree Delphes"),
        (OTHERS, {"delphes": "file_hepmc"}, "sm.hepmc is damaged: "),
        (OTHERS, {"hepmc": "file_root"}, "sm.root is not a HepMC text: it begins with neither"),
        (OTHERS, {"lhe": "file_hepmc"}, "sm.hepmc is damaged: it ends within an event or without </LesHouchesEvents>"),
    ],
)
def test_files_that_do_not_fit(
    tmp_path: Path, configured: Path, weights: dict[str, str], changes: dict[str, Any], reason: str
) -> None:
    files = {
        "file_lhe": write_lhe(tmp_path / "sm.lhe", [weights] * 2),
        "file_hepmc": _hepmc(tmp_path / "sm.hepmc", 1),
        "file_root": _root(tmp_path / "sm.root", 3),
        "file_tree": _root(tmp_path / "tree.root", 2, "Events"),
    }
    line = Folder(tmp_path).refusal("import_events", "x", _settings(**changes), setup=configured, **files)
    assert line.startswith(reason)


SAMPLED = "<weight id='1'>MUR=2</weight>\n<slha>\nBlock dim6\n 2 {} # CWL2\n 1 9.\n</slha>"
REWEIGHTED = "<weight id='w'>set param_card dim6 2 {} # orig: 0.0\nset param_card dim6 5 0.05\n</weight>"


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (SAMPLED.format("1.652e+02"), "was sampled at dim6 2 = 165.2 for 'sm', where the study has 0: correct the"),
        (SAMPLED.format("0.1"), None),
        (REWEIGHTED.format("33.04"), "was reweighted at dim6 2 = 33.04 for 'w', where the study has 165.2: "),
        (REWEIGHTED.format("165.21"), None),
    ],
)
def test_points_of_the_file_are_those_of_the_study(
    tmp_path: Path, configured: Path, head: str, reason: str | None
) -> None:
    files = {"file_lhe": write_lhe(tmp_path / "sm.lhe", [OTHERS] * 2, header=head + HEADER)}
    folder, settings = Folder(tmp_path), _settings()
    if reason is not None:
        line = folder.refusal("import_events", "x", settings, setup=configured, **files)
        assert line.startswith(f"sm.lhe {reason}")
        settings["parameters"] = {}  # a study that does not say where they stand
    folder.run("import_events", "y", settings, setup=configured, **files)


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="needs the event files beside the checkout")
def test_files_of_a_real_chain(tmp_path: Path, real: Path) -> None:
    data = SHARED_DATA / "vbf-higgs"
    files = {
        "file_lhe": data / "lhe" / "signal_w.lhe.gz",
        "file_root": data / "delphes" / "signal_w_500ev_slim_seed1234.root",
    }
    settings = _settings(benchmark="w", delphes="file_root")
    out = Folder(tmp_path).run("import_events", "x", settings, setup=real, **files)
    record = json.loads((out / "simulate.json").read_text())
    assert record["n_events"] == 500
    assert record["cross_section_pb"] == pytest.approx(0.0170, rel=0.01)
    assert record["mean_weights_pb"]["w"] == pytest.approx(record["cross_section_pb"], rel=1e-4)


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="needs the event files beside the checkout")
def test_hepmc_of_a_real_chain(tmp_path: Path, real: Path) -> None:
    source = SHARED_DATA / "vbf-higgs" / "hepmc" / "signal_sm_100ev.hepmc.gz"
    lhe = SHARED_DATA / "vbf-higgs" / "hepmc" / "signal_sm_100ev.lhe.gz"
    settings = _settings(hepmc="file_hepmc")
    files = {"file_lhe": lhe, "file_hepmc": source}
    out = Folder(tmp_path).run("import_events", "x", settings, setup=real, **files)
    assert hepmc.count(out / "events.hepmc.gz") == 100
    text = gzip.decompress(source.read_bytes())
    shorter = tmp_path / "short.hepmc"
    shorter.write_bytes(b"\nE ".join(text.split(b"\nE ")[:-1]) + b"\nHepMC::IO_GenEvent-END_EVENT_LISTING\n")
    shutil.rmtree(tmp_path / "import_events")
    line = Folder(tmp_path).refusal("import_events", "x", settings, setup=real, **{**files, "file_hepmc": shorter})
    assert line.startswith("short.hepmc holds 99 events and signal_sm_100ev.lhe.gz 100: ")
