"""The step import_events: event files that exist become what the other steps read, or one line says why not."""

import bz2
import gzip
import json
import lzma
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from mmc.errors import StepError
from mmc.jobs.formats import hepmc, les_houches_table, same_events
from mmc.jobs.formats.hard_process import HardProcess
from mmc.jobs.formats.les_houches_head import read_head
from mmc.jobs.formats.weight_groups import Nuisance
from mmc.jobs.steps import import_events

from tests.jobs.formats.test_les_houches_cross_sections import INFO
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


def test_what_is_left_of_a_filtered_file_is_a_file_of_its_own(tmp_path: Path, configured: Path) -> None:
    """100 of 400 events of 0.5 pb, more of the one process than of the other."""
    info = INFO.replace(":       4", ":     400")
    source = write_lhe(tmp_path / "sm.lhe", [OTHERS] * 100, "0.5", "average", HEADER.replace("{n}", "400") + info)
    text = source.read_text().replace(" -3 1\n5.0e-01 1.0e-02", " -4 2\n.2 .003 1. 2\n3.0e-01 .004")
    source.write_text(text.replace(" 3   1 0.5", " 3   2 0.5", 10))
    folder = Folder(tmp_path)
    run = {"setup": configured, "file_lhe": source}
    first = folder.run("import_events", "first", _settings(filtered=True), **run)
    second = folder.run("import_events", "second", _settings(), **{**run, "file_lhe": first / "events.lhe.gz"})
    records = [json.loads((out / "simulate.json").read_text()) for out in (first, second)]
    assert [(record["n_events"], record["n_generated"]) for record in records] == [(100, 400), (100, 100)]
    assert [record["mean_weights_pb"]["sm"] for record in records] == pytest.approx([0.125] * 2)
    assert [record["cross_section_pb"] for record in records] == pytest.approx([0.5, 0.125])
    assert records[0]["cross_section_error_pb"] == pytest.approx(0.005)
    # both have the variance of the events, which differs by the known numbers of generated events
    both = [(record["cross_section_error_pb"] / record["cross_section_pb"]) ** 2 for record in records]
    assert both[1] - 1 / 100 == pytest.approx(both[0] - 1 / 400)
    head = read_head(gzip.decompress((first / "events.lhe.gz").read_bytes()).decode(), source)
    assert {name: value for name, (value, _) in head.processes.items()} == pytest.approx({"1": 0.1125, "2": 0.0125})
    assert (head.n_generated, head.integrated_pb) == (100, pytest.approx(0.125))


def test_the_number_of_one_run_may_not_be_that_of_all(tmp_path: Path, configured: Path) -> None:
    """POWHEG's settings in a file of merged runs are those of the first."""
    source = write_lhe(tmp_path / "sm.lhe", [OTHERS] * 3, "0.5", header="")
    text = source.read_text().replace(" -3 1\n", " -4 1\n")
    source.write_text(text.replace("<header>", "<!--\nnumevts 10 ! of a run\n-->\n<header>"))
    out = Folder(tmp_path).run("import_events", "x", _settings(filtered=True), setup=configured, file_lhe=source)
    (warning,) = json.loads((out / "simulate.json").read_text())["warnings"]
    assert warning.startswith("10 is the number of events of one run in sm.lhe (numevts): if runs were merged before")


@pytest.mark.parametrize(
    ("setting", "removed", "is_refused"),
    [
        ("1 = ickkw", False, True),
        ("3d0 = ickkw # hidden_parameter", False, True),
        ("30.0 = ktdurham ! CKKW", False, True),
        ("1 = ickkw", True, False),  # vetoed events were removed
        ("0 = ickkw\n 20.0 = xqcut", False, False),
        ("-1.0 = ktdurham", False, False),
    ],
)
def test_multiplicities_that_no_shower_has_merged(
    tmp_path: Path, configured: Path, setting: str, removed: bool, is_refused: bool
) -> None:
    header = HEADER.replace(" {n} = nev", f" {setting}\n {{n}} = nev")
    source = write_lhe(tmp_path / "tt.lhe", [{}] * 2, header=header)
    settings, run = _settings(sample="tt", background=True, filtered=removed), {"setup": configured, "file_lhe": source}
    folder = Folder(tmp_path)
    folder.run("import_events", "same", settings, **run)  # all events have one particle
    gluon = " 21 1 1 2 0 0 1. 0. 0. 1. 0. 0. 9.\n"
    source.write_text(source.read_text().replace("<event>\n 3 ", "<event>\n 4 ", 1).replace("# a comment\n", gluon, 1))
    if is_refused:
        reason = _refused_folder(tmp_path).refusal("import_events", "x", settings, **run)
        name = setting.split()[2]
        assert f"tt.lhe has events of 1 to 2 final particles, which its run card merges ({name} = " in reason
    else:
        folder.run("import_events", "x", settings, **run)


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
            "it has none in <rwgt>; let MadGraph's reweighting add it under the benchmark's name, or remove the ",
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
        (SAMPLED.format("1.652D+02"), "was sampled at dim6 2 = 165.2 for 'sm', where the study has 0: correct the"),
        (REWEIGHTED.format("33.04").replace("'w'", "'w' MUR='1.0'"), "was reweighted at dim6 2 = 33.04 for 'w', "),
        (REWEIGHTED.format("3.304d1").replace("param_card ", ""), "was reweighted at dim6 2 = 33.04 for 'w', "),
        (REWEIGHTED.format("33.04"), "was reweighted at dim6 2 = 33.04 for 'w', where the study has 165.2: "),
        (REWEIGHTED.format("165.21"), None),
        # a weight without a text, or without its end, before another
        ("<weight id='1'/>\n" + REWEIGHTED.format("33.04"), "was reweighted at dim6 2 = 33.04 for 'w', "),
        ("<weight id='1'>MUR=2\n" + REWEIGHTED.format("33.04"), "was reweighted at dim6 2 = 33.04 for 'w', "),
        (
            SAMPLED.format("1.652e+02").replace("<slha>", "<SLHA >").replace("</slha>", ""),
            "was sampled at dim6 2 = 165.2",
        ),
        # what is in comments does not count
        ("<!-- uses <slha> -->" + SAMPLED.format("1.652e+02"), "was sampled at dim6 2 = 165.2 for 'sm', where the"),
        (f"<!-- {SAMPLED.format('9.')} {REWEIGHTED.format('33.04')} -->" + REWEIGHTED.format("165.21"), None),
    ],
)
def test_points_of_the_file_are_those_of_the_study(
    tmp_path: Path, configured: Path, head: str, reason: str | None
) -> None:
    files = {"file_lhe": write_lhe(tmp_path / "sm.lhe", [OTHERS] * 2, header=head + HEADER)}
    folder, settings = Folder(tmp_path), _settings()
    if reason is not None:
        line = _refused_folder(tmp_path).refusal("import_events", "x", settings, setup=configured, **files)
        assert line.startswith(f"sm.lhe {reason}")
        settings["parameters"] = {}  # a study that does not say where they stand
    folder.run("import_events", "y", settings, setup=configured, **files)


def test_other_entries_of_the_card_that_change(tmp_path: Path, configured: Path) -> None:
    """Another coefficient is switched on at one benchmark; the width follows from the others."""
    card = "<slha>\nBlock dim6\n 2 0. # CWL2\n 7 0. # other\n 8 1. # same\nDECAY 25 4e-3\n</slha>"
    more = "set param_card dim6 7 3.0\nset param_card dim6 8 1.0\nset param_card decay 25 5e-3\n</weight>"
    declared = f"<initrwgt>{REWEIGHTED.format('165.2').replace('</weight>', more)}</initrwgt>\n"
    source = write_lhe(tmp_path / "sm.lhe", [OTHERS] * 2, header=card + declared + HEADER)
    out = Folder(tmp_path).run("import_events", "x", _settings(), setup=configured, file_lhe=source)
    assert json.loads((out / "simulate.json").read_text())["warnings"] == [
        "the weights at 'w' in sm.lhe are those at dim6 7 = 3, and those at 'sm' at 0: this entry of the param card is "
        "no parameter of the study"
    ]


def test_points_that_are_declared_outside_the_header(tmp_path: Path, configured: Path) -> None:
    source = write_lhe(tmp_path / "sm.lhe", [OTHERS] * 2)
    declared = f"</init>\n<initrwgt>{REWEIGHTED.format('33.04')}</initrwgt>"
    source.write_text(source.read_text().replace("</init>", declared))
    line = Folder(tmp_path).refusal("import_events", "x", _settings(), setup=configured, file_lhe=source)
    assert line.startswith("sm.lhe was reweighted at dim6 2 = 33.04 for 'w', where the study has 165.2: ")


def test_weights_that_are_factors_on_the_nominal_one(tmp_path: Path, configured: Path) -> None:
    weights = [{name: f"{1.0 + 0.1 * k + 0.01 * place}" for place, name in enumerate(SIX[1:])} for k in range(4)]
    source = write_lhe(tmp_path / "sm.lhe", weights, own="2e-3", norm="average", cross_section=2e-3)
    source.write_text(source.read_text().replace("2.0e-03 1.0e-02", "2.0e-03 1.0e-05"))
    out = Folder(tmp_path).run("import_events", "x", _settings(), setup=configured, file_lhe=source)
    assert json.loads((out / "simulate.json").read_text())["warnings"] == [
        "the weights at 'w' in sm.lhe are 500 to 650 times the nominal weights, and those at all other benchmarks as "
        "far from them: if they are factors on these, write their products with these into the file"
    ]


def test_cuts_of_the_run_card(tmp_path: Path, configured: Path) -> None:
    """Those without effect are 0, which a card without them does not tell."""
    cuts = " 20.0d0 = ptl ! minimum\n 0.0 = ptj\n -1.0 = etal\n {6: 100} = pt_min_pdg\n 13 = iseed\n"
    source = write_lhe(tmp_path / "sm.lhe", [OTHERS] * 2)
    source.write_text(source.read_text().replace("]]>", f"{cuts}]]>"))
    out = Folder(tmp_path).run("import_events", "x", _settings(), setup=configured, file_lhe=source)
    assert json.loads((out / "simulate.json").read_text())["cuts"] == {
        "ptl": "20",
        "ptj": "0",
        "etal": "0",
        "pt_min_pdg": "6: 100",
    }


def test_a_filter_that_the_header_does_not_show(tmp_path: Path, configured: Path) -> None:
    source = write_lhe(tmp_path / "sm.lhe", [OTHERS] * 2)
    out = Folder(tmp_path).run("import_events", "x", _settings(filtered=True), setup=configured, file_lhe=source)
    (warning,) = json.loads((out / "simulate.json").read_text())["warnings"]
    assert warning.startswith(
        "`filtered: true` stands beside sm.lhe, and its header says that 2 events were generated, "
    )


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


def _refused_folder(folder: Path) -> Folder:
    """A folder without finished jobs."""
    (folder / "refused").mkdir(exist_ok=True)
    return Folder(folder / "refused")


RATIOS = ["2.0", "4.0", "1.0", "3.0", "7.0", "5.0"]
"""The weight at `w` of each event; the other weights are 1."""
VARYING = [OTHERS | {"w": ratio} for ratio in RATIOS]


def _weighted(path: Path, ratios: list[str], version: int = 3) -> Path:
    """A HepMC text whose weights are those that Pythia passes on, relative to the nominal one."""
    if version == 3:
        events = "".join(f"E {k} 1 2\nU GEV MM\nW 1 {4 * float(r)} 2\nP 1 0 2212 {k} 0\n" for k, r in enumerate(ratios))
        path.write_text(HEPMC.format(events=events))
    else:
        line = "E {} 0 0 0 0 0 0 1 1 2 2 5 6 3 0.7 {} 1.4\nU GEV MM\nP 1 2212 {}\n"
        events = "".join(line.format(k, 2.8 * float(r), k) for k, r in enumerate(ratios))
        path.write_text(HEPMC.format(events=events).replace("Asciiv3", "IO_GenEvent"))
    return path


def _weighted_root(path: Path, ratios: list[str] | None, nominal: str = "Weight") -> Path:
    import awkward as ak
    import uproot

    met, ones = np.arange(6, dtype=np.float32), np.ones(6, dtype=int)
    branches = {"MissingET": ak.zip({"MET": ak.unflatten(met, ones), "Phi": ak.unflatten(met / 7, ones)})}
    if ratios is not None:
        weights = ak.unflatten(np.array([w for r in ratios for w in (1.0, 4 * float(r))], dtype=np.float32), 2 * ones)
        if nominal == "rwgt":
            branches |= {"Event": ak.zip({"Weight": weights[:, :1]}), "Weight": ak.zip({"Weight": weights[:, ::-1]})}
        else:
            branches[nominal] = ak.zip({"Weight": weights[:, :1] if nominal == "Event" else weights})
    names = {"counter_name": lambda name: f"{name}_size", "field_name": lambda outer, inner: f"{outer}.{inner}"}
    with uproot.recreate(path) as file:
        tree = file.mktree("Delphes", {name: array.type.content for name, array in branches.items()}, **names)
        tree.extend(branches)
    return path


SHIFTED = [*RATIOS[1:], RATIOS[0]]


@pytest.mark.parametrize("kind", ["hepmc3", "hepmc2", "root"])
def test_events_of_other_files_are_matched_one_by_one(tmp_path: Path, configured: Path, kind: str) -> None:
    source = write_lhe(tmp_path / "sm.lhe", VARYING, own="0.25", cross_section=1.5)

    def make(name: str, ratios: list[str]) -> Path:
        if kind == "root":
            return _weighted_root(tmp_path / name, ratios)
        return _weighted(tmp_path / name, ratios, int(kind[-1]))

    settings = _settings(delphes="file_x") if kind == "root" else _settings(hepmc="file_x")
    out = Folder(tmp_path).run(
        "import_events", "x", settings, setup=configured, file_lhe=source, file_x=make("right", RATIOS)
    )
    assert json.loads((out / "simulate.json").read_text())["warnings"] == []
    for name, ratios, end in (
        (
            "shifted",
            SHIFTED,
            "the weights of 0 of 6 events agree, and 6 others have those of the event before or after",
        ),
        ("turned", RATIOS[::-1], "the weights of 0 of 6 events agree"),
    ):
        line = _refused_folder(tmp_path).refusal(
            "import_events", "x", settings, setup=configured, file_lhe=source, file_x=make(name, ratios)
        )
        assert line == f"{name} holds other events than sm.lhe, or the same events in another order: {end}"


def test_what_is_assumed_of_a_set_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [Nuisance(f"p{k}", "pdf", {f"b{k}": str(k)}, warning=text) for k, text in enumerate(("", "a", "a"))]
    monkeypatch.setattr(import_events, "find_nuisance", lambda *_: found)
    settings, content = SimpleNamespace(systematics={}), SimpleNamespace(names=("0", "1", "2"))
    assert import_events._check_uncertainties(settings, Path("x.lhe"), content) == ["a"]


@pytest.mark.parametrize("factor", [0.0, 0.6])
@pytest.mark.parametrize("background", [False, True])
def test_weights_that_a_shower_changed(tmp_path: Path, configured: Path, factor: float, background: bool) -> None:
    """A shower vetoes events with weight 0, or merges with weights, and the events would keep their own weights."""
    weights = [{}] * 6 if background else VARYING
    factors = [factor, 1.0, 1.0] * 2
    events = "".join(
        f"E {k} 1 2\nU GEV MM\nW {f} {f * float(r)}\nP 1 {k}\n"
        for k, (f, r) in enumerate(zip(factors, RATIOS, strict=True))
    )
    (tmp_path / "sm.hepmc").write_text(HEPMC.format(events=events))
    files = {
        "file_lhe": write_lhe(tmp_path / "sm.lhe", weights, own="0.25", cross_section=1.5),
        "file_x": tmp_path / "sm.hepmc",
    }
    settings = _settings(hepmc="file_x", background=background)
    line = _refused_folder(tmp_path).refusal("import_events", "x", settings, setup=configured, **files)
    assert line.startswith(
        "2 of 6 events in sm.hepmc have other weights than in sm.lhe, which mmc uses: where a shower"
    )


def test_a_few_events_with_other_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some events that are exchanged, say."""
    monkeypatch.setattr(same_events, "compare", lambda *_: same_events.Comparison(500, 498, 0))
    monkeypatch.setattr(same_events, "n_changed", lambda *_: 2)
    monkeypatch.setattr(les_houches_table, "read", lambda _: None)
    assert import_events._same_events(Path("x.root"), "x.lhe", Path("x"), np.ones((500, 1)), lambda _: None) == [
        "x.root may hold some other events than x.lhe: the weights of 498 of 500 events agree"
    ]


@pytest.mark.parametrize(("n_same", "n_shifted"), [(99, 0), (70, 0), (50, 5), (70, 20), (40, 0)])
def test_energies_that_a_shower_changed(monkeypatch: pytest.MonkeyPatch, n_same: int, n_shifted: int) -> None:
    found = same_events.Comparison(100, n_same, n_shifted, "energies of the incoming partons")
    monkeypatch.setattr(same_events, "compare_hard", lambda *_: found)
    monkeypatch.setattr(les_houches_table, "read", lambda _: None)
    arguments = Path("x.hepmc"), "x.lhe", Path("events.lhe.gz"), None, lambda _: HardProcess(np.ones(1), np.ones(1))
    if n_same < 50 or n_shifted > 5:
        with pytest.raises(StepError, match=r"^x\.hepmc holds other events than x\.lhe, or the same events in another"):
            import_events._same_events(*arguments)
    elif n_same < 99:
        (warning,) = import_events._same_events(*arguments)
        told = f"the energies of the incoming partons of {n_same} of 100 events agree. A shower may change some"
        assert warning.startswith(f"x.hepmc may hold other events than x.lhe: {told}")
    else:
        assert import_events._same_events(*arguments) == []


def test_weights_of_delphes_from_a_les_houches_file(tmp_path: Path, configured: Path) -> None:
    """DelphesLHEF passes on the nominal weight apart, and those of `<rwgt>` in their order."""
    settings, root = _settings(delphes="file_x"), tmp_path / "sm.root"
    files = {"file_lhe": write_lhe(tmp_path / "sm.lhe", VARYING, own="0.25", cross_section=1.5)}
    out = Folder(tmp_path).run(
        "import_events", "x", settings, setup=configured, **files, file_x=_weighted_root(root, RATIOS, "rwgt")
    )
    assert json.loads((out / "simulate.json").read_text())["warnings"] == []
    assert "6 others have those of the event before or after" in _refused_folder(tmp_path).refusal(
        "import_events", "x", settings, setup=configured, **files, file_x=_weighted_root(root, SHIFTED, "rwgt")
    )


@pytest.mark.parametrize(("ratios", "nominal"), [(None, "Weight"), (["1"] * 6, "Weight"), (RATIOS, "Event")])
def test_events_that_cannot_be_matched(
    tmp_path: Path, configured: Path, ratios: list[str] | None, nominal: str
) -> None:
    files = {
        "file_lhe": write_lhe(tmp_path / "sm.lhe", VARYING, own="0.25", cross_section=1.5),
        "file_x": _weighted_root(tmp_path / "sm.root", ratios, nominal),
    }
    out = Folder(tmp_path).run("import_events", "x", _settings(delphes="file_x"), setup=configured, **files)
    assert json.loads((out / "simulate.json").read_text())["warnings"] == [
        "mmc cannot check that sm.root has the events of sm.lhe in the same order: no weight that both have differs "
        "from event to event, and not both have the incoming partons"
    ]


def test_a_nominal_weight_that_varies_is_matched(tmp_path: Path, configured: Path) -> None:
    """Of a background, whose file has no other weight."""
    source = write_lhe(tmp_path / "sm.lhe", [{}] * 6, own="OWN", cross_section=22.0)
    text = source.read_text()
    for ratio in RATIOS:
        text = text.replace("OWN", ratio, 1)
    source.write_text(text)
    settings = _settings(background=True, hepmc="file_x")
    path = tmp_path / "sm.hepmc"
    for ratios in (RATIOS, SHIFTED):
        events = "".join(f"E {k} 1 2\nU GEV MM\nW {7e-9 * float(r)}\nP 1 {k}\n" for k, r in enumerate(ratios))
        path.write_text(HEPMC.format(events=events))
        files = {"file_lhe": source, "file_x": path}
        if ratios is RATIOS:
            out = Folder(tmp_path).run("import_events", "x", settings, setup=configured, **files)
            assert json.loads((out / "simulate.json").read_text())["warnings"] == []
    assert "the same events in another order" in _refused_folder(tmp_path).refusal(
        "import_events", "x", settings, setup=configured, **files
    )


def test_weights_of_hepmc_that_are_not_numbers(tmp_path: Path, configured: Path) -> None:
    files = {
        "file_lhe": write_lhe(tmp_path / "sm.lhe", [OTHERS] * 2),
        "file_x": _weighted(tmp_path / "sm.hepmc", RATIOS[:2]),
    }
    files["file_x"].write_text(files["file_x"].read_text().replace("W 1 16.0", "W 1 16.0.0"))
    line = Folder(tmp_path).refusal("import_events", "x", _settings(hepmc="file_x"), setup=configured, **files)
    assert line == "event 2 of sm.hepmc is damaged: its weights are not numbers"


def test_weights_with_names_that_benchmarks_cannot_have(tmp_path: Path, configured: Path) -> None:
    weights = {("172.5_40" if name == "w" else name): value for name, value in OTHERS.items()}
    declared = "<initrwgt><weight id='172.5_40'>set param_card dim6 2 {} # orig: 0.0\n</weight></initrwgt>\n"
    source = write_lhe(tmp_path / "sm.lhe", [weights] * 2, header=declared.format("1.652e2") + HEADER)
    settings = _settings(weights={"w": "172.5_40"})
    out = Folder(tmp_path).run("import_events", "x", settings, setup=configured, file_lhe=source)
    assert json.loads((out / "simulate.json").read_text())["mean_weights_pb"]["w"] == 2.0
    assert list(les_houches_table.read(out / "events.lhe.gz").weights) == SIX
    source = write_lhe(tmp_path / "sm.lhe", [weights] * 2, header=declared.format("33.04") + HEADER)
    line = _refused_folder(tmp_path).refusal("import_events", "x", settings, setup=configured, file_lhe=source)
    assert line.startswith("sm.lhe was reweighted at dim6 2 = 33.04 for 'w', where the study has 165.2: ")
    line = _refused_folder(tmp_path).refusal("import_events", "x", _settings(), setup=configured, file_lhe=source)
    assert line.endswith("a weight with another name is named under `weights` beside the file")


def test_weights_that_are_declared_and_not_in_the_events(tmp_path: Path, configured: Path) -> None:
    declared = "".join(f"<weight id='{n}' MUR='{k}' MUF='{k}'> </weight>\n" for n, k in (("up", 2.0), ("down", 0.5)))
    source = write_lhe(
        tmp_path / "sm.lhe", [{**OTHERS, "up": "1"}] * 2, header=f"{HEADER}<initrwgt>{declared}</initrwgt>\n"
    )
    settings = _settings(systematics={"mu": {"effect": "scale", "scale": "mu", "variations": [0.5, 1.0, 2.0]}})
    line = Folder(tmp_path).refusal("import_events", "x", settings, setup=configured, file_lhe=source)
    assert line.startswith("sm.lhe declares the weight 'down' for the uncertainty mu, and its events do not have it")


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (
            "<slha>\nBlock dim6\n 1 9.\n## Dependent parameters, given by model restrictions.\n 2 0.0 # x\n</slha>",
            "sm.lhe has dim6 2 below the line Dependent parameters of its param card: MadGraph computes it from others",
        ),
        (
            REWEIGHTED.format("165.2") + REWEIGHTED.format("165.3"),
            "the header of sm.lhe declares the weight 'w' at two points",
        ),
    ],
)
def test_headers_that_contradict_the_study_or_themselves(
    tmp_path: Path, configured: Path, head: str, reason: str
) -> None:
    source = write_lhe(tmp_path / "sm.lhe", [OTHERS] * 2, header=head + HEADER)
    line = Folder(tmp_path).refusal("import_events", "x", _settings(), setup=configured, file_lhe=source)
    assert line.startswith(reason)


@pytest.mark.parametrize("pack", [bz2.compress, lzma.compress])
def test_files_in_other_ways_of_packing(tmp_path: Path, configured: Path, pack: Any) -> None:
    files = {
        "file_lhe": write_lhe(tmp_path / "sm.lhe", [OTHERS] * 2),
        "file_hepmc": _hepmc(tmp_path / "sm.hepmc", 2),
    }
    text = files["file_hepmc"].read_bytes()
    for path in files.values():
        path.write_bytes(pack(path.read_bytes()))
    out = Folder(tmp_path).run("import_events", "x", _settings(hepmc="file_hepmc"), setup=configured, **files)
    assert gzip.decompress((out / "events.hepmc.gz").read_bytes()) == text


def _random_lhe(path: Path, n_events: int, seed: int) -> Path:
    """Events that are all different."""
    text = write_lhe(path, [OTHERS] * n_events, own=str(0.5 / n_events)).read_text()
    first, *events = text.split("0. 0. 0. 100. 100.")
    momenta = np.random.default_rng(seed).normal(size=(n_events, 3))
    lines = (f"{' '.join(map(str, row))} 100. 100." for row in momenta)
    path.write_text(first + "".join(line + rest for line, rest in zip(lines, events, strict=True)))
    return path


def test_events_that_a_file_holds_twice(tmp_path: Path, configured: Path) -> None:
    source = _random_lhe(tmp_path / "sm.lhe", 20, 1)
    head, *events = source.read_text().split("<event>")
    events[-1] = events[-1].removesuffix("</LesHouchesEvents>\n")
    text = "<event>".join([head.replace("20 = nevents", "40 = nevents"), *events, *events])
    source.write_text(text.replace("0.025 ", "0.0125 ") + "</LesHouchesEvents>\n")
    line = Folder(tmp_path).refusal("import_events", "x", _settings(), setup=configured, file_lhe=source)
    assert line.startswith("sm.lhe holds 40 events, and 20 of them are copies of others in the file: remove the copies")


def test_a_weight_under_the_benchmarks_own_name_is_another_one(tmp_path: Path, configured: Path) -> None:
    source = write_lhe(tmp_path / "sm.lhe", [OTHERS] * 2)
    settings = _settings(weights={"w": "155_10"})
    reason = Folder(tmp_path).refusal("import_events", "x", settings, setup=configured, file_lhe=source)
    assert "event 1 of sm.lhe has no weight for 'w'" in reason
