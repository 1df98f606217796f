"""What a study may pass to Pythia, MadGraph and Delphes: nothing that runs code, or reads or writes files."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmc.compiler.inputs.delphes_card import card_refusals as delphes_refusals
from mmc.compiler.inputs.madgraph_settings import (
    is_model,
    param_card_refusals,
    process_refusal,
    run_card_refusal,
    run_card_refusals,
)
from mmc.compiler.inputs.pythia_settings import FAMILIES, card_refusals, is_ignored, refusal
from mmc.compiler.inputs.refusals import Refusal, is_trusted, untrusted

from tests.support import ROOT, SHARED_DATA

_SETTING = re.compile(
    r'<(flag|mode|modeopen|modepick|modefix|parm|parmfix|word|fvec|mvec|pvec|wvec)\w*\s+name\s*=\s*"([^"]+)"'
)
HARMLESS = {"word": "13", "fvec": "{on, off}", "mvec": "{1, -2}", "pvec": "1.5,2e-3", "flag": "On", "wvec": "{a, b}"}
PDF_SETS = {f"PDF:{name}" for name in ("pSet", "pSetB", "pHardSet", "pHardSetB", "piSet", "piSetB", "PomSet")}
NUMBERED = {*PDF_SETS, "PDF:GammaHardSet", "Weights:prefix"}
"""The words of Pythia that pass if they are numbers."""


def pythia_settings() -> dict[str, str]:
    """All settings of the installed Pythia, each with its type."""
    pythia8mc = pytest.importorskip("pythia8mc")
    data = Path(pythia8mc.__file__).parents[3] / "share" / "Pythia8" / "xmldoc"
    texts = [file.read_text(encoding="latin-1") for file in sorted(data.glob("*.xml"))]
    return {name: kind for text in texts for kind, name in _SETTING.findall(text)}


# -- Pythia -----------------------------------------------------------------------------------------------------------


def test_no_text_of_pythia_passes() -> None:
    """Words and lists of words may be names of files or libraries, so no text reaches them."""
    every = pythia_settings()
    texts = {name for name, kind in every.items() if kind in ("word", "wvec")}
    assert len(every) > 1500 and {"Init:plugins", "MultipartonInteractions:initFile", "SLHA:file"} <= texts
    for name in texts:
        for value in ("file.dat", "/tmp/x", "{lib.so::E}", "{a}", "LHAPDF6:x", "a b", "x\\y", "$HOME", "void;"):
            assert is_ignored(name) or refusal(name, value), (name, value)
        numbered = name in NUMBERED or name.endswith((":channels", ":parms", ":list", ":List"))
        assert is_ignored(name) or (refusal(name, "1") is None) <= numbered, name


def test_no_setting_about_files_passes() -> None:
    about = re.compile(r"(?<!pro)file|path|plugin|reuse|lhapdf|lhahdf|lhef|readfrom", re.IGNORECASE)
    for name in pythia_settings():
        if about.search(name) and not is_ignored(name):
            assert refusal(name, "1") and refusal(name.upper(), "on") and refusal(name.lower(), "1"), name


def test_the_physics_of_pythia_passes() -> None:
    every = pythia_settings()
    refused = {name for name, kind in every.items() if refusal(name, HARMLESS.get(kind, "1"))}
    assert {name.partition(":")[0] for name in refused if name.partition(":")[0].lower() not in FAMILIES} <= {
        *("Alpgen", "Angantyr", "Beams", "EnhancedSplittings", "HeavyIon", "HeavyIonA", "HeavyIonB", "Init"),
        *("LHAHDF5", "LHAPDF", "Main", "POWHEG", "Parallelism", "Pythia", "Random", "SetLHEDecayProduct"),
    }
    assert {name for name in refused if name.partition(":")[0].lower() in FAMILIES} <= {
        *("DeuteronProduction:channels", "DeuteronProduction:parms", "MultipartonInteractions:reuseInit"),
        *("MultipartonInteractions:initFile", "SLHA:readFrom", "SLHA:file", "VariationFrag:list"),
        *("UncertaintyBands:List", "Vincia:MEplugin", "Tune:preferLHAPDF"),
    }


@pytest.mark.parametrize(
    "line",
    [
        "Init:plugins = {lib.so::E}",
        "init:PLUGINS {lib.so::E}",
        "Init::plugins = {lib.so::E}",
        "Init:plugins={",
        "\tInit:plugins\t=\t{lib.so::E}",
        "include = other.cmnd",
        "include other.cmnd",
        "Main:subrun = 1",
        "MultipartonInteractions:initFile = /etc/passwd",
        "MultipartonInteractions:reuseInit = 3",
        "TimeShower:pTmin = 1 2",
        "TimeShower:pTmin = {1",
        "TimeShower:pTmin = $X",
        "TimeShower:pTmin = 1/2",
        "PDF:pSet = LHAPDF6:CT14/0",
        "PDF:pSet = LHAGrid1:/tmp/grid.dat",
        "HeavyIon:SigFitInitFile = x",
        "25:addChannel = 1 0.5 100 5 -5; x",
        "25:file = x",
        "25:name = ../x",
        "words",
        "Unknown:setting = 1",
    ],
)
def test_a_line_that_pythia_would_obey(line: str) -> None:
    assert [found.line for found in card_refusals(f"! a card\n{line}\n")] == [2]


@pytest.mark.parametrize(
    "line",
    [
        "TimeShower:alphaSvalue = 0.1365 ! tune",
        "partonlevel:MPI off",
        "Tune:pp 14",
        "23:onMode = off",
        "23:onIfAny = 11 13",
        "25:m0 = 125.",
        "6:0:meMode = 102",
        "1000022:all = chi_10 void 2 0 0 100. 0. 0. 0. 0.",
        "WeakSingleBoson:ffbar2ffbar(s:gmZ) = on",
        "Main:numberOfEvents = -1",
        "Init:showChangedSettings = on",
        "Merging:Process = <set_by_user>",
        "! Init:plugins = {lib.so::E}",
        "  # include = x",
    ],
)
def test_a_line_of_physics(line: str) -> None:
    assert list(card_refusals(line)) == []


@given(st.text(max_size=40), st.text(max_size=40))
def test_what_passes_is_one_line_of_pythia(name: str, value: str) -> None:
    if refusal(name, value) is None and not is_ignored(name):
        assert re.fullmatch(r"[A-Za-z0-9:()\[\]*+-]+", name) and not re.search(r"[\n\r/\\$;'\"<>|&`]", value)


def test_long_values_end_soon() -> None:
    assert refusal("TimeShower:pTmin", "1" * 100_000) and refusal("StringZ:x", "1," * 100_000)
    assert run_card_refusal("ptj", "1 " * 100_000) and run_card_refusal("run_tag", "x" * 100_000)


# -- MadGraph ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("custom_fcts", "['cuts.f']"),
        ("CUSTOM_FCTS", "cuts.f"),
        ("gridpack", "True"),
        ("bias_module", "/tmp/bias"),
        ("bias_parameters", "{'x': 'y'}"),
        ("issgridfile", "grid"),
        ("global_flag", "-O $(shell id)"),
        ("aloha_flag", "`id`"),
        ("matrix_flag", "-fplugin=x.so"),
        ("boost_event", "lambda p: p.pid == 25"),
        ("systematics_arguments", "['/tmp/in.lhe', '/tmp/out.lhe']"),
        ("systematics_arguments", "['--mur=1', '--pdf=errorset --x=/tmp']"),
        ("systematics_program", "/bin/sh"),
        ("ptj", "scan:[__import__('os').system('id')]"),
        ("pt_min_pdg", "{6: __import__('os')}"),
        ("ebeam1", "1; shell id"),
        ("run_tag", "../x"),
        ("unknown", "1"),
        ("ptj ", "1"),
    ],
)
def test_a_setting_that_madgraph_would_obey(name: str, value: str) -> None:
    assert run_card_refusal(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ptj", "20.0"),
        ("nevents", "10k"),
        ("ebeam1", "6.5d3"),
        ("cut_decays", "False"),
        ("fixed_ren_scale", ".true."),
        ("pt_min_pdg", "{6: 100, 25:50}"),
        ("rw_rscale", "1.0, 2.0, 0.5"),
        ("custom_fcts", "[]"),
        ("gridpack", "False"),
        ("bias_module", "None"),
        ("bias_parameters", "{}"),
        ("global_flag", "-O"),
        ("run_tag", "tag_1"),
        ("systematics_arguments", "['--mur=0.5,1,2', '--muf=0.5,1,2', '--pdf=errorset']"),
        ("systematics_arguments", "['--mur=1']"),
        ("me_frame", "[1, 2]"),
        ("lhaid", "[303400, 13000]"),
        ("parton_shower", "PYTHIA8"),
    ],
)
def test_a_setting_of_physics(name: str, value: str) -> None:
    assert run_card_refusal(name, value) is None


def test_run_cards_are_checked_line_by_line() -> None:
    card = " 20 = ptj ! x\n cuts.f = custom_fcts\n# cuts.f = custom_fcts\n 1 = two words\n scan:[1,2] = ptl\n"
    assert [found.line for found in run_card_refusals(card)] == [2, 4, 5]


def test_run_cards_of_the_repository() -> None:
    cards = list((ROOT / "tests").glob("**/cards/run_card*.dat"))
    assert len(cards) >= 3
    for card in cards:
        assert list(run_card_refusals(card.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "line",
    [
        *("p p > j j; shell id", "p p > j j\nshell id", "p p > j j --loop_filter=exit()", "p p > j j --diagram_filter"),
        *("p p > j j ! x", "p p > `id`", "p p > j # x", "p p > 'x'", 'p p > "x"', "p p > j \\", "", "p p > é"),
    ],
)
def test_no_process(line: str) -> None:
    assert process_refusal(line) is not None


@pytest.mark.parametrize(
    "line",
    [
        *("p p > t t~, (t > w+ b, w+ > l+ vl), (t~ > w- b~, w- > j j)", "u d > u d h / a z QCD=0 NP^2==1 @1"),
        *("p p > e+ e- $ z", "g g > h [noborn=QCD]", "p p > t t~ [QCD]", "p p > w+{0} w-{T} NP<=2", "p p > H++ H--"),
    ],
)
def test_a_process(line: str) -> None:
    assert process_refusal(line) is None


def test_models() -> None:
    assert is_model("EWdim6-full") and is_model("sm")
    assert not any(map(is_model, ("../x", "/tmp/x", "sm --modelname", "sm;x", "sm\n", "")))


@pytest.mark.parametrize(
    "line",
    ["25 scan:[1,2]", "25 auto:x", "25 1.0; x", "decay 25 scan1:[1]", "block mass $x", "25 __import__('os')", "a b c"],
)
def test_no_line_of_a_param_card(line: str) -> None:
    assert [found.line for found in param_card_refusals(f"block mass\n{line}\n")] == [2]


def test_param_cards() -> None:
    card = (
        "# x\nBLOCK SPINFO\n 1 SOFTSUSY-3.0\n 2 3.1.0\nBlock mass # y\n 6 1.73e2\n 25 125.d0 # h\nDECAY 25 Auto\n"
        "DECAY 6 1.5\n 1.0 2 5 24 # t > b w\nBlock QNUMBERS 9000001\n 1 0\nblock alpha q= 91.2\n -0.1\nDECAY -6 0\n"
    )
    assert list(param_card_refusals(card)) == []
    if SHARED_DATA.is_dir():
        text = (SHARED_DATA / "vbf-higgs" / "cards" / "param_card_template.dat").read_text(encoding="utf-8")
        assert list(param_card_refusals(text)) == []


# -- Delphes ----------------------------------------------------------------------------------------------------------

CARD = r"""# comment { with [ brackets
set ExecutionPath {
  ParticlePropagator
  # Calorimeter
}
set pi [expr {acos(-1)}]
module Efficiency E {
  set InputArray Delphes/stableParticles ; # comment
  set EfficiencyFormula { (pt <= 0.1) * (0.00) + \
    (abs(eta) <= 1.5) * (pt > 0.1 && pt <= 1.0) * sqrt(0.06^2 + pt^2*1.3e-3^2) + \
    (pt > 10) * TMath::Max(0.95, exp(-pt)) }
  add EfficiencyFormula {5} {0.10 + 0.30*tanh(0.02*pt - 0.4)}
  for {set i -30} {$i <= 30} {incr i} {
    add PhiBins [expr {$i * $pi/18.0}]
  }
  foreach eta {-1.0 -0.9 0.9} {
    add EtaPhiBins $eta $PhiBins
  }
  if {$pi > 3} { set A 1 } else { set A 2 }
  source trackResolutionCMS.tcl
  add EnergyFraction {0} {0.0 1.0}
}
"""
BAD = [
    *("exec ls", "set X [exec ls]", "module A B {\n set X [exec ls]\n}", "eval {set x 1}", "[exec ls]", "$x y"),
    *('"exec" ls', "{exec} ls", "ex\\\nec ls", "add X \\ \nexec ls", "add X \\\\\nexec ls", 'set X "a[exec ls]"'),
    *("source /etc/x.tcl", "source ../x.tcl", "source a/../../x", "source ~/x", "source $x", "open /etc/passwd"),
    *("for {set i 0} {[exec ls]} {} {}", "set b {exec ls}\nfor {} {1} {} $b", "module A B exec", "if 1 exec"),
    *("set x {[exec ls]}\nset y [expr $x]", "set X {\\}\nexec ls\n}", "uplevel exec ls", "rename set x", "set $x 1"),
    *("proc f {} {exec ls}", "set x a;exec ls", "set a \x00;exec", "set X \x0bexec ls", "set X a\x85exec ls"),
    *("set X {", "set X }", "set X [list", "set X {a}b", "while 1 {}", "load x.so", "socket x 1", "file delete x"),
    *('set F {gSystem->Exec("id")}', "set F {(*gSystem).Exec(1)}", "set F {sys tem(1)}", "set F {sys\\\ntem(1)}"),
    *("set F {(system)(1)}", "set F {x.y(1)}", "set F {/*#*/system(1)}", "set F {#\nsystem(1)}", "set F {::system(1)}"),
    *("set F {TMath::system(1)}", "set F {x[0]}", "set F {gDebug = 5}", "set F {TExec {1}}", "set F {a ? b(1) : 1}"),
    *("set PileUpFile /eos/x", "set PileUpFile ../x", "set PileUpFile ~/x", "set PileUpFile {/eos/x}"),
    # formulas that are put together from several words
    *("set F [list ]system(1)[list ]", "set a system\nset F ${a}(1)", "set b system\nset a (1)\nset F $b$a"),
    *("add F system (1)", "add F system\nadd F {(1)}", "set F [list system (1)]", "foreach p {(1)} {\nadd F $p\n}"),
    *("foreach p {system} {\nadd F $p\nadd F (1)\n}", "set b system\nset F [expr {$b}]\nadd F {(1)}"),
    *("set ::F system\nmodule A B {\nadd F (1)\n}", "lappend F system\nlappend F {(1)}"),
]


def test_a_card_of_physics() -> None:
    assert list(delphes_refusals(CARD)) == []


@pytest.mark.parametrize("text", BAD, ids=range(len(BAD)))
def test_a_card_that_would_run_code(text: str) -> None:
    (found,) = delphes_refusals(f"{CARD}{text}\n")
    assert found.line > CARD.count("\n") and found.reason


def test_deep_and_long_cards_end() -> None:
    assert list(delphes_refusals("module A B {" * 3_000))
    assert list(delphes_refusals("set X " + "[list " * 3_000))
    (found,) = delphes_refusals("module A B {\n" * 30 + "}\n" * 30)
    assert found.reason == "braces are nested too deeply"
    assert list(delphes_refusals("add X 1.0 2.0 3.0\n" * 20_000)) == []


@given(st.text(alphabet='set xF{}[]$;\\\n"#()', max_size=60))
def test_any_text_is_answered(text: str) -> None:
    assert len(list(delphes_refusals(text))) <= 1


# -- trust ------------------------------------------------------------------------------------------------------------


def test_trust_is_a_name_or_a_card() -> None:
    setting, line = Refusal(0, "Init:plugins", "x"), Refusal(3, "", "y")
    assert is_trusted(setting, ["init:PLUGINS"]) and not is_trusted(setting, ["Init"])
    assert is_trusted(line, ["./cards/a.tcl"], "cards/a.tcl") and not is_trusted(line, ["cards/b.tcl"], "cards/a.tcl")
    assert not is_trusted(line, [""]) and untrusted([line], [".", "Init:plugins"], None) == line
    assert untrusted([setting, line], ["Init:plugins"]) == line
    assert untrusted([], []) is None
