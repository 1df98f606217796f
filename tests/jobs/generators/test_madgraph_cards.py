"""The cards that MadGraph reads."""

from dataclasses import replace
from pathlib import Path

import pytest
from mmc.compiler.inputs import cards
from mmc.compiler.settings.configure import CardEntry
from mmc.compiler.settings.generation import MadGraphBeams, MadSpin
from mmc.compiler.settings.uncertainties import NormUncertainty, PdfUncertainty, ScaleUncertainty, Uncertainty
from mmc.errors import StepError
from mmc.jobs.generators import madgraph_cards
from mmc.jobs.generators.madgraph_cards import card_value, card_values, param_card, reweight_card, run_card, untouched
from mmc.jobs.madminer import workarounds

from tests.support import SHARED_DATA

PARAMETERS = {
    "CWL2": CardEntry(lha_block="DIM6", lha_id=2, transform="16.52*theta"),
    "CPWL2": CardEntry(lha_block="dim6", lha_id=5, transform="theta"),
}
CARD = (
    "Block DIM6 # operators\n    1 1.0e+00 # CW\n    2 1.0 # CWL2\n    5 0 # CPWL2\n"
    "BLOCK mass\n 25 125.\nDECAY 25 4e-3\n"
)
BEAMS = MadGraphBeams(energy_gev=6500.0, particles=("p", "pbar"), pdf="nn23lo1")


def test_values_of_the_card_are_transformed() -> None:
    assert card_values(PARAMETERS, {"CWL2": -2.0, "CPWL2": 0.5}) == {"dim6 2": -33.04, "dim6 5": 0.5}


@pytest.mark.parametrize(
    ("transform", "theta", "reason"),
    [
        ("__import__('os').getcwd()", 1.0, "the transform .* of CWL2: "),
        ("1/theta", 0.0, "has no value at 0: .*division by zero"),
        ("1e300*theta*1e300", 1.0, "has no value at 1: it is inf"),
        ("theta**0.5", -1.0, "has no value at -1"),
        ("10**theta", 400, "has no value at 400"),
        ("sqrt(theta)", -1.0, "has no value at -1"),
        ("j[0].pt", 1.0, "is not known in a transform"),
    ],
)
def test_transforms_that_have_no_value(transform: str, theta: float, reason: str) -> None:
    with pytest.raises(StepError, match=reason):
        card_value(transform, theta, "CWL2")


def test_transforms_call_what_eval_lets_them_call() -> None:
    assert card_value(" max(abs(theta), 2)", -3.0, "CWL2") == 3.0
    assert card_value("10**theta + exp(0)", 2, "CWL2") == 101.0
    assert card_value("sqrt(theta)", 4.0, "CWL2") == 2.0


def test_param_card_is_that_of_the_point() -> None:
    text = param_card(CARD, {"dim6 all": 0, "mass 25": 126.0}, {"dim6 2": -33.04}, all_needed=True, origin="x.dat")
    assert _numbers(text) == {
        ("dim6", 1): 0,
        ("dim6", 2): -33.04,
        ("dim6", 5): 0,
        ("mass", 25): 126.0,
        ("decay", 25): 4e-3,
    }


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("dim6 7", r"the param card x\.dat has no entry 'dim6 7': block dim6 has 1, 2, 5"),
        ("smeft 1", r"the param card x\.dat has no entry 'smeft 1': it has decay, dim6, mass"),
    ],
)
def test_param_card_lacks_a_place(place: str, reason: str) -> None:
    with pytest.raises(StepError, match=reason):
        param_card(CARD, {}, {place: 1.0}, all_needed=True, origin="x.dat")
    as_it_is = param_card(CARD, {}, {}, all_needed=True, origin="x.dat")
    assert param_card(CARD, {}, {place: 1.0}, all_needed=False, origin="x.dat") == as_it_is
    with pytest.raises(StepError, match="has no entry"):  # what the study says is needed for a background too
        param_card(CARD, {place: 1.0}, {}, all_needed=False, origin="x.dat")
    assert param_card(CARD, {place: 1.0}, {}, all_needed=True, origin="x.dat", where_there=[place]) == as_it_is


MATRIX = """\
Block dsqmix
 1 1 1.0
 1 2 0.0
## Dependent parameters, given by model restrictions.
 2 2 1.0
"""


def test_entries_of_a_matrix() -> None:
    parameters = {"m": CardEntry(lha_block="DSQMIX", lha_id=(1, 2), transform="2*theta")}
    values = card_values(parameters, {"m": 0.1})
    assert values == {"dsqmix 1 2": 0.2}
    text = param_card(MATRIX, {"dsqmix 1 1": 0.5}, values, all_needed=True, origin="x.dat")
    assert {place: float(value) for place, value in cards.param_card(text).items()} == {
        ("dsqmix", (1, 1)): 0.5,
        ("dsqmix", (1, 2)): 0.2,
        ("dsqmix", (2, 2)): 1.0,
    }
    assert "  set dsqmix 1 2 0.2" in reweight_card({"w": values})
    with pytest.raises(StepError, match=r"has no entry 'dsqmix 2 1': block dsqmix has 1 1, 1 2, 2 2$"):
        param_card(MATRIX, {}, {"dsqmix 2 1": 1.0}, all_needed=True, origin="x.dat")


@pytest.mark.parametrize(("entries", "values"), [({"dsqmix 2 2": 0.5}, {}), ({}, {"dsqmix 2 2": 0.5})])
def test_entries_that_madgraph_ignores(entries: dict[str, float], values: dict[str, float]) -> None:
    with pytest.raises(
        StepError, match=r"^the param card x.dat has 'dsqmix 2 2' below its line Dependent parameters: "
    ):
        param_card(MATRIX, entries, values, all_needed=True, origin="x.dat")


def test_entries_that_stay_as_they_are() -> None:
    assert untouched(CARD, {}, ["dim6 2"]) == {"dim6 1": "1.0e+00"}
    assert untouched(CARD, {"dim6 1": 0.5}, ["dim6 2"]) == {}
    assert untouched(CARD, {"dim6 all": 0}, ["dim6 2"]) == {}
    assert untouched(CARD, {}, ["decay 25"]) == {}


def test_reweight_card_has_a_launch_for_each_point() -> None:
    text = reweight_card({"w": {"dim6 2": 165.2, "dim6 5": 0.0}, "vector_2": {"dim6 2": -29.29, "dim6 5": 1e-05}})
    assert text.splitlines() == [
        "change output default",
        "change helicity False",
        "",
        "launch --rwgt_name=w",
        "  set dim6 2 165.2",
        "  set dim6 5 0.0",
        "",
        "launch --rwgt_name=vector_2",
        "  set dim6 2 -29.29",
        "  set dim6 5 1e-05",
    ]


def test_madspin_card_does_not_set_the_default() -> None:
    """Many versions of MadSpin know `madspin` as the default, and refuse `set spinmode madspin`."""
    decays = MadSpin(decays=("t > w+ b",), spinmode="madspin", definitions={"lep": "e- mu-"})
    lines = ["set seed 7", "set max_weight_ps_point 400", "define lep = e- mu-", "decay t > w+ b", "launch"]
    assert madgraph_cards.madspin_card(decays, 7).splitlines() == lines
    onshell = replace(decays, spinmode="onshell", bw_cut=15.0)
    assert madgraph_cards.madspin_card(onshell, 7).splitlines() == [
        "set spinmode onshell",
        *lines[:2],
        "set BW_cut 15.0",
        *lines[2:],
    ]


def test_run_card_keeps_what_is_not_set() -> None:
    template = "# 5 = ptj\n 10000 = nevents ! Number\n 20.0 = PTJ # cut\n 0.4 = drjj ! two = signs\n {} = pt_min_pdg\n"
    text = run_card(template, {"ptj": 30.0, "nevents": 7, "cut_decays": True, "pt_min_pdg": "{6: 100}"})
    assert {entry.name: entry.value for entry in cards.run_card(text)} == {
        "drjj": "0.4",
        "ptj": "30.0",
        "nevents": "7",
        "cut_decays": "True",
        "pt_min_pdg": "{6: 100}",
    }
    assert text.startswith("# 5 = ptj\n")


def test_settings_that_are_the_studys_alone() -> None:
    found = madgraph_cards.fixed_settings(1000, 77, BEAMS)
    assert found == {
        "nevents": 1000,
        "iseed": 77,
        "lpp1": 1,
        "lpp2": -1,
        "ebeam1": 6500.0,
        "ebeam2": 6500.0,
        "pdlabel": "nn23lo1",
        "event_norm": "average",
    }
    numbered = madgraph_cards.fixed_settings(1000, 77, replace(BEAMS, pdf=303400))
    assert (numbered["pdlabel"], numbered["lhaid"]) == ("lhapdf", 303400)


NORM = NormUncertainty(effect="norm", variation=1.1)
MU = ScaleUncertainty(effect="scale", scale="mu", variations=(0.5, 1, 2))
MUF = ScaleUncertainty(effect="scale", scale="muf", variations=(0.25, 4.0))
PDF = PdfUncertainty(effect="pdf", variation="CT10")


@pytest.mark.parametrize(
    ("systematics", "arguments"),
    [
        ([NORM, MU], "['--mur=0.5,1,2', '--muf=0.5,1,2', '--dyn=-1', '--pdf=central', '--together=mur,muf']"),
        ([MUF], "['--mur=1', '--muf=0.25,4', '--dyn=-1', '--pdf=central']"),
        ([PDF], "['--mur=1', '--muf=1', '--dyn=-1', '--pdf=CT10']"),
    ],
)
def test_systematics(systematics: list[Uncertainty], arguments: str) -> None:
    found = madgraph_cards.systematics_settings(systematics)
    assert found == {"use_syst": True, "systematics_program": "systematics", "systematics_arguments": arguments}


def test_without_systematics_nothing_is_varied() -> None:
    assert madgraph_cards.systematics_settings([NORM]) == madgraph_cards.systematics_settings([]) == {"use_syst": False}


def test_configuration_uses_the_cores_of_the_job() -> None:
    assert "mg5_path = /opt/mg5\nrun_mode = 0\nnb_core = 1\n" in madgraph_cards.configuration("/opt/mg5", 1)
    assert "run_mode = 2\nnb_core = 4\n" in madgraph_cards.configuration("/opt/mg5", 4)


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="needs the cards beside the checkout")
def test_param_card_says_what_madminers_says(tmp_path: Path) -> None:
    workarounds.apply()
    from madminer.models import AnalysisParameter, Benchmark
    from madminer.utils.interfaces.mg_cards import export_param_card

    template = SHARED_DATA / "vbf-higgs" / "cards" / "param_card_template.dat"
    parameters = {
        name: AnalysisParameter(name, entry.lha_block.lower(), entry.lha_id, 2, (-10, 10), entry.transform)
        for name, entry in PARAMETERS.items()
    }
    point = {"CWL2": -1.773, "CPWL2": -5.133}
    export_param_card(Benchmark("x", point), parameters, str(template), "", str(tmp_path / "theirs.dat"))
    ours = param_card(template.read_text(), {}, card_values(PARAMETERS, point), all_needed=True, origin="x")
    assert _numbers(ours) == _numbers((tmp_path / "theirs.dat").read_text())


def _numbers(card: str) -> dict[tuple[str, int], float]:
    return {place: float(value) for place, value in cards.param_card(card).items()}
