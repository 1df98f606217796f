"""``mmc import cards``: a folder of cards becomes a study that validates; what is lost stands in its comments."""

from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from mmc.cli.main import main

PROCESS = """
import model SMEFTsim-cards
define lept = e+ mu+
generate p p > t t~ [QCD] @0
add process p p > t t~ j --loop_filter=True
output ttbar -nojpeg
"""
RUN = """
 20000 = nevents ! events
 7 = iseed
 1 = lpp1
 1 = lpp2
 6500.0 = ebeam1
 7000 = ebeam2
 lhapdf = pdlabel
 325300 = lhaid
 25 = ptj
 ['--dyn=-1'] = systematics_arguments
 cuts.f = custom_fcts
"""
NAMES = ("ctG", "ctW", "cQq", "ctZ", "cpt", "cpQ", "ctp")
PARAM = (
    "Block SMEFT\n"
    + "".join(f" {k} 0.0 # {name}\n" for k, name in enumerate(NAMES, start=1))
    + "Block mass\n 6 173.0\n"
)


def imported(tmp_path: Path, **cards: str) -> tuple[Any, str]:
    """The study and its text, given cards by name."""
    folder = tmp_path / "cards"
    folder.mkdir()
    for name, text in {"tt_proc_card": PROCESS, "tt_run_card": RUN, **cards}.items():
        (folder / f"{name}.dat").write_text(text)
    out = tmp_path / "out" / "study.yaml"
    assert main(["import", "cards", str(folder), "--out", str(out)]) == 0
    return yaml.safe_load(out.read_text()), out.read_text()


def test_points_of_the_reweight_card_are_benchmarks(tmp_path: Path) -> None:
    """Seven parameters, and more points than the basis holds; the first that are independent are the basis."""
    points = [{name: value} for name in NAMES for value in (1.0, -1.0, 0.5)]
    points += [{a: 1.0, b: 1.0} for a, b in combinations(NAMES, 2)]
    lines = ["change rwgt_dir rwgt", "change process p p > t t~ NP=1", "change boost system(1)"]
    for k, point in enumerate(points):
        lines += [f"launch --rwgt_name=EFT{k}", *(f"set param_card {name} {value}" for name, value in point.items())]
    study, text = imported(
        tmp_path,
        param_card=PARAM,
        tt_reweight_card="\n".join([*lines, "launch --rwgt_name=again", "set SMEFT 1 1d0"]),
        tt_customizecards="set param_card mass 6 172.5\nset run_card x 1\n",
    )
    assert list(study["parameters"]) == list(NAMES)
    assert study["parameters"]["ctW"] == {"lha_block": "smeft", "lha_id": 2, "range": [-1, 1]}
    inside = [name for name, values in study["benchmarks"].items() if values.get("in_basis", True)]
    assert len(study["benchmarks"]) == 1 + len(points)
    assert len(inside) == 36 and inside[0] == "sm" and "EFT2" not in inside, "a third point on a line adds nothing"
    generation = study["generation"]
    assert generation["beams"] == {
        "energy": ["6500 GeV", "7000 GeV"],
        "particles": ["p", "p"],
        "pdf": "NNPDF31_nnlo_as_0118_mc_hessian_pdfas",
    }
    assert generation["param_card"] == {"file": "cards/param_card.dat", "mass 6": 172.5}
    assert generation["samples"]["signal"] == {
        "process": ["p p > t t~ @0", "p p > t t~ j"],
        "events": 20000,
        "reweight_card": ["change process p p > t t~ NP=1"],
    }
    card = (tmp_path / "out" / "cards" / "run_card.dat").read_text()
    assert "ptj" in card and "nevents" not in card and "custom_fcts" not in card
    for lost in (
        "asks for corrections",
        "has options",
        "boost system(1)",
        "`set run_card x 1`",
        "custom_fcts",
        "again",
    ):
        assert lost in " ".join(text.split())


def test_cards_alone_make_a_study(tmp_path: Path) -> None:
    """Leptons of the process are the beams; without a reweight card a parameter is proposed."""
    study, text = imported(
        tmp_path,
        tt_proc_card="generate e- e+ > mu- mu+",
        tt_run_card="10 = nevents\n0 = lpp1\n0 = lpp2\n125 = ebeam1\n125 = ebeam2\n",
        madspin_card="set spinmode none\nset ms_dir /tmp\ndefine lep = e+ mu+\ndecay mu- > e- ve~ vm\nlaunch\n",
    )
    assert study["generation"]["beams"] == {"energy": "125 GeV", "particles": ["e-", "e+"]}
    assert "no reweight card varies a parameter" in text and "`set ms_dir /tmp`" in text
    assert study["generation"]["definitions"] == {"lep": "e+ mu+"}
    assert study["generation"]["samples"]["signal"]["madspin"] == {"spinmode": "none", "decays": ["mu- > e- ve~ vm"]}


def test_merging_of_cards(tmp_path: Path) -> None:
    study, _ = imported(
        tmp_path, tt_run_card=f"{RUN} 1 = ickkw\n 20.0 = xqcut\n", pythia8_card="JetMatching:qCut = 35\n"
    )
    merging = study["generation"]["samples"]["signal"]["merging"]
    assert merging == {"scheme": "mlm", "jets": 1, "xqcut": "20 GeV", "qcut": "35 GeV"}


def test_a_folder_without_cards(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "cards", str(tmp_path), "--out", str(tmp_path / "s.yaml")]) == 2
    assert "has no process card: the folder needs one whose name ends with proc_card.dat" in capsys.readouterr().err
